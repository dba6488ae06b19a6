"""A driver, a ledger to copy for each fault, and what must hold afterwards."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from tests.faults.kept import TALLY, Keeper, copy_files, read_kept, statements
from tests.faults.tracing import Drivers, Fault
from tests.ledger.build_service import open_copy

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

KILL: Final = "signal=KILL"
EIO: Final = "error=EIO"
ENOSPC: Final = "error=ENOSPC"


class Bench:
    """A driver, a ledger to copy, and statements signed beforehand."""

    def __init__(self, template: BuiltLedger, directory: Path) -> None:
        self.template, self.directory = template, directory
        signing = open_copy(template, directory / "signing")
        self.sent = statements(signing, 6)
        self.now = signing.tick()
        signing.close()
        self.drivers = Drivers(directory)
        self.number = 0

    def close(self) -> None:
        """End the driver."""
        self.drivers.close()

    def count(self, traced: str) -> Counter[str]:
        """How often a thread makes each call when nothing fails."""
        place, out = self._place()
        ended = self.drivers.run(place, self.sent, out, now=self.now.isoformat(), traced=traced)
        assert ended.status == 0, ended.said
        assert len(read_kept(out)) == len(self.sent)
        shutil.rmtree(place)
        return ended.calls

    def inject(self, fault: Fault, traced: str) -> None:
        """Run with one fault; then nothing acknowledged may be lost, changed or doubled."""
        place, out = self._place()
        ended = self.drivers.run(
            place, self.sent, out, now=self.now.isoformat(), traced=traced, fault=fault
        )
        assert ended.status in (0, 1, 3, -9), (fault, ended)
        assert ended.status != -9 or fault.how == KILL, (fault, ended)
        if ended.hit:
            TALLY[f"file calls: {fault.call} {fault.how.partition('=')[2]}"] += 1
        self._require(place, out, f"{traced}: {fault}: {ended.said}")

    def break_step(self, step: str, way: str, when: int) -> None:
        """Run with one step of the recorder broken; the same must hold."""
        place, out = self._place()
        ended = self.drivers.run(
            place, self.sent, out, now=self.now.isoformat(), step=(step, way, when)
        )
        assert ended.status == (-9 if way.startswith("killed") else 0), (step, way, when, ended)
        TALLY[f"recorder steps: {step}, {way}"] += 1
        self._require(place, out, f"{step} {way} {when}: {ended.said}")

    def _require(self, place: Path, out: Path, about: str) -> None:
        keeper = Keeper(self.now)
        kept = read_kept(out)
        TALLY["acknowledged"] += len(kept)
        unanswered = []
        for sent in self.sent:
            if sent.id in kept:
                keeper.keep(sent, kept[sent.id])
            else:
                unanswered.append(sent)
        try:
            keeper.require_honoured(place, unanswered)
        except AssertionError as error:
            raise AssertionError(f"{about}: {error}") from error
        shutil.rmtree(place)

    def _place(self) -> tuple[Path, Path]:
        self.number += 1
        place = self.directory / str(self.number)
        copy_files(self.template.directory, place)
        out = self.directory / f"{self.number}.out"
        out.touch()
        return place, out
