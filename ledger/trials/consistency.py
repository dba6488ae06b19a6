"""What must agree inside a trial file beyond each value's own grammar.

Three numbered checks, each of which raises RejectedInput at the first flaw: (1) ids are unique
and references lead somewhere, (2) ranges are not upside down, (3) every leaf of the protocol has
a source: it agrees with the registry record, or is listed as assumed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.errors import RejectedInput
from ledger.trials.criteria import AgeRange
from ledger.trials.definition import is_at_or_below
from ledger.trials.reading import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.definition import Assumption, TrialParts
    from ledger.trials.protocol import Protocol


def check_references(parts: TrialParts) -> None:
    """Check 1: ids are unique, and what names an arm, a visit or a scope names one that is there.

    Raises:
        RejectedInput: ``trial.duplicate-id`` or ``trial.inconsistent``.
    """
    protocol = parts.protocol
    _unique("/protocol/arms", (arm.id for arm in protocol.arms))
    _unique("/protocol/criteria", (row.id for row in protocol.criteria))
    _unique("/protocol/visits", (visit.id for visit in protocol.visits))
    _unique("/protocol/sites", (site.id for site in protocol.sites))
    signers = (row.given_by for row in protocol.consent.required_signers)
    _unique("/protocol/consent/required_signers", signers)
    cut_offs = protocol.child_pugh.cut_offs
    _unique("/protocol/child_pugh/cut_offs", (f"{c.measure} in {c.unit}" for c in cut_offs))
    _check_allocation(protocol)
    _check_endpoint(protocol)
    for index, row in enumerate(protocol.criteria):
        if row.id.startswith("IN") != (row.kind == "inclusion"):
            _refuse("The id must begin with IN or EX as its kind.", f"/protocol/criteria/{index}")
    for index, site in enumerate(protocol.sites):
        try:
            ZoneInfo(site.time_zone)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            _refuse("This time zone is not known.", f"/protocol/sites/{index}/time_zone")


def check_ranges(parts: TrialParts) -> None:
    """Check 2: no range ends before it begins.

    Raises:
        RejectedInput: ``trial.inconsistent``.
    """
    protocol = parts.protocol
    infusion, custody = protocol.infusion, protocol.custody
    ranges = {
        "/protocol/infusion/maximum_duration_minutes": (
            infusion.minimum_duration_minutes <= infusion.maximum_duration_minutes
        ),
        "/protocol/infusion/interval_tolerance_days": (
            infusion.interval_tolerance_days <= infusion.interval_days
        ),
        "/protocol/infusion/double_deadline_days": (
            infusion.interval_days <= infusion.double_deadline_days
        ),
        "/protocol/infusion/planned_dose/value": infusion.planned_dose.value > 0,
        "/protocol/custody/frozen/maximum": custody.frozen.minimum <= custody.frozen.maximum,
        "/protocol/custody/thawed/maximum": custody.thawed.minimum <= custody.thawed.maximum,
    }
    for index, cut in enumerate(protocol.child_pugh.cut_offs):
        place = f"/protocol/child_pugh/cut_offs/{index}/two_points_to"
        ranges[place] = cut.two_points_from <= cut.two_points_to
    for index, row in enumerate(protocol.criteria):
        if isinstance(row.parameters, AgeRange):
            place = f"/protocol/criteria/{index}/parameters/maximum_years"
            ranges[place] = row.parameters.minimum_years <= row.parameters.maximum_years
    for place, holds in ranges.items():
        if not holds:
            _refuse("This value contradicts the one it belongs to.", place)


def check_sources(parts: TrialParts, document: JsonObject) -> None:
    """Check 3: each leaf of the protocol agrees with the registry, or is listed as assumed.

    A leaf named in ``from_registry`` must equal the registry's value, or stand in its text as
    whole words. Neither list may point to what does not exist.

    Raises:
        RejectedInput: ``trial.unsourced`` or ``trial.source-differs``.
    """
    leaves = dict(_leaves(document["protocol"], "/protocol"))
    registry = dict(_leaves(document["registry"], "/registry"))
    _check_listed(parts.from_registry, registry, leaves)
    _check_assumed(parts.assumed, leaves)
    for place in leaves:
        covered = any(is_at_or_below(place, row.pointer) for row in parts.assumed)
        if place not in parts.from_registry and not covered:
            raise RejectedInput(
                "trial.unsourced",
                "This value is neither taken from the registry record nor listed as assumed.",
                where=place,
                remedy="Add it to 'from_registry', or to 'assumed' with a sentence why.",
            )


def _check_listed(
    listed: Mapping[str, str], registry: Mapping[str, JsonValue], leaves: Mapping[str, JsonValue]
) -> None:
    for place, origin in listed.items():
        where = f"/from_registry/{escape(place)}"
        if place not in leaves or origin not in registry:
            raise RejectedInput(
                "trial.source-differs", "A pointer leads to no single value.", where=where
            )
        if not _stated(leaves[place], registry[origin]):
            raise RejectedInput(
                "trial.source-differs",
                f"The value at {place} is not what the registry states at {origin}.",
                where=where,
                remedy="Correct the value, or list it as assumed.",
            )


def _check_assumed(assumed: Iterable[Assumption], leaves: Iterable[str]) -> None:
    places = tuple(leaves)
    for index, row in enumerate(assumed):
        if not any(is_at_or_below(place, row.pointer) for place in places):
            raise RejectedInput(
                "trial.source-differs",
                "An assumption points to nothing in the protocol.",
                where=f"/assumed/{index}/pointer",
            )


def _stated(value: JsonValue, source: JsonValue) -> bool:
    if type(value) is type(source) and value == source:
        return True
    if isinstance(value, bool) or not isinstance(value, int | str) or not isinstance(source, str):
        return False
    return re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", source) is not None


def _leaves(value: JsonValue, pointer: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves(member, f"{pointer}/{escape(name)}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def _check_allocation(protocol: Protocol) -> None:
    ratio = protocol.allocation.ratio
    if set(ratio) != {arm.id for arm in protocol.arms}:
        _refuse("The ratio must name each arm once.", "/protocol/allocation/ratio")
    in_blocks = protocol.allocation.scheme != "simple"
    if (protocol.allocation.block_sizes == "sealed-with-list") != in_blocks:
        _refuse(
            "Permuted blocks have sizes sealed-with-list, simple randomization has none.",
            "/protocol/allocation/block_sizes",
        )
    factors = protocol.allocation.strata
    _unique("/protocol/allocation/strata", (row.factor for row in factors))
    for index, row in enumerate(factors):
        _unique(f"/protocol/allocation/strata/{index}/levels", row.levels)


def _check_endpoint(protocol: Protocol) -> None:
    visit = protocol.visit(protocol.endpoint.visit)
    if visit is None or not visit.child_pugh:
        _refuse("The endpoint needs a visit with Child-Pugh.", "/protocol/endpoint/visit")
    scored = {cut.measure for cut in protocol.child_pugh.cut_offs}
    needed = {"bilirubin", "albumin", *protocol.child_pugh.coagulation_preference}
    if not protocol.child_pugh.coagulation_preference or not needed <= scored:
        _refuse("A measure of the score has no cut-offs.", "/protocol/child_pugh/cut_offs")


def _unique(place: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise RejectedInput("trial.duplicate-id", f"'{name}' stands here twice.", where=place)
        seen.add(name)


def _refuse(message: str, pointer: str) -> NoReturn:
    raise RejectedInput("trial.inconsistent", message, where=pointer)
