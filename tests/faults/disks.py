"""Disks that fill up, folders that vanish or cannot be written, and polite signals: a clear error, and the run goes on
afterwards.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults import Count, kills, paragraph

RUN = [*kills.BASE, "env=food_preparation", "log.checkpoint_interval=1", "log.keep_checkpoints=20"]
MEGABYTE = 2**20


@contextmanager
def small_disk(size: int, inodes: int = 0) -> Iterator[Path | None]:
    """A tmpfs of so many bytes and files (0: any number); None where mounting is not permitted."""
    place = Path(tempfile.mkdtemp(prefix="twosome-disk-"))
    options = f"size={size},nr_inodes={inodes}"
    asked = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    mounted = subprocess.run(asked, capture_output=True).returncode == 0
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def last_error(log: Path) -> str:
    """The last error of a run's output."""
    lines = log.read_text().splitlines()
    return next((line for line in reversed(lines) if "Error: " in line or "Fault: " in line), log.read_text()[-2000:])


def _limited(overrides: list[str], log: Path, largest: int) -> int:
    """Train in a child that cannot write a file beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        return kills.finish(kills.start(overrides, log))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Disks:
    """One uninterrupted run to compare with, and the cases."""

    def __init__(self, seed: int, extra: tuple[str, ...] = ()):
        kills.warm_up()
        self.overrides = [*RUN, *extra]
        self.rng = random.Random(seed)
        self.place = Path(tempfile.mkdtemp(prefix="twosome-disks-"))
        started = time.monotonic()
        self.whole = self.place / "whole"
        if code := kills.finish(kills.start([*self.overrides, f"run_dir={self.whole}"], self.place / "whole.log")):
            raise RuntimeError(f"the uninterrupted run ended with {code}: {(self.place / 'whole.log').read_text()}")
        self.seconds = time.monotonic() - started
        self.expected = kills.outcome(self.whole)
        self.size = sum(p.stat().st_size for p in self.whole.rglob("*") if p.is_file())

    def continues(self, run_dir: Path, log: Path) -> str | None:
        """What is wrong with the run after it is started again; None where it ends in the same bits."""
        if code := kills.finish(kills.start([*self.overrides, f"run_dir={run_dir}"], log)):
            return f"continued, it ended with {code}: {last_error(log)}"
        odd = kills.differences(self.expected, kills.outcome(run_dir))
        return f"continued, it differs in {', '.join(odd)}" if odd else None

    def full(self) -> str | None:
        """The disk is full at a random point of the run; then there is room."""
        size = self.rng.randrange(MEGABYTE // 4, self.size)
        with small_disk(2 * self.size) as disk:
            if disk is None:
                return self.file_too_large()
            (disk / "ballast").write_bytes(bytes(2 * self.size - size))
            run_dir, log = disk / "run", self.place / "full.log"
            log.unlink(missing_ok=True)
            code = kills.finish(kills.start([*self.overrides, f"run_dir={run_dir}"], log))
            if code != 1:
                return f"{size} bytes free: ended with {code}: {last_error(log)}"
            wrong = self._is_clear(log) or self._has_whole_checkpoints(run_dir)
            (disk / "ballast").unlink()
            return wrong or self.continues(run_dir, log)

    def file_too_large(self) -> str | None:
        run_dir, log = self.place / "limited", self.place / "limited.log"
        log.unlink(missing_ok=True)
        try:
            code = _limited([*self.overrides, f"run_dir={run_dir}"], log, self.rng.randrange(2_000, 1_000_000))
            return (f"ended with {code}" if code != 1 else None) or self._is_clear(log) or self.continues(run_dir, log)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def no_inodes(self) -> str | None:
        """There is room, but not for one more file; then there is."""
        with small_disk(4 * self.size, inodes=self.rng.randrange(8, 60)) as disk:
            if disk is None:
                return self.file_too_large()
            run_dir, log = disk / "run", self.place / "inodes.log"
            log.unlink(missing_ok=True)
            code = kills.finish(kills.start([*self.overrides, f"run_dir={run_dir}"], log))
            if code == 0:  # there were enough
                return None
            if code != 1:
                return f"ended with {code}: {last_error(log)}"
            wrong = self._is_clear(log) or self._has_whole_checkpoints(run_dir)
            subprocess.run(["mount", "-o", "remount,nr_inodes=100000", str(disk)], check=True)
            return wrong or self.continues(run_dir, log)

    def paused(self) -> str | None:
        """SIGSTOP at a random instant, SIGCONT later: the run ends as if nothing had been."""
        run_dir, log = self.place / "paused", self.place / "paused.log"
        log.unlink(missing_ok=True)
        try:
            child = kills.start([*self.overrides, f"run_dir={run_dir}"], log)
            if kills.kill_after(child, self.rng.uniform(0.1, 0.8 * self.seconds), signal.SIGSTOP) is None:
                time.sleep(0.5)
                os.kill(child, signal.SIGCONT)
                if code := kills.finish(child):
                    return f"ended with {code}: {last_error(log)}"
            odd = kills.differences(self.expected, kills.outcome(run_dir))
            return f"it differs in {', '.join(odd)}" if odd else None
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def vanished(self) -> str | None:
        """The folder is moved away while the run goes on, and comes back."""
        run_dir, log = self.place / "vanishing", self.place / "vanishing.log"
        log.unlink(missing_ok=True)
        try:
            child = kills.start([*self.overrides, f"run_dir={run_dir}"], log)
            while not any(run_dir.glob("checkpoints/step-*")):
                time.sleep(0.01)
            away = self.place / "elsewhere"
            run_dir.rename(away)
            code = kills.finish(child)
            if run_dir.exists():
                return f"the folder was made again: {list(run_dir.rglob('*'))}"
            away.rename(run_dir)
            return (f"ended with {code}" if code != 1 else None) or self._is_clear(log) or self.continues(run_dir, log)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def obstructed(self) -> str | None:
        """A file where a folder should be (permissions do not stop a superuser)."""
        run_dir, log = self.place / "obstructed", self.place / "obstructed.log"
        log.unlink(missing_ok=True)
        place = self.rng.choice(["", "checkpoints", "metrics.jsonl", "config.yaml", "tensorboard"])
        try:
            if place in ("metrics.jsonl", "config.yaml"):
                (run_dir / place).mkdir(parents=True)
            else:
                (run_dir / place).parent.mkdir(parents=True, exist_ok=True)
                (run_dir / place).write_text("in the way")
            code = kills.finish(kills.start([*self.overrides, f"run_dir={run_dir}"], log))
            wrong = f"ended with {code}" if code not in (1, 2) else self._is_clear(log)
            return f"{place}: {wrong}" if wrong else None
        finally:
            shutil.rmtree(run_dir, ignore_errors=True) if run_dir.is_dir() else run_dir.unlink()

    def damaged(self) -> str | None:
        """The newest checkpoint of a stopped run is damaged: the one before it is used, and this is said."""
        run_dir, log = self.place / "damaged", self.place / "damaged.log"
        log.unlink(missing_ok=True)
        try:
            shutil.copytree(self.whole, run_dir)
            (run_dir / "summary.json").unlink()
            newest = sorted((run_dir / "checkpoints").glob("step-*"))[-1]
            from tests.faults import corrupt

            self.rng.choice(corrupt.DAMAGE)(newest, self.rng)
            wrong = self.continues(run_dir, log)
            said = log.read_text()
            aside = run_dir / "checkpoints" / f"aside-{newest.name}"
            if wrong and wrong.endswith("differs in checkpoints") and aside.exists():
                wrong = None
            return wrong or (
                None if "is set aside" in said and "The run goes on from" in said else f"nothing said: {said}"
            )
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def signalled(self) -> str | None:
        """SIGINT, SIGTERM or SIGHUP at a random instant, perhaps twice: the exit code says so and the run continues."""
        number, twice = self.rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]), self.rng.random() < 0.3
        run_dir, log = self.place / "signalled", self.place / "signalled.log"
        log.unlink(missing_ok=True)
        try:
            child = kills.start([*self.overrides, f"run_dir={run_dir}"], log)
            code = kills.kill_after(child, self.rng.uniform(0.1, 0.8 * self.seconds), number)
            if code is None:
                if twice:
                    time.sleep(self.rng.uniform(0, 0.05))
                    os.kill(child, number)
                code = kills.finish(child)
                if code != 128 + number:
                    return f"{number} ended with {code}: {last_error(log)}"
                if not twice and "Traceback" in log.read_text():
                    return f"a traceback: {log.read_text()[-1500:]}"
                return self.continues(run_dir, log)
            return None if code == 0 else f"ended with {code}"
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def _is_clear(self, log: Path) -> str | None:
        wrong = paragraph(last_error(log)) or ("a traceback" if "Traceback" in log.read_text() else None)
        return wrong and f"{wrong}: {log.read_text()[-1500:]}"

    def _has_whole_checkpoints(self, run_dir: Path) -> str | None:
        from twosome import checkpoint_folder

        for folder in checkpoint_folder.checkpoints(run_dir):
            checkpoint_folder.verify(folder)
        return None


CASES = ("full", "no_inodes", "file_too_large", "vanished", "obstructed", "damaged", "signalled", "paused")


def run(n: int, seed: int = 0, cases: tuple[str, ...] = CASES, extra: tuple[str, ...] = ()) -> Count:
    """`n` cases in turn."""
    count = Count("full disks, vanished and obstructed folders, damaged checkpoints, signals")
    disks = Disks(seed, extra)
    try:
        for i in range(n):
            case = cases[i % len(cases)]
            count.made += 1
            count.note(case.replace("_", " "))
            attempt: Any = getattr(disks, case)
            if wrong := attempt():
                count.failures.append(f"{case} {i}: {wrong}")
    finally:
        shutil.rmtree(disks.place, ignore_errors=True)
    return count
