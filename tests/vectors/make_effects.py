"""Vectors of what takes effect: short histories, and what they say in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.vectors.plain import Json

DAY = "2024-03-01"
VISIT, LAB, UNKNOWN = "visit.completed.v1", "lab-result.recorded.v1", "example.recorded.v1"
ASKED, GIVEN = "bag.release-requested.v1", "bag.released.v1"
ACCEPTED, REFUSED = "command.accepted.v1", "command.refused.v1"
CORRECTED, VOIDED, SIGNED = "data.corrected.v1", "data.voided.v1", "record.signed.v1"
KINDS = {
    **dict.fromkeys((VISIT, LAB, UNKNOWN, SIGNED), "fact"),
    **dict.fromkeys((ASKED, CORRECTED, VOIDED), "command"),
    **dict.fromkeys((GIVEN, ACCEPTED, REFUSED, "dossier.issued.v1"), "result"),
}


def id_of(number: int) -> str:
    """The id of the event at a place of its history."""
    return f"018df8f3-8a40-7c3e-9b1a-{number:012x}"


def said(number: int, type_name: str, data: Json, time: str | None = None) -> Json:
    """An event at a place of its history."""
    return {
        "id": id_of(number), "kind": KINDS[type_name], "type": type_name,
        "time": time or f"{DAY}T09:{number:02}:00Z", "data": data,
    }  # fmt: skip


def fact(data: Json, *, at: int = 0, time: str | None = None) -> Json:
    """A fact."""
    return said(at, VISIT, data, time)


def answer(number: int, type_name: str, to: int) -> Json:
    """A result."""
    return said(number, type_name, {"request": {"id": id_of(to)}})


def change(pointer: object, *new: object) -> Json:
    """A change; without a new value its member ``new`` is absent."""
    return {"pointer": pointer, "old": None, **({"new": new[0]} if new else {})}


def corrected(data: Json, *changes: Json, time: str | None = None) -> list[Json]:
    """A fact, and a correction of it that was accepted."""
    return [
        fact(data, time=time),
        said(1, CORRECTED, {"target": id_of(0), "changes": [*changes]}),
        answer(2, ACCEPTED, 1),
    ]  # fmt: skip


def row(name: str, events: list[Json], *stands: Json, **decided: list[int]) -> Json:
    """A history with what stands in the end, in order of occurrence."""
    return {
        "name": name,
        "events": events,
        "accepted": decided.get("accepted", []),
        "refused": decided.get("refused", []),
        "in_effect": [*stands],
    }


def stands(events: list[Json], number: int, **changed: Any) -> Json:
    """A record in effect as it was stated, or as changed."""
    event = events[number]
    found = {"event": number, "data": event["data"], "time": event["time"], "void": False}
    return found | {"signed_by": []} | changed


def changes() -> list[Json]:
    """One correction each: what it makes of the record it names."""
    before: Json = {"a": 1, "list": [1, 2, {"x": 3}], "of": {"b": 2, "~": 1, "/": 2}}

    def made(**members: Any) -> Json:
        return before | members

    rows: list[tuple[str, list[Json], Json]] = [
        ("a member is set", [change("/data/a", 7)], made(a=7)),
        ("a member is added", [change("/data/c", "new")], made(c="new")),
        ("a member is taken away", [change("/data/a", None)],
         {"list": before["list"], "of": before["of"]}),
        ("an absent new is null", [change("/data/a")],
         {"list": before["list"], "of": before["of"]}),
        ("an element is set", [change("/data/list/0", 9)], made(list=[9, 2, {"x": 3}])),
        ("an element is set to null", [change("/data/list/0", None)],
         made(list=[None, 2, {"x": 3}])),
        ("an absent new sets an element to null", [change("/data/list/1")],
         made(list=[1, None, {"x": 3}])),
        ("an index with zeros in front", [change("/data/list/0001", 9)],
         made(list=[1, 9, {"x": 3}])),
        ("an index with five thousand zeros", [change(f"/data/list/{'0' * 5000}1", 9)],
         made(list=[1, 9, {"x": 3}])),
        ("a member of an element", [change("/data/list/02/x", 4)], made(list=[1, 2, {"x": 4}])),
        ("escapes", [change("/data/of/~0", 8), change("/data/of/~1", 9)],
         made(of={"b": 2, "~": 8, "/": 9})),
        ("an escaped escape is a name", [change("/data/~01", 8)], made(**{"~1": 8})),
        ("an empty name", [change("/data/", 8)], made(**{"": 8})),
        ("each change begins from the one before", [change("/data/c", {}), change("/data/c/d", 1)],
         made(c={"d": 1})),
        ("true is set in the place of 1", [change("/data/a", bool(1))], made(a=True)),
    ]  # fmt: skip
    nothing: list[Any] = [
        "/data", "", "/", "data/a", "x/data/a", "/id", "/type", "/datax", "/time/0", "/data/c/d",
        "/data/a/b", "/data/list/3", "/data/list/-", "/data/list/-1", "/data/list/+1",
        "/data/list/1.0", "/data/list/\uff11", "/data/list/", f"/data/list/{'9' * 5000}",
        "/data/list/18446744073709551616", 7, None,
    ]  # fmt: skip
    rows += [
        (f"nothing happens at {str(pointer)[:40]!r}", [change(pointer, 7)], before)
        for pointer in nothing
    ]
    rows.append(("what is no object is no change", [7, change("/data/a", 3), "/data/a"], made(a=3)))  # type: ignore[list-item]
    found = []
    for name, listed, after in rows:
        events = corrected(before, *listed)
        found.append(row(name, events, stands(events, 0, data=after), stands(events, 1),
                         accepted=[1]))  # fmt: skip
    return found


def times() -> list[Json]:
    """Corrections of the time, and the order that follows."""
    rows: list[tuple[str, list[Any], str]] = [
        ("a time", [f"{DAY}T08:00:00+08:00"], f"{DAY}T08:00:00+08:00"),
        ("no time", ["yesterday"], f"{DAY}T09:00:00Z"),
        ("null", [None], f"{DAY}T09:00:00Z"),
        ("a number", [1709283600], f"{DAY}T09:00:00Z"),
        ("a time without offset", [f"{DAY}T08:00:00"], f"{DAY}T09:00:00Z"),
        ("a day that does not exist", ["2024-02-30T08:00:00Z"], f"{DAY}T09:00:00Z"),
        ("a year in no trial's years", ["1849-12-31T23:59:59Z"], f"{DAY}T09:00:00Z"),
        ("no time, then a time", ["yesterday", f"{DAY}T10:00:00Z"], f"{DAY}T10:00:00Z"),
        ("a time, then no time", [f"{DAY}T10:00:00Z", "tomorrow"], f"{DAY}T09:00:00Z"),
    ]
    found = []
    for name, values, after in rows:
        listed = [*(change("/time", value) for value in values), change("/data/a", 2)]
        events = corrected({"a": 1}, *listed)
        shown = [stands(events, 0, data={"a": 2}, time=after), stands(events, 1)]
        found.append(row(f"/time becomes {name}", events,
                         *(shown[::-1] if "T10" in after else shown), accepted=[1]))  # fmt: skip
    events = [
        fact({}, time=f"{DAY}T09:00:00.5Z"), fact({}, at=1, time=f"{DAY}T17:00:00+08:00"),
        fact({}, at=2, time=f"{DAY}T09:00:00.500000Z"),
        fact({}, at=3, time=f"{DAY}T23:00:00+14:00"),
    ]  # fmt: skip
    order = [stands(events, number) for number in (1, 3, 0, 2)]
    return [*found, row("order by instant, then by position", events, *order)]


def results() -> list[Json]:
    """Commands, and what becomes of them."""
    fix = {"target": id_of(0), "changes": [change("/data/a", 2)]}
    base = [fact({"a": 1}), said(1, CORRECTED, fix)]
    rows = [row("a command that waits", base, stands(base, 0))]
    refused = [*base, answer(2, REFUSED, 1), answer(3, ACCEPTED, 1)]
    rows.append(row("a refused command stays refused", refused, stands(refused, 0), refused=[1]))
    twice = [*base, answer(2, ACCEPTED, 1), said(3, CORRECTED, {
        "target": id_of(0), "changes": [change("/data/a", 3)]}), answer(4, ACCEPTED, 1),
        answer(5, REFUSED, 1)]  # fmt: skip
    rows.append(row("one result decides", twice, stands(twice, 0, data={"a": 2}),
                    stands(twice, 1), accepted=[1]))  # fmt: skip
    typed = [said(0, ASKED, {}), answer(1, GIVEN, 0), answer(2, GIVEN, 0), answer(3, GIVEN, 9)]
    rows.append(row("typed results stand, with a command that waits and without", typed,
                    *(stands(typed, number) for number in range(4)), accepted=[0]))  # fmt: skip
    late = [said(0, ASKED, {}), answer(1, REFUSED, 0), answer(2, GIVEN, 0)]
    rows.append(row("a typed result behind the refusal", late, stands(late, 2), refused=[0]))
    loose = [answer(0, ACCEPTED, 7), said(1, REFUSED, {}), said(2, "dossier.issued.v1", {}),
             said(3, GIVEN, {"request": "x"}), said(4, UNKNOWN, {"request": 1})]  # fmt: skip
    rows.append(row("what names no command", loose, *(stands(loose, n) for n in (2, 3, 4))))
    early = [said(0, CORRECTED, {"target": id_of(2), "changes": [change("/data/a", 2)]}),
             answer(1, ACCEPTED, 0), fact({"a": 1}, at=2)]  # fmt: skip
    rows.append(row("a target that comes later", early, stands(early, 0), stands(early, 2),
                    accepted=[0]))  # fmt: skip
    waits = [said(0, ASKED, {"a": 1}), said(1, CORRECTED, fix), answer(2, ACCEPTED, 1),
             answer(3, ACCEPTED, 0)]  # fmt: skip
    rows.append(row("a target that waits", waits, stands(waits, 0), stands(waits, 1),
                    accepted=[1, 0]))  # fmt: skip
    return rows


def marks() -> list[Json]:
    """Voidings, signatures, and lists of changes by purpose."""
    void, fix = {"target": id_of(0)}, {"target": id_of(0), "changes": [change("/data/a", 2)]}
    gone = [fact({"a": 1}), said(1, VOIDED, void), answer(2, ACCEPTED, 1), said(3, CORRECTED, fix),
            answer(4, ACCEPTED, 3), said(5, SIGNED, void)]  # fmt: skip
    rows = [row("a void record is still corrected and signed", gone,
                stands(gone, 0, data={"a": 2}, void=True, signed_by=[5]),
                *(stands(gone, n) for n in (1, 3, 5)), accepted=[1, 3])]  # fmt: skip
    again = [*gone[:3], said(3, VOIDED, void), answer(4, ACCEPTED, 3), said(5, SIGNED, void),
             said(6, SIGNED, void)]  # fmt: skip
    rows.append(row("voided and signed twice", again,
                    stands(again, 0, void=True, signed_by=[5, 6]),
                    *(stands(again, n) for n in (1, 3, 5, 6)), accepted=[1, 3]))  # fmt: skip
    undone = [*corrected({"a": 1}, change("/data/a", 2)), said(3, VOIDED, {"target": id_of(1)}),
              answer(4, ACCEPTED, 3)]  # fmt: skip
    rows.append(row("a voided correction has corrected", undone, stands(undone, 0, data={"a": 2}),
                    stands(undone, 1, void=True), stands(undone, 3), accepted=[1, 3]))  # fmt: skip
    lists = {
        "target": id_of(0), "changes": [change("/data/a", 1), change("/data/b", 1)],
        "text_changes": [change("/data/a", 3)],
        "identity_changes": [change("/data/a", 2), change("/data/b", 2)],
    }  # fmt: skip
    several = [fact({}), said(1, CORRECTED, lists), answer(2, ACCEPTED, 1)]
    rows.append(row("the three lists, in their order", several,
                    stands(several, 0, data={"a": 3, "b": 2}), stands(several, 1),
                    accepted=[1]))  # fmt: skip
    chain = [*corrected({"a": 1}, change("/data/a", 2)),
             said(3, CORRECTED, {"target": id_of(1), "changes": [change("/data/note", "x")]}),
             answer(4, ACCEPTED, 3), said(5, CORRECTED, {
                 "target": id_of(0), "changes": [change("/data/b", 3)]}),
             answer(6, ACCEPTED, 5)]  # fmt: skip
    rows.append(row("a correction is a record too", chain, stands(chain, 0, data={"a": 2, "b": 3}),
                    stands(chain, 1, data=chain[1]["data"] | {"note": "x"}), stands(chain, 3),
                    stands(chain, 5), accepted=[1, 3, 5]))  # fmt: skip
    return rows


def effects() -> Json:
    """Histories, folded."""
    return {"folds": [*results(), *changes(), *times(), *marks()]}
