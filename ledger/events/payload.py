"""The shapes that payloads share: the record block, reasons, partial dates, quantities, keys."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, validates_schema

from ledger.events import fields, names
from ledger.events.strict_fields import matching


class Shape(Schema):
    """An object whose unknown members are refused.

    ``also_in_example`` names optional members that a smallest valid example must hold because a
    rule over several members asks for one of them.
    """

    also_in_example: ClassVar[tuple[str, ...]] = ()

    class Meta:
        """Unknown members are refused, never dropped."""

        unknown = RAISE


class Reason(Shape):
    """Why something was done: a code and words that say more than the code (R-06)."""

    code = fields.code(
        "Reason code from the site's or the protocol's list.", example="transcription"
    )
    text = fields.text(
        "The reason in words, without personal identifiers.",
        example="Value misread from the laboratory print-out.",
    )

    @validates_schema
    def _words_of_their_own(self, data: dict[str, Any], **_kwargs: object) -> None:
        said = "".join(filter(str.isalnum, data.get("text", ""))).casefold()
        coded = "".join(filter(str.isalnum, data.get("code", ""))).casefold()
        if said and said == coded:
            raise ValidationError("The text must say more than the code.", field_name="text")


class Originator(Shape):
    """Who or what originated the data where that is not the signer (FDA 2024 Q20)."""

    person = names.person_id("The person who observed or decided.", required=False)
    on_behalf_of = names.person_id("The person for whom this was done.", required=False)
    device = fields.code("The instrument that produced the data.", required=False)


class Record(Shape):
    """How the event came into the record; absent means entered directly by the signer."""

    captured_at = fields.instant("When it was first written down anywhere.", required=False)
    mode = fields.one_of(
        "How it reached the record.",
        "direct",
        "transcribed",
        "late",
        "import",
        "downtime",
        required=False,
    )
    originator = fields.part(Originator, "Who or what originated the data.", required=False)
    source_ref = fields.text("Where the source document is found.", limit=200, required=False)
    reason = fields.part(Reason, "Why it is late, transcribed or imported.", required=False)


class Payload(Shape):
    """What the ``data`` of every event may hold beside its own members."""

    record = fields.part(Record, "How the event came into the record.", required=False)


class PartialDate(Shape):
    """A date as far as it is known, never filled up with invented days."""

    value = matching(
        "YYYY, YYYY-MM or YYYY-MM-DD, as the precision says.",
        {},
        pattern="[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?",
        error="Must be YYYY, YYYY-MM or YYYY-MM-DD.",
        example="1968-05-02",
    )
    precision = fields.one_of("What is known of the date.", "day", "month", "year")

    @validates_schema
    def _as_precise_as_said(self, data: dict[str, Any], **_kwargs: object) -> None:
        value, precision = data.get("value"), data.get("precision")
        if value is None or precision is None:
            return
        if len(value) != {"year": 4, "month": 7, "day": 10}[precision]:
            raise ValidationError(f"Is not written to the {precision}.", field_name="value")
        try:
            fields.real_day(f"{value}-01-01"[:10])
        except ValidationError as error:
            raise ValidationError(error.messages, field_name="value") from error


class Quantity(Shape):
    """A measured number as text, exactly as reported, in the unit it was reported in."""

    value = fields.decimal("The number as decimal text.")
    unit = fields.unit("The unit as UCUM code.")


class ReferenceRange(Shape):
    """The laboratory's own reference range, in the unit of the value."""

    low = fields.decimal("Lower limit.", required=False, example="3.4")
    high = fields.decimal("Upper limit.", required=False, example="20.5")


class PublicKey(Shape):
    """A public JSON Web Key (RFC 7517), Ed25519 or P-256, without any further member."""

    kty = fields.one_of("Key type.", "OKP", "EC")
    crv = fields.one_of("Curve.", "Ed25519", "P-256")
    x = matching(
        "Public key or x coordinate: 32 bytes, base64url.",
        {},
        pattern="[A-Za-z0-9_-]{43}",
        error="Must be 32 bytes in base64url without padding.",
        example="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    )
    y = matching(
        "The y coordinate, on P-256 only: 32 bytes, base64url.",
        {"required": False},
        pattern="[A-Za-z0-9_-]{43}",
        error="Must be 32 bytes in base64url without padding.",
        example="x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    )

    @validates_schema
    def _a_known_key_type(self, data: dict[str, Any], **_kwargs: object) -> None:
        if {"kty", "crv"} <= set(data):
            shape = (data["kty"], data["crv"], "y" in data)
            if shape not in {("OKP", "Ed25519", False), ("EC", "P-256", True)}:
                raise ValidationError("Must be an Ed25519 (OKP, x) or a P-256 (EC, x, y) key.")


class Request(Shape):
    """The recorded command that a result answers."""

    id = names.event_id("Id of the command's event.")
    seq = fields.whole("Position of the command's entry in the log.")
    sha256 = names.sha256("SHA-256 of the command's entry.")
