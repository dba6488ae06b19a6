"""Pages made from the vocabulary: ``docs/events.md`` and ``ledger/events/vocabulary.json``.

``python -m ledger.events.catalogue`` writes both; with ``--check`` it writes nothing and ends with
status 1 when one of them is not what it would write.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785
from marshmallow import Schema, fields, validate

from ledger.events.payload import (
    PartialDate,
    Payload,
    PublicKey,
    Quantity,
    Reason,
    Record,
    ReferenceRange,
    Request,
    Shape,
)
from ledger.events.registry import DOMAINS, EVENT_TYPES
from ledger.events.strict_fields import SAFE_INTEGER, Flag, WholeNumber
from ledger.vocabulary import Kind, StreamFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.events.event_type import EventType
    from ledger.vocabulary import SigningRule

SHARED: tuple[type[Shape], ...] = (
    Record,
    Reason,
    PartialDate,
    Quantity,
    ReferenceRange,
    PublicKey,
    Request,
)
PLAIN = {Flag: "true or false", fields.Dict: "object", fields.Raw: "any JSON value"}
ROOT = Path(__file__).resolve().parents[2]
STREAMS = {
    StreamFamily.TRIAL: "`trial`",
    StreamFamily.ACCESS: "`access`",
    StreamFamily.SITE: "`site/<site>`",
    StreamFamily.SUBJECT: "`subject/<subject>`",
    StreamFamily.TREATMENT: "`treatment/<subject>`",
    StreamFamily.ALLOCATION: "`allocation/main`",
    StreamFamily.LOT: "`lot/<lot>`",
    StreamFamily.TARGET: "the stream of the event it names",
    StreamFamily.ANY: "any stream",
}
KINDS = {
    Kind.COMMAND: "command: asks the ledger to act; the next entry is the ledger's answer",
    Kind.FACT: "fact: recorded as it happened, never refused for protocol reasons",
    Kind.JUDGEMENT: "judgement: a person's signed opinion, recorded even against the data",
    Kind.RESULT: "result: the ledger's own answer to a command",
}
INTRODUCTION = """\
# Event types

Made from `ledger/events/` by `python -m ledger.events.catalogue`; change it there.

Each type fixes its stream (the event's `subject`), who may sign it, what the signature may mean,
and which members are sealed. `data` holds the members below and nothing else: an unknown member is
refused. A member that is not required may be left out or be null; both mean that it was not stated.
Numbers are integers, or decimal numbers as text (`"34.2"`); nothing is converted, `"5"` is not 5.
Moments are RFC 3339 with their offset, days `YYYY-MM-DD` in the site's time zone.

- **command** asks the ledger to act. The next entry is the ledger's answer: what it did, or
  `command.refused.v1` with the rules that spoke against it. Without entitlement it is refused.
- **fact** reports what already happened. It is recorded also when it departs from the protocol or
  when its signer was not entitled; the deviation shows. Where a person must sign and only a system
  did, it is recorded as unsigned and waits for `record.signed.v1`.
- **judgement** is a person's signed opinion, recorded even where it contradicts the data.
- **result** is the ledger's own answer.

A *sealed* member goes as a salted digest into the signed event and its opening beside it; the
purpose (`identity`, `text`, `allocation`) decides who may read the opening and whether it may ever
be destroyed. A person signs by a delegated task or by a role; a physician where it says so.

Words that are not sealed identify nobody: a text that holds an e-mail address, a telephone number,
a national id, or what is said to be somebody's name is refused as `identifier.in-clear` with the
member named. Codes, ids, numbers, dates, lots and hashes are not searched.
"""


def example(schema: Schema) -> dict[str, Any]:
    """A smallest valid payload: the required members with their examples."""
    also = getattr(schema, "also_in_example", ())
    return {
        field.data_key or name: _value(field)
        for name, field in schema.fields.items()
        if field.required or name in also
    }


def _value(field: fields.Field[Any]) -> Any:
    if isinstance(field, fields.Nested):
        return example(field.schema)
    if isinstance(field, fields.List):
        return [_value(field.inner)]
    return field.metadata["example"]


# --- docs/events.md -------------------------------------------------------------------------------


def page() -> str:
    """The whole page, for a site's programmer."""
    return "\n".join([INTRODUCTION, *_contents(), *_shared(), *_domains()]).rstrip("\n") + "\n"


def _contents() -> Iterator[str]:
    yield "## All types"
    yield ""
    yield "| type | kind | stream | person signs | sealed |"
    yield "|---|---|---|---|---|"
    for row in EVENT_TYPES.values():
        rule = row.rule
        person = "yes" if rule.signing.person else ""
        sealed = ", ".join(f"`{name}`" for name in rule.sealed)
        link = f"[{row.name}](#{_anchor(row.name)})"
        yield f"| {link} | {rule.kind} | {STREAMS[rule.stream]} | {person} | {sealed} |"
    yield ""


def _anchor(heading: str) -> str:
    return heading.lower().replace(".", "").replace(" ", "-")


def _shared() -> Iterator[str]:
    yield "## Shared shapes"
    yield ""
    yield "Every `data` may hold `record`, the first of these; the tables below do not repeat it."
    yield ""
    for shape in SHARED:
        yield f"### {shape.__name__}"
        yield ""
        yield _sentence(shape.__doc__)
        yield ""
        yield from _members(shape())


def _domains() -> Iterator[str]:
    for domain, rows in DOMAINS.items():
        yield f"## {domain.capitalize()}"
        yield ""
        for row in rows:
            yield from _type(row)


def _type(row: EventType) -> Iterator[str]:
    yield f"### {row.name}"
    yield ""
    yield row.rule.meaning
    yield ""
    yield f"- {KINDS[row.rule.kind]}"
    yield f"- stream: {STREAMS[row.rule.stream]}"
    yield f"- signed by: {_signers(row.rule.signing)}"
    if row.rule.signing.meanings:
        yield f"- a person's signature may mean: {', '.join(sorted(row.rule.signing.meanings))}"
    for name, purpose in sorted(row.rule.sealed.items()):
        yield f"- `{name}` is sealed for the purpose `{purpose}`"
    yield ""
    yield from _members(row.schema)
    yield "Smallest `data`:"
    yield ""
    yield "```json"
    yield rfc8785.dumps(example(row.schema)).decode()
    yield "```"
    yield ""


def _signers(signing: SigningRule) -> str:
    if signing.ledger:
        return "the ledger and the sponsor" if signing.roles else "the ledger"
    must = "a person" if signing.person else "a person or system"
    physician = ", a physician," if signing.physician else ""
    ways = []
    if signing.roles:
        ways.append(f"the role {' or '.join(sorted(signing.roles))}")
    if signing.tasks:
        ways.append(f"the delegated task {' or '.join(sorted(signing.tasks))}")
    return f"{must}{physician} with {'; or '.join(ways)}"


def _members(schema: Schema) -> Iterator[str]:
    yield "| member | value | required | meaning |"
    yield "|---|---|---|---|"
    yield from _rows(schema)
    yield ""


def _rows(schema: Schema, prefix: str = "") -> Iterator[str]:
    for name, field in schema.fields.items():
        if isinstance(schema, Payload) and name == "record":
            continue
        member = prefix + (field.data_key or name)
        required = "yes" if field.required else ""
        yield f"| `{member}` | {_form(field)} | {required} | {field.metadata['description']} |"
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested) and type(inner.schema) not in SHARED:
            suffix = "[]." if isinstance(field, fields.List) else "."
            yield from _rows(inner.schema, f"{member}{suffix}")


