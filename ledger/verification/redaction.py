"""What a bundle says was left out of it, and what nobody can check because of that."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.manifest import Manifest
    from ledger.verification.report import Findings

WHOLE: Final = "none"
"""What ``redaction`` is where nothing that was kept was left out."""

MASKED: Final = "masked"
"""What ``redaction`` is in the dossier of one subject for a masked reader."""

PAGES: Final = "pages"
"""What is left out with any purpose: report and replay, which show the contents of openings."""

UNPROVEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        Purpose.IDENTITY: (
            "the bundle leaves their openings out: that nobody changed them is proven, what they "
            "say is not shown, so neither their form nor what follows from them (a date of birth "
            "and the age at consent, who witnessed) can be checked"
        ),
        Purpose.TEXT: (
            "the bundle leaves their openings out: that nobody changed them is proven, what they "
            "say is not shown, so neither their form nor corrections of texts can be checked"
        ),
        Purpose.ALLOCATION: (
            "the bundle leaves their openings out: that a slot was taken in its order is checked; "
            "that its arm is the one on the sealed list, that subjects were treated by it, and "
            "after a reveal that the list drawn again gives it, are not"
        ),
    }
)
"""Why the contents of each purpose's members cannot be checked without their openings."""

_FIELD: Final = "manifest.json /redaction"


def check_redaction(manifest: Manifest, findings: Findings) -> None:
    """``none``, or a statement of each thing that was left out, why and how often."""
    stated, field = manifest.value.get("redaction"), _FIELD
    if stated == WHOLE:
        return
    items = withheld_of(stated)
    if not items:
        findings.add(
            "manifest.value", None, expected="none, or what was withheld and why", found=stated,
            field=field,
        )  # fmt: skip
        return
    for item in items:
        findings.add(
            "manifest.redacted", None, found=f"{item['what']}: {item['why']}", field=field,
            alone=True, what=_sentence(item),
        )  # fmt: skip


def check_number(stated: JsonValue, closed: int, findings: Findings) -> None:
    """No more openings can be left out than sealed members are ``closed``."""
    named = [item.get("number") for item in withheld_of(stated) if item["what"] in UNPROVEN]
    left = sum(number for number in named if type(number) is int)
    if left > closed:
        findings.add(
            "manifest.value", None, expected=f"at most {closed} openings left out", found=left,
            field=_FIELD,
        )  # fmt: skip


def withheld_of(stated: JsonValue) -> list[JsonObject]:
    """The things a redaction names, none at all when one of them does not say what and why."""
    withheld = stated.get("withheld") if isinstance(stated, dict) and len(stated) == 1 else None
    items = withheld if isinstance(withheld, list) else []
    found = [item for item in items if isinstance(item, dict) and _says_why(item)]
    return found if len(found) == len(items) else []


def unproven(stated: JsonValue) -> dict[str, str]:
    """What cannot be checked for each purpose that a redaction leaves out, and why."""
    named = [str(item["what"]) for item in withheld_of(stated)]
    return {f"contents of sealed members ({name})": UNPROVEN[name] for name in named
            if name in UNPROVEN}  # fmt: skip


def _says_why(item: JsonObject) -> bool:
    number = item.get("number", 0)
    return (
        all(isinstance(item.get(name), str) and item.get(name) for name in ("what", "why"))
        and type(number) is int
        and number >= 0
    )


def _sentence(item: JsonObject) -> str:
    number = item.get("number")
    often = f" {number} of this kind." if type(number) is int else ""
    return f"The bundle leaves out {item['what']}: {item['why']}.{often}"
