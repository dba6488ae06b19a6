"""From what is asked for, and what the register grants, to a reader."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.access.reader import Reader, home_of
from ledger.errors import RejectedInput
from ledger.signing.register import TRIAL_SCOPE
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Collection

    from ledger.signing.register import Register

_LONGEST_SCOPE: Final = 200
_SITE: Final = re.compile(r"[A-Z0-9]{2,16}")
_REMEDY: Final = (
    "Ask with scope, words with one space between: role:<role>, site:<SITE>, and masked to read "
    "less than the role may."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a token is asked for; ``masked`` asks for less than the role may have."""

    role: Role | None = None
    site: str | None = None
    masked: bool = False

    def scope(self) -> str:
        """The scope that asks for it (RFC 6749 section 3.3)."""
        words = [f"role:{self.role}"] if self.role else []
        words += [f"site:{self.site}"] if self.site else []
        return " ".join([*words, "masked"] if self.masked else words)


def parse_scope(text: str) -> Wanted:
    """Read a scope; raises RejectedInput ``token.scope``."""
    words = text.split(" ") if text else []
    found: dict[str, str] = {}
    for word in words if len(text) <= _LONGEST_SCOPE else ["too long"]:
        name, _, value = word.partition(":")
        good = (
            (name == "role" and value in list(Role))
            or (name == "site" and _SITE.fullmatch(value) is not None)
            or word == "masked"
        )
        if not good or name in found:
            raise RejectedInput(
                "token.scope", "The scope is not understood.", where="scope", remedy=_REMEDY
            )
        found[name] = value
    role = found.get("role")
    return Wanted(Role(role) if role else None, found.get("site"), "masked" in found)


def entitle(
    source: str, wanted: Wanted, register: Register, masked_roles: Collection[Role]
) -> Reader:
    """The reader that a source becomes by its grants in force, narrowed to what it asks for.

    Whoever belongs to a site never reads beyond it, whatever was granted. Raises RejectedInput
    ``token.role-not-held``, ``token.site-not-held`` or ``token.ambiguous``.
    """
    held = _held(source, register)
    roles = {role for role, _ in held}
    if not roles or (wanted.role is not None and wanted.role not in roles):
        asked = f"the role {wanted.role}" if wanted.role else "a role"
        raise RejectedInput(
            "token.role-not-held",
            f"{source} does not hold {asked} now.",
            where="scope",
            remedy="Have a registrar grant it with role.granted.v1.",
        )
    if wanted.role is None and len(roles) > 1:
        names = ", ".join(f"role:{role}" for role in sorted(roles))
        raise RejectedInput(
            "token.ambiguous",
            "More than one role is held; a token is for one.",
            where="scope",
            remedy=f"Ask for one of {names}.",
        )
    role = wanted.role or next(iter(roles))
    site = _site(source, wanted, {place for held_role, place in held if held_role is role})
    return Reader(source, role, site, wanted.masked or role in masked_roles)


def _held(source: str, register: Register) -> set[tuple[Role, str | None]]:
    """Roles with the site each reaches, None for the trial."""
    home, found = home_of(source), set()
    for grant in register.grants.get(source, ()):
        if grant.withdrawn is not None:
            continue
        site = None if grant.scope == TRIAL_SCOPE else grant.scope.removeprefix("site/")
        if home is None or site in (None, home):
            found.add((grant.role, home or site))
    return found


def _site(source: str, wanted: Wanted, places: set[str | None]) -> str | None:
    if wanted.site is not None:
        if wanted.site in places or None in places:
            return wanted.site
        raise RejectedInput(
            "token.site-not-held",
            f"{source} holds the role for another site than {wanted.site}.",
            where="scope",
            remedy="Ask for the site the role was granted for.",
        )
    if None in places:
        return None
    if len(places) > 1:
        names = ", ".join(f"site:{place}" for place in sorted(filter(None, places)))
        raise RejectedInput(
            "token.ambiguous",
            "The role is held for more than one site; a token is for one.",
            where="scope",
            remedy=f"Ask for one of {names}.",
        )
    return next(iter(places))