def _form(field: fields.Field[Any]) -> str:
    """What the value looks like, in words."""
    if isinstance(field, fields.List):
        return f"list of {_form(field.inner)}"
    if isinstance(field, fields.Nested):
        shape = type(field.schema)
        name = shape.__name__
        return f"[{name}](#{_anchor(name)})" if shape in SHARED else "object"
    if isinstance(field, WholeNumber):
        return _bounds(field)
    return PLAIN.get(type(field)) or _words(field)


def _bounds(field: WholeNumber) -> str:
    bounds = next(v for v in field.validators if isinstance(v, validate.Range))
    if bounds.max == SAFE_INTEGER:
        return f"integer from {bounds.min}"
    return f"integer {bounds.min} to {bounds.max}"


def _words(field: fields.Field[Any]) -> str:
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            return ", ".join(f"`{choice}`" for choice in validator.choices)
        if isinstance(validator, validate.Length):
            return f"text, at most {validator.max}"
    return str(field.metadata["format"])


def _sentence(docstring: str | None) -> str:
    return " ".join((docstring or "").split())


# --- vocabulary.json ------------------------------------------------------------------------------


def rules() -> bytes:
    """The kernel's table: a JSON list of canonical rows, one a line, sorted by type."""
    rows = [rfc8785.dumps(EVENT_TYPES[name].rule.to_json()) for name in sorted(EVENT_TYPES)]
    return b"[\n" + b",\n".join(rows) + b"\n]\n"


def pages(root: Path = ROOT) -> dict[Path, bytes]:
    """Every page made from the vocabulary, by the path it belongs to."""
    return {
        root / "docs" / "events.md": page().encode(),
        root / "ledger" / "events" / "vocabulary.json": rules(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with ``--check`` say whether they are current (status 1 if not)."""
    parser = argparse.ArgumentParser(description="Pages made from the vocabulary.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the source tree")
    chosen = parser.parse_args(arguments)
    stale = [
        (path, content)
        for path, content in pages(chosen.root).items()
        if not path.exists() or path.read_bytes() != content
    ]
    for path, content in stale:
        if not chosen.check:
            path.write_bytes(content)
        state = "not current" if chosen.check else "written"
        print(f"{path.relative_to(chosen.root)}: {state}")
    return 1 if chosen.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
