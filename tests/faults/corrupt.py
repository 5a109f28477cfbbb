"""Checkpoints damaged and forged: truncations, bit flips, swapped files, hostile names and states, pickles in disguise,
bombs.

Damage leaves the manifest as it was; a forgery comes with a manifest of its own, as a stranger's would. Each is refused
by a `CheckpointError` in one paragraph, and none runs code: every payload would create a canary file. A run of today
and one in format 1 are attacked in turn.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from tests.faults import Count, kills, paragraph, states
from tests.faults.forge import FORGERIES, files_of, rewrite, seal

SLOWEST = 20.0  # seconds in which a refusal must come
FORMAT_1 = Path(__file__).parents[1] / "data" / "format_1" / "twosome"


# Damage: the manifest is that of the whole checkpoint -----------------------------------------------------------------


def truncate(folder: Path, rng: random.Random) -> str:
    path = rng.choice([p for p in files_of(folder) if p.stat().st_size])
    size = rng.randrange(path.stat().st_size)
    rewrite(path, path.read_bytes()[:size])
    return f"{path.name} cut to {size}"


def flip(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    data = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    rewrite(path, bytes(data))
    return f"{path.name} bit {bit}"


def grow(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    rewrite(path, path.read_bytes() + rng.randbytes(rng.randrange(1, 4096)))
    return f"{path.name} grown"


def swap(folder: Path, rng: random.Random) -> str:
    a, b = rng.sample([p for p in files_of(folder) if p.name != "manifest.json"], 2)
    one, other = a.read_bytes(), b.read_bytes()
    rewrite(a, other)
    rewrite(b, one)
    return f"{a.name} and {b.name} swapped"


def lose(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    path.unlink()
    return f"{path.name} lost"


def add(folder: Path, rng: random.Random) -> str:
    name = rng.choice(
        ["extra.safetensors", "adapter/pytorch_model.bin", ".hidden", "adapter/__init__.py", "sitecustomize.py"]
    )
    (folder / name).write_bytes(b"print('hello')")
    return f"{name} added"


def zero(folder: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    start = rng.randrange(path.stat().st_size)
    data = path.read_bytes()
    if not any(data[start:]):
        return truncate(folder, rng)
    rewrite(path, data[:start] + bytes(len(data) - start))
    return f"{path.name} zero from {start}"


DAMAGE = [truncate, flip, grow, swap, lose, add, zero]


class Target:
    """A stopped run whose newest checkpoint is attacked: opened as a resumed run does, into one policy kept in
    memory.
    """

    def __init__(self, run_dir: Path):
        from twosome import checkpoint_folder
        from twosome.config.saved import saved_settings
        from twosome.training.run_folder import Run
        from twosome.training.state import TrainingState

        self.run_dir = run_dir
        self.older, self.whole = checkpoint_folder.checkpoints(run_dir)[-2:]
        self.pristine = run_dir.parent / f"pristine-{run_dir.name}"
        shutil.copytree(self.whole, self.pristine)
        self.state = TrainingState(Run(run_dir, None, saved_settings(run_dir / "config.yaml")))
        self.open()

    def put_back(self) -> None:
        """Put the whole checkpoint back, as hard links."""
        shutil.rmtree(self.whole)
        shutil.copytree(self.pristine, self.whole, copy_function=os.link)

    def open(self) -> None:
        """Raises `CheckpointError`."""
        from twosome import checkpoint_folder
        from twosome.config.saved import saved_settings
        from twosome.training import checkpoint

        checkpoint_folder.verify(self.whole)
        saved_settings(self.whole / "config.yaml", runs_environment=True)
        checkpoint.read(self.whole, self.state.policy, self.state.parts)

    def goes_on(self) -> str | None:
        """What is wrong with a run that accepted what it read: it ends, or says in one paragraph why it cannot."""
        from twosome.config.compose import compose
        from twosome.errors import TwosomeError
        from twosome.training.loop import train
        from twosome.training.run_folder import open_run

        copied = self.run_dir.parent / "copied"
        try:
            shutil.copytree(self.run_dir, copied)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                train(open_run(compose([f"resume={copied}"])))
        except TwosomeError as error:
            return paragraph(str(error))
        except Exception as error:
            return f"accepted, then {type(error).__name__}: {error!r:.300}"
        finally:
            shutil.rmtree(copied, ignore_errors=True)
        return None


def stopped_run(place: Path, *overrides: str) -> Target:
    """A run of today as if it had been killed after its newest checkpoint."""
    run_dir = place / "format_2"
    usual = ["env=food_preparation", "log.tensorboard=false", "log.checkpoint_interval=1", "total_steps=256"]
    if code := kills.finish(kills.start([*kills.BASE, *usual, *overrides, f"run_dir={run_dir}"], place / "log")):
        raise RuntimeError(f"the run ended with {code}: {(place / 'log').read_text()}")
    (run_dir / "summary.json").unlink()
    shutil.rmtree(sorted((run_dir / "checkpoints").glob("step-*"))[-1])
    return Target(run_dir)


def stopped_runs(place: Path) -> list[Target]:
    """A run of today and one in format 1."""
    return [stopped_run(place), Target(Path(shutil.copytree(FORMAT_1, place / "format_1")))]


def run(n: int, seed: int = 0) -> Count:
    """Damage and forge `n` copies of real checkpoints."""
    from twosome import checkpoint_folder

    kills.warm_up()
    count = Count("corrupted checkpoints")
    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="twosome-corrupt-"))
    canary = place / "canary"
    try:
        targets = stopped_runs(place)
        for i in range(n):
            target = targets[i % 2]
            target.put_back()
            count.made += 1
            what, is_damage, is_harmless = _attack(target, rng, canary)
            count.note("damaged" if is_damage else "forged")
            started = time.monotonic()
            wrong = _refused(target)
            seconds = time.monotonic() - started
            if wrong == "accepted" and is_harmless:
                count.note("accepted, as they do no harm")
                wrong = target.goes_on()
            if wrong is None and seconds > SLOWEST:
                wrong = f"took {seconds:.0f} s"
            if wrong is None and is_damage and checkpoint_folder.newest_good(target.run_dir)[0] != target.older:
                wrong = "the checkpoint before it is not used"
            if wrong is not None:
                count.failures.append(f"{i} {target.run_dir.name} {what}: {wrong}")
            if canary.exists():
                count.failures.append(f"{i} {target.run_dir.name} {what}: CODE WAS RUN")
                canary.unlink()
        for target in targets:
            target.put_back()
            target.open()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count


def run_states() -> Count:
    """Every hostile state there is, in both formats."""
    from twosome import checkpoint_folder

    kills.warm_up()
    count = Count("hostile states")
    place = Path(tempfile.mkdtemp(prefix="twosome-states-"))
    try:
        for target in stopped_runs(place):
            whole = json.loads((target.whole / "state.json").read_text())
            for k, text in enumerate(states.hostile(whole, checkpoint_folder.format_of(target.whole))):
                rewrite(target.whole / "state.json", text.encode("utf-8", "surrogatepass"))
                seal(target.whole)
                count.made += 1
                count.note(target.run_dir.name)
                if wrong := _refused(target):
                    count.failures.append(f"{k} of {target.run_dir.name}: {wrong}: {text[:80]}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count


def run_random(n: int, method: str, seed: int = 0) -> Count:
    """Any value at any place of a state, of any method: it is refused, or the run can go on."""
    kills.warm_up()
    count = Count(f"random values in states of method={method}")
    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="twosome-random-"))
    try:
        target = stopped_run(place, f"method={method}", *(["search.simulations=3"] if method == "search" else []))
        whole = json.loads((target.whole / "state.json").read_text())
        for k in range(n):
            target.put_back()
            text = json.dumps(states.changed_at_random(whole, rng))
            rewrite(target.whole / "state.json", text.encode())
            seal(target.whole)
            count.made += 1
            wrong = _refused(target)
            if wrong == "accepted":
                count.note("accepted")
                wrong = target.goes_on()
            if wrong is not None:
                count.failures.append(f"{k}: {wrong}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count


def _attack(target: Target, rng: random.Random, canary: Path) -> tuple[str, bool, bool]:
    """Damage or forge. Returns what was done, whether it is damage, and whether it may be accepted."""
    if rng.random() < 0.5:
        damage = rng.choice(DAMAGE)
        return damage(target.whole, rng), True, False
    forgery = rng.choice(FORGERIES)
    forgery.make(target.whole, rng, canary)
    if forgery.is_sealed:
        seal(target.whole)
    return forgery.make.__name__, False, forgery.is_harmless


def _refused(target: Target) -> str | None:
    """What is wrong with how the checkpoint is refused; None where nothing is."""
    from twosome.errors import CheckpointError

    try:
        target.open()
    except CheckpointError as error:
        return paragraph(str(error))
    except BaseException as error:
        return f"{type(error).__name__}: {error!r:.300}"
    return "accepted"
