"""Taking what is sealed for a purpose out of an answer, member by member.

Unlike an arm, a sealed member stands under its own name wherever it is shown: in the content of a
record, in a changed field of it, and in the few members of a subject that repeat words. What is
taken out is replaced by ``{"withheld": purpose, "reason": …}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.access.openings import hidden_from, reason
from ledger.history import CORRECTED, VOIDED, tokens
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from api.access.reader import Reader
    from ledger.signing.strict_json import JsonObject, JsonValue

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "eligibility": ("comment",),
    "unblindings": ("reason_text", "cause"),
}
"""Members of a subject that repeat what is sealed as text, by the section they stand in."""

_CONTENTS: Final = ("content", "first_content")
_CHANGED: Final = ("old", "new")
_REPORTED: Final = "reported:"
"""What the id of a deviation begins with that a person reported in words."""


class Withholding:
    """What one reader's answers must not hold; ``type_of`` gives the type of an event's id."""

    def __init__(self, reader: Reader, type_of: Callable[[str], str | None]) -> None:
        self._marks: dict[Purpose, JsonObject] = {
            purpose: {"withheld": purpose.value, "reason": reason(reader, purpose)}
            for purpose in hidden_from(reader)
        }
        self._type_of = type_of

    def rows(self, rows: Iterable[JsonObject]) -> list[JsonObject]:
        """Rows of the audit trail, or others that show a changed field."""
        return [self._row(row) for row in rows] if self._marks else [*rows]

    def subject(self, answer: JsonObject) -> JsonObject:
        """All that is known of one subject."""
        if not self._marks:
            return answer
        found = self._row(answer)
        mark = self._marks.get(Purpose.TEXT)
        if mark is not None:
            for section, names in _WORDS.items():
                found[section] = _without(found.get(section), names, mark)
        return found

    def replay(self, answer: JsonObject) -> JsonObject:
        """A subject's course of events, and the subject in it."""
        subject = answer.get("subject")
        if not self._marks or not isinstance(subject, dict):
            return answer
        return {**self._row(answer), "subject": self.subject(subject)}

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return self._row(value) if isinstance(value, dict) else value

    def _row(self, row: JsonObject) -> JsonObject:
        """A row and all within it, without what is hidden."""
        found = {name: self._value(member) for name, member in row.items()}
        for name in _CONTENTS:
            content = found.get(name)
            if isinstance(content, dict):
                sealed = self._sealed(self._type(row))
                found[name] = {
                    member: sealed.get(member, value) for member, value in content.items()
                }
        field = row.get("field")
        if isinstance(field, str) and (mark := self._mark(row, field)) is not None:
            found.update({name: mark for name in _CHANGED if row.get(name) is not None})
        if str(row.get("id")).startswith(_REPORTED) and Purpose.TEXT in self._marks:
            found["message"] = self._marks[Purpose.TEXT]
        return found

    def _mark(self, row: JsonObject, field: str) -> JsonObject | None:
        """What stands for a changed field: that of the record it was changed in."""
        root, *path = tokens(field) or [""]
        if root != "data" or not path:
            return None
        about, target = self._type(row), row.get("target")
        if about in (CORRECTED, VOIDED) and isinstance(target, str):
            about = self._type_of(target)
        return self._sealed(about).get(path[0])

    def _type(self, row: JsonObject) -> str | None:
        name, event = row.get("type"), row.get("event")
        if isinstance(name, str) and name in vocabulary():
            return name
        return self._type_of(event) if isinstance(event, str) else None

    def _sealed(self, type_name: str | None) -> dict[str, JsonObject]:
        """The members of a type that are hidden, each with what stands for it."""
        rule = vocabulary().get(type_name or "")
        sealed = rule.sealed if rule is not None else {}
        return {
            name: self._marks[purpose] for name, purpose in sealed.items() if purpose in self._marks
        }


def _without(value: JsonValue, names: tuple[str, ...], mark: JsonObject) -> JsonValue:
    if isinstance(value, list):
        return [_without(item, names, mark) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: mark if name in names and isinstance(member, str) else _without(member, names, mark)
        for name, member in value.items()
    }
