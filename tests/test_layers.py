"""The verifier's kernel runs on a machine that has nothing but the signature libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

KERNEL = (
    "ledger.allocation",
    "ledger.errors",
    "ledger.history",
    "ledger.log",
    "ledger.record",
    "ledger.signing",
    "ledger.verification",
    "ledger.vocabulary",
    "ledger.witness",
)
# PyNaCl is asked where it is there; the kernel says the same without it.
QUICKER = {"nacl", "_sodium"}
# The names after rfc8785 are how cryptography reaches OpenSSL.
ALLOWED = {"ledger", "cryptography", "joserfc", "rfc8785", "cffi", "_cffi_backend", "_openssl"}

PROBE = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(WITHOUT))
before = set(sys.modules)
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for part in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        if not part.name.endswith(".__main__"):
            importlib.import_module(part.name)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}), sep="\\n")
"""


@pytest.mark.parametrize("without", [set(), QUICKER], ids=["with-pynacl", "without-pynacl"])
def test_the_kernel_loads_only_the_signature_libraries(without: set[str]) -> None:
    """What is loaded is counted in a fresh interpreter, so late and indirect imports count too."""
    done = subprocess.run(
        [sys.executable, "-c", f"WITHOUT = {sorted(without)}\n{PROBE}", *KERNEL],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # `zoneinfo` asks how Python was built; that module of the library is named by the platform.
    loaded = {name for name in done.stdout.split() if not name.startswith("_sysconfigdata")}
    assert loaded - sys.stdlib_module_names - ALLOWED == (QUICKER - without)
