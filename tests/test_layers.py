"""The verifier's kernel runs on a machine that has nothing but the signature libraries."""

from __future__ import annotations

import subprocess
import sys

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
# The names after rfc8785 are how cryptography reaches OpenSSL.
ALLOWED = {"ledger", "cryptography", "joserfc", "rfc8785", "cffi", "_cffi_backend", "_openssl"}

PROBE = """
import importlib, pkgutil, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for part in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        if not part.name.endswith(".__main__"):
            importlib.import_module(part.name)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}), sep="\\n")
"""


def test_the_kernel_loads_only_the_signature_libraries() -> None:
    """What is loaded is counted in a fresh interpreter, so late and indirect imports count too."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *KERNEL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # `zoneinfo` asks how Python was built; that module of the library is named by the platform.
    loaded = {name for name in done.stdout.split() if not name.startswith("_sysconfigdata")}
    assert loaded - sys.stdlib_module_names - ALLOWED == set()
