"""Vectors of trust policies."""

from __future__ import annotations

from tests.vectors.make_log import LOG, ORIGIN
from tests.vectors.plain import Json, Key, sha256, vkey


def policies() -> Json:
    """Policies with the sets of witnesses that meet them, and texts that are no policies."""
    keys = [Key(sha256(name.encode())) for name in "ABCD"]
    rows = [
        f"witness {n} {vkey(f'witness.example/{n}', 4, k.public)}"
        for n, k in zip("ABCD", keys, strict=True)
    ]
    log = f"log {vkey(ORIGIN, 1, LOG.public)}"
    a, b, c, d = rows

    def of(*lines: str) -> str:
        return "".join(f"{one}\n" for one in lines)

    nested = of(
        "# two of three, or the regulator", log, a, b, c, d + " https://w.example/d", "",
        "group sites 2 A B C", "group either any sites D", "quorum\teither ",
    )  # fmt: skip
    good = [
        ("nested groups", nested, ["AB", "BC", "D", "ABCD"], ["A", "", "C"]),
        ("all", of(a, b, "group g all A B", "quorum g"), ["AB", "ABC"], ["A", "B", ""]),
        ("any", of(a, b, "group g any A B", "quorum g"), ["A", "B", "AB"], [""]),
        ("one witness", of(a, "quorum A"), ["A"], ["B", ""]),
        ("nobody is asked", of("quorum none"), ["", "A"], []),
    ]
    bad = [
        ("no quorum", of(a), "quorum"), ("two quorums", of(a, "quorum A", "quorum A"), "quorum"),
        ("a quorum that is not defined", of("quorum A"), "undefined"),
        ("a member that is defined later", of("group g any A", a, "quorum g"), "undefined"),
        ("none as a member", of(a, "group g any A none", "quorum g"), "undefined"),
        ("a name twice", of(a, b.replace(" B ", " A ", 1), "quorum A"), "duplicate-name"),
        ("a witness named none", of(a.replace(" A ", " none ", 1), "quorum none"),
         "duplicate-name"),
        ("a key twice", of(a, a.replace(" A ", " E ", 1), "quorum A"), "duplicate-key"),
        ("a log's key twice", of(log, log, "quorum none"), "duplicate-key"),
        ("a member of two groups", of(a, b, "group g any A", "group h any A B", "quorum h"),
         "member"),
        ("a threshold above the members", of(a, "group g 2 A", "quorum g"), "threshold"),
        ("a threshold of 0", of(a, "group g 0 A", "quorum g"), "threshold"),
        ("a threshold with a leading zero", of(a, "group g 01 A", "quorum g"), "threshold"),
        ("an empty group", of(a, "group g any", "quorum A"), "line"),
        ("another keyword", of(a, "require A", "quorum A"), "line"),
        ("a log's key as a witness", of(f"witness A {vkey(ORIGIN, 1, LOG.public)}", "quorum A"),
         "key-type"),
        ("a witness's key as a log", of("log " + a.split()[2], "quorum none"), "key-type"),
        ("a key that is none", of("witness A abc", "quorum A"), "key"),
        ("no newline at the end", of(a, "quorum A")[:-1], "last-line"),
        ("a carriage return", of(a, "quorum A\r"), "character"),
    ]  # fmt: skip
    return {
        "accepted": [
            {"name": n, "policy": t, "met_by": met, "not_met_by": missed}
            for n, t, met, missed in good
        ],
        "refused": [{"name": n, "policy": t, "code": f"policy.{c}"} for n, t, c in bad],
    }
