"""All that a masked reader can ask of a ledger, as bytes by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger.errors import RejectedInput
from ledger.signing.strict_json import canonical
from projections.masking import MaskedProjections
from projections.report.masked import render_masked
from tests.projections.masking.build_twins import FOUR, MORNING, ONE, THREE, TWO, ZONE

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonValue
    from tests.projections.masking.build_twins import Twin

Ask: TypeAlias = Callable[[], object]
SUBJECTS = (ONE, TWO, THREE, FOUR)


def answers(twin: Twin, day: int) -> dict[str, bytes]:
    """Each answer under its question; ``day`` is the last day of the course."""
    ledger = twin.built.ledger
    reading = MaskedProjections(ledger)
    found = {name: _said(ask) for name, ask in _questions(reading, day)}
    earlier = (MORNING + timedelta(days=day - 9)).date()
    found["report html"] = render_masked(reading, ledger, format="html")
    found["report json"] = render_masked(reading, ledger, format="json")
    found["earlier report"] = render_masked(reading, ledger, format="json", as_of=earlier)
    return found


def _questions(reading: MaskedProjections, day: int) -> Iterator[tuple[str, Ask]]:
    yield "subjects", reading.subjects
    yield "page of subjects", partial(reading.subjects, after=ONE, limit=1)
    yield "recruitment", reading.recruitment
    yield "problems", reading.problems
    yield "trail", partial(reading.audit_trail, limit=100_000)
    yield "entries", reading.audit_entries
    yield "pages of the trail", partial(_pages, reading)
    yield "trail of one", partial(reading.audit_trail, subject=ONE, limit=50)
    yield "trail of a type", partial(reading.audit_trail, type="data.corrected.v1")
    yield "deviations", reading.deviations
    yield "page of deviations", partial(reading.deviations, limit=2)
    yield "nobody's place", partial(reading.audit_trail, after="none")
    for number in (0, 9, day):
        at = MORNING + timedelta(days=day - number)
        known = at.astimezone(ZONE).date()
        yield f"enrolment {number}", partial(reading.enrolment, known)
        yield f"register {number}", partial(reading.register, known)
        yield f"documents {number}", partial(reading.documents, known)
        yield f"deviations {number}", partial(reading.deviations, as_of=at)
        yield f"trail {number}", partial(reading.audit_trail, since=at, limit=9)
        for name in SUBJECTS:
            for known_at, true_at in ((None, None), (known, None), (None, at), (known, at)):
                about = f"{name} {known_at} {true_at}"
                yield f"subject {about}", partial(reading.subject, name, known_at, true_at)
                yield f"replay {about}", partial(reading.replay, name, known_at, true_at)


def _pages(reading: MaskedProjections) -> Iterator[JsonValue]:
    after = ""
    while page := reading.audit_trail(after=after, limit=40):
        yield len(page)
        after = str(page[-1]["event"])
        yield after


def _said(ask: Ask) -> bytes:
    try:
        found: Any = ask()
        return canonical([*found] if isinstance(found, Iterator) else found)
    except RejectedInput as error:
        return f"{error.code}: {error}".encode()
