"""A driver process on one ledger, and what must hold after each task it was broken in."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.log.proof import parse_receipt, verify_receipt
from ledger.log.tiles import TILE_WIDTH
from ledger.storage.open_evidence import open_evidence
from ledger.verification.run import verify
from tests.build_ledger import each, identify
from tests.faults.kept import TALLY, Sent, read_kept, receipts_of
from tests.ledger.build_service import answer, bag

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger, Signed

ROOT = Path(__file__).parents[2]
GROUP = 30
_SECONDS = 30


class Driver:
    """The process of `tests.faults.postgres_driver`."""

    def __init__(self, built: BuiltLedger) -> None:
        self._task = {"url": built.url, "files": str(built.database.place.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.postgres_driver"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def run(self, work: str, **task: Any) -> tuple[int, list[str]]:
        """Have a task done in a child of it; its status, negative for a signal, and its words."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**self._task, "work": work, **task}) + "\n")
        self._process.stdin.flush()
        said: list[str] = []
        while not (line := self._process.stdout.readline()).startswith("ended "):
            assert line, f"the driver is gone: {said}"
            said.append(line.strip())
        return int(line.split()[1]), said


class PostgresBench:
    """One ledger, never replaced: each fault finds what the ones before it left."""

    def __init__(self, built: BuiltLedger, directory: Path) -> None:
        self.built = built
        self.driver = Driver(built)
        self._out = directory
        self._number = 100
        self._given: dict[str, tuple[str, ...]] = {}

    def close(self) -> None:
        """End the driver and verify the whole."""
        self.driver.close()
        store = self.built.ledger.application.store
        seen: Counter[str] = Counter()
        for start in range(0, store.head().size, 500):
            seen.update(one.id for one in self.built.ledger.application.records(start, start + 500))
        lost = [event for event in self._given if not seen[event]]
        doubled = [event for event, times in seen.items() if times > 1]
        TALLY["lost"] += len(lost)
        TALLY["doubled"] += len(doubled)
        assert (lost, doubled) == ([], [])
        with open_evidence(self.built.database, head_file=self.built.files.head) as source:
            report = verify(source)
        assert [str(found) for found in report.findings] == []
        assert report.obstacle is None
        TALLY["reopened and verified"] += 1

    def break_step(self, step: str, way: str, when: int) -> bool:
        """Run with one step of the recorder broken; whether it was met. The promises hold."""
        if step.endswith("tree_tiles"):
            self._fill_up()
        signed = self._sign()
        self._number += 1
        out = self._out / f"{self._number}.out"
        out.touch()
        status, said = self.driver.run(
            "post",
            step=[step, way, when],
            now=self.built.tick().isoformat(),
            out=str(out),
            statements=[
                {"id": one.id, "text": one.text, "disclosures": one.disclosures}
                for one in map(Sent.of, signed)
            ],
        )
        assert status in (0, -9), (step, way, when, said)
        met = status == -9 or "met" in said
        assert (status == -9) == (met and way.startswith("killed")), (step, way, when, said)
        if met:
            TALLY[f"recorder steps on PostgreSQL: {step}, {way}"] += 1
        self._require(signed, read_kept(out), f"{step} {way} {when}: {said}")
        return met

    def _require(self, signed: list[Signed], kept: dict[str, tuple[str, ...]], about: str) -> None:
        TALLY["acknowledged"] += len(kept)
        self._given |= kept
        store = self.built.ledger.application.store
        for one in signed:
            again = receipts_of(answer(self.built, one))
            assert kept.get(one.event.id, again) == again, about
            for text in again:
                receipt = parse_receipt(text)
                data = store.entry(receipt.index)
                assert data is not None, about
                verify_receipt(receipt, data, self.built.keys.vkey)

    def _sign(self) -> list[Signed]:
        self._number += GROUP // 10  # so far apart that no bag comes twice
        single = [bag(self.built, self._number * 10 + n) for n in range(3)]
        group = [bag(self.built, self._number * 10 + n) for n in range(3, GROUP)]
        one, other = each(self.built, (self._number, self._number + 1), identify)
        return [one, *single, other, *group]

    def _fill_up(self) -> None:
        """Leave so little room in the tile that the group completes it."""
        size = self.built.ledger.application.store.head().size
        missing = (-size - GROUP // 2) % TILE_WIDTH
        self.built.record_all([bag(self.built, 10**6 + size + n) for n in range(missing)])
