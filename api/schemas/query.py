"""Queries, read exactly: no unknown name, no second value, no second spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema
from webargs.flaskparser import FlaskParser

from ledger.errors import RejectedInput
from ledger.signing.envelope import TYPE
from ledger.signing.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from flask import Request

MAX_PAGE: Final = 1_000
_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,14}")
_SUBJECT: Final = r"[A-Z0-9]{2,16}-[0-9]{4}"
View = TypeVar("View", bound=Callable[..., Any])


class Instant(fields.Field[datetime]):
    """An RFC 3339 time with its offset."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 - marshmallow's own signature
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> datetime:
        try:
            return parse_rfc3339(str(value))
        except RejectedInput as error:
            message = f"{error.message} {error.remedy} In an address + is written %2B."
            raise ValidationError(message) from None


class KnownAt(Instant):
    """A record time (RFC 3339) or a position: how many entries of the log were known."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        text = str(value)
        if _POSITION.fullmatch(text):
            return int(text)
        return super()._deserialize(text, attr, data, **kwargs)


class Whole(fields.Field[int]):
    """A whole number in plain digits."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 - marshmallow's own signature
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> int:
        if not _POSITION.fullmatch(str(value)):
            message = "Must be a whole number in digits."
            raise ValidationError(message)
        return int(value)


class Query(Schema):
    """A query; unknown names are refused."""

    class Meta:
        """Unknown names are refused, never dropped."""

        unknown = RAISE


def text(description: str, pattern: str, error: str) -> fields.String:
    """A parameter held to a grammar."""
    return fields.String(
        validate=validate.Regexp(re.compile(rf"(?:{pattern})\Z"), error=error),
        metadata={"description": description},
    )


def known_at() -> KnownAt:
    """What was known: record time or position."""
    return KnownAt(
        metadata={
            "description": "What was known: a record time (RFC 3339) or a number of entries.",
            "type": "string",
        }
    )


def instant(description: str) -> Instant:
    """A time."""
    return Instant(metadata={"description": description, "type": "string", "format": "date-time"})


class Page(Query):
    """Where a page begins and how long it is."""

    after = text("The member next of the page before.", r"[A-Za-z0-9_-]{1,400}", "Is no cursor.")
    limit = Whole(
        load_default=100,
        validate=validate.Range(1, MAX_PAGE),
        metadata={"description": "Rows of a page.", "type": "integer"},
    )


class Known(Query):
    """As it was known."""

    known_at = known_at()


class Replay(Known):
    """As it was known, of what had happened."""

    true_at = instant("What had happened: an occurrence time.")


class Trail(Page):
    """Filters of the audit trail."""

    subject = text("The subject's id.", _SUBJECT, "Is no subject id such as SY01-0007.")
    type = text("The event type.", TYPE.pattern, "Is no event type.")
    actor = text("Source URI of who signed.", r"/[A-Za-z0-9._/-]{1,200}", "Is no source URI.")
    site = text("The site.", r"[A-Z0-9]{2,16}", "Is no site.")
    since = instant("Recorded at or after.")
    until = instant("Recorded at or before.")
    format = fields.String(
        validate=validate.OneOf(("json", "csv")),
        metadata={"description": "json or csv; else the header Accept decides."},
    )


class DeviationQuery(Page):
    """Filters of the deviations."""

    subject = text("The subject.", _SUBJECT, "Is no subject id.")
    rule = text("The rule.", r"DV-[0-9]{2}[a-z]?", "Is no rule id such as DV-02.")
    as_of = instant("Judged as of a time.")


class ReportQuery(Query):
    """Which report."""

    as_of = instant("As it was known at a record time.")
    subject = text("Whose replay the report shows.", _SUBJECT, "Is no subject id.")
    format = fields.String(
        load_default="html",
        validate=validate.OneOf(("html", "json"), error="Only html and json are made so far."),
        metadata={"description": "html or json."},
    )


class Consistency(Query):
    """Two sizes of the log."""

    old = Whole(
        required=True,
        metadata={"description": "The size of the earlier log.", "type": "integer"},
    )
    new = Whole(
        required=True,
        metadata={"description": "The size of the later log.", "type": "integer"},
    )


class EventQuery(Query):
    """What of an event is opened."""

    open = fields.String(
        validate=validate.OneOf(["identity"]),
        metadata={
            "description": "`identity` opens what identifies a person, for a monitor, auditor or "
            "inspector; it is written down beside the reading."
        },
    )


class ReceiptQuery(Query):
    """Under which checkpoint."""

    size = Whole(
        metadata={"description": "The size of a checkpoint that was signed.", "type": "integer"},
    )
    latest = fields.String(
        validate=validate.OneOf(("true", "false"), error="Is neither true nor false."),
        metadata={"description": "true: under the newest checkpoint.", "type": "boolean"},
    )

    @validates_schema
    def _one_checkpoint(self, query: dict[str, Any], **_: Any) -> None:
        if "size" in query and query.get("latest") == "true":
            message = "Either a size or the newest checkpoint, not both."
            raise ValidationError(message, "size")


class StrictParser(FlaskParser):
    """Reads a query by its schema and lets the schema's own error through."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {"query": RAISE}  # noqa: RUF012

    def handle_error(
        self,
        error: ValidationError,
        req: Request,  # noqa: ARG002 - webargs' own signature
        schema: Schema,  # noqa: ARG002
        *,
        error_status_code: int | None,  # noqa: ARG002
        error_headers: Mapping[str, str] | None,  # noqa: ARG002
    ) -> NoReturn:
        """Let the application's own handler write the problem."""
        raise error


class Door(Blueprint):
    """A blueprint whose queries are read exactly."""

    ARGUMENTS_PARSER = StrictParser()

    def query(self, schema: type[Query]) -> Callable[[View], View]:
        """Read the query by a schema; the view gets it as its first argument."""

        def decorate(view: View) -> View:
            reading = self.arguments(schema, location="query")(view)
            reading.query_names = frozenset(schema().fields)
            return reading  # type: ignore[no-any-return]

        return decorate
