"""Checkpoints damaged and forged: truncations, bit flips, swapped files, hostile names, pickles in disguise, bombs.

Damage leaves the manifest as it was; a forgery comes with a manifest of its own, as a stranger's would. Each is refused by a named
error in one paragraph, and none runs code: every payload would create a canary file.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import torch

from tests.faults import Count, kills, paragraph
from tests.faults.forge import FORGERIES, files_of, rewrite, seal

SLOWEST = 20.0  # seconds in which a refusal must come


# Damage: the manifest is that of the whole checkpoint -------------------------------------------------------------------


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


def build(folder: Path, rng: random.Random) -> str:
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
    name = rng.choice(["extra.safetensors", "adapter/pytorch_model.bin", ".hidden", "adapter/__init__.py", "sitecustomize.py"])
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


class Reader:
    """Opens a checkpoint as a resumed run does, into one policy that stays in memory."""

    def __init__(self, run_dir: Path):
        from twosome.systems.build import build
        from twosome.rollout.collect import Worlds
        from twosome.config.saved import saved_settings
        from twosome.training.progress import Statistics

        cfg = saved_settings(run_dir / "config.yaml")
        self.generators = {name: torch.Generator() for name in ("act", "learn")}
        self.policy, self.learner = build(cfg, self.generators["learn"])
        self.parts = {
            "worlds": Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs, None, self.policy.view, self.policy.must_fit),
            "stats": Statistics(cfg),
        }

    def open(self, folder: Path) -> None:
        from twosome.training import checkpoint
        from twosome.config.saved import saved_settings

        checkpoint.verify(folder)
        saved_settings(folder / "config.yaml", runs_environment=True)
        checkpoint.read_policy(folder, self.policy)
        checkpoint.read_training(folder, self.policy, self.learner, self.generators, self.parts)


def run(n: int, seed: int = 0) -> Count:
    """Damage and forge `n` copies of a real checkpoint."""
    from twosome.training import checkpoint
    from twosome.errors import CheckpointError

    kills.warm_up()
    count = Count("corrupted checkpoints")
    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="twosome-corrupt-"))
    canary = place / "canary"
    try:
        run_dir = place / "run"
        overrides = [*kills.BASE, "env=food_preparation", "log.tensorboard=false", "total_steps=192", f"run_dir={run_dir}"]
        if code := kills.finish(kills.start(overrides, place / "log")):
            raise RuntimeError(f"the run ended with {code}: {(place / 'log').read_text()}")
        older, whole = checkpoint.checkpoints(run_dir)[-2:]
        reader = Reader(run_dir)
        reader.open(whole)
        pristine = place / "pristine"
        shutil.copytree(whole, pristine)
        for i in range(n):
            shutil.rmtree(whole)
            shutil.copytree(pristine, whole, copy_function=os.link)
            count.made += 1
            is_damage = rng.random() < 0.6
            if is_damage:
                how = rng.choice(DAMAGE)
                what = how(whole, rng)
            else:
                how, sealed = rng.choice(FORGERIES)
                state = rng.getstate()
                how(whole, rng, canary)
                what = f"{how.__name__} {hash(state):x}"
                if sealed:
                    seal(whole)
            count.note("damaged" if is_damage else "forged")
            started = time.monotonic()
            try:
                reader.open(whole)
            except CheckpointError as error:
                wrong = paragraph(str(error))
            except BaseException as error:
                wrong = f"{type(error).__name__}: {error!r:.300}"
            else:
                wrong = "accepted"
            if wrong is None and time.monotonic() - started > SLOWEST:
                wrong = f"took {time.monotonic() - started:.0f} s"
            if wrong is None and is_damage and checkpoint.newest_good(run_dir)[0] != older:
                wrong = "the checkpoint before it is not used"
            if wrong is not None:
                count.failures.append(f"{i} {how.__name__} {what}: {wrong}")
            if canary.exists():
                count.failures.append(f"{i} {how.__name__} {what}: CODE WAS RUN")
                canary.unlink()
        shutil.rmtree(whole)
        shutil.copytree(pristine, whole)
        reader.open(whole)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count
