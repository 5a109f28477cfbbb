"""SIGKILL at random instants: the run that is started again by the same command line ends in the same bits.

The libraries are imported once, here; every run is a forked child, so that a kill costs no second import.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.faults import Count

BASE = ["experiment=debug", "ppo.actor.warmup_updates=1", "log.eval_episodes=2", "log.eval_episodes_final=2"]
VARIANTS = {
    "plain": ["env=food_preparation", "log.checkpoint_interval=1"],
    "dropout": ["env=food_preparation", "model.lora.dropout=0.1", "ppo.actor.epochs=2", "log.eval_interval=0"],
    "kl stop": [
        "env=food_preparation",
        "ppo.target_kl=1e-6",
        "ppo.actor.epochs=3",
        "log.keep_checkpoints=1",
        "log.eval_interval=1",
    ],
    "small caches": [
        "env=tomato_salad",
        "policy.reuse_capacity=3",
        "num_envs=2",
        "rollout_steps=32",
        "ppo.actor.epochs=2",
        "log.tensorboard=false",
    ],
    "no reuse": ["env=food_preparation", "policy.reuse=[]", "total_steps=256", "log.checkpoint_interval=1"],
    "search": [
        "method=search",
        "env=food_preparation",
        "search.simulations=4",
        "total_steps=192",
        "log.checkpoint_interval=1",
    ],
    "mlp": ["method=mlp", "env=tomato_salad", "total_steps=4096"],
    "tabular": ["method=tabular", "env=tomato_salad", "total_steps=4096"],
}
SHORT = [
    "total_steps=192",
    "log.eval_interval=0",
    "log.eval_episodes_final=1",
    "model.lora.dropout=0.1",
    "log.checkpoint_interval=1",
]
TIMES = (
    "wall_seconds",
    "seconds",
    "speed/steps_per_second",
    "speed/processor_seconds",
    "speed/seconds",
    "memory/peak_gib",
    "versions",
)


def start(overrides: list[str], log: Path) -> int:
    """Train in a forked child; returns its process id. Its exit code is 0, or 1 for any exception."""
    from twosome.cli import command
    from twosome.cli.train import job

    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  pytest has put its own in their places
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        command.run("train", job, overrides)
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(child: int) -> int:
    """Wait for a child; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_after(child: int, seconds: float, number: int = signal.SIGKILL) -> int | None:
    """Send a signal after so long; the exit code if the child had ended before, else None."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(min(left, 0.005))
    os.kill(child, number)
    return None


def warm_up() -> None:
    """Import once what every child needs, on one thread: a forked child inherits no other."""
    import peft  # noqa: F401
    import torch
    import transformers  # noqa: F401
    import twosome_envs  # noqa: F401
    from torch.utils.tensorboard import SummaryWriter  # noqa: F401

    from twosome.config.compose import compose
    from twosome.systems.build import build

    torch.set_num_threads(1)
    build(compose(["env=food_preparation"]), torch.Generator())
    for module in ("cli.train", "training.loop", "training.run_folder"):
        importlib.import_module(f"twosome.{module}")


def outcome(run_dir: Path) -> dict[str, Any]:
    """Everything that a run leaves and that must not depend on kills: bytes of tensors, records, summary, names."""
    newest = sorted((run_dir / "checkpoints").glob("step-*"))[-1]
    found: dict[str, Any] = {str(p.relative_to(newest)): p.read_bytes() for p in sorted(newest.rglob("*.safetensors"))}
    found["checkpoints"] = sorted(p.name for p in (run_dir / "checkpoints").iterdir())
    found["state"] = without_times(json.loads((newest / "state.json").read_text()))
    found["metrics"] = [
        without_times(json.loads(line)) for line in (run_dir / "metrics.jsonl").read_text().splitlines()
    ]
    found["summary"] = without_times(json.loads((run_dir / "summary.json").read_text()))
    for name in ("decisions.jsonl", "tracked_states.json"):
        found[name] = (run_dir / name).read_bytes() if (run_dir / name).exists() else None
    best = run_dir / "best.json"
    found["best"] = json.loads(best.read_text()) if best.exists() else None
    found["left behind"] = sorted(p.name for p in run_dir.rglob(".*"))
    return found


def without_times(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_times(value) for key, value in node.items() if key not in TIMES}
    return [without_times(value) for value in node] if isinstance(node, list) else node


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]


def run(
    kills: int, seed: int = 0, variants: list[str] | None = None, per_run: int = 4, extra: tuple[str, ...] = ()
) -> Count:
    """Kill runs of every variant in turn, at most `per_run` times each, until so many kills have struck."""
    warm_up()
    count = Count("SIGKILL at a random instant, continued by the same command line")
    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="twosome-kills-"))
    names = variants or list(VARIANTS)
    expected: dict[str, dict[str, Any]] = {}
    seconds: dict[str, float] = {}
    runs = 0
    try:
        while count.made < kills:
            name = names[runs % len(names)]
            overrides = [*BASE, *VARIANTS[name], *extra]
            if name not in expected:
                started = time.monotonic()
                whole = place / name.replace(" ", "_")
                if code := finish(start([*overrides, f"run_dir={whole}"], place / "whole.log")):
                    raise RuntimeError(
                        f"the uninterrupted run of {name!r} ended with {code}:\n{(place / 'whole.log').read_text()}"
                    )
                seconds[name], expected[name] = time.monotonic() - started, outcome(whole)
            runs += 1
            run_dir, log = place / f"run{runs}", place / f"run{runs}.log"
            _one_run(
                count,
                rng,
                name,
                [*overrides, f"run_dir={run_dir}"],
                log,
                seconds[name],
                min(per_run, kills - count.made),
            )
            if (run_dir / "summary.json").exists() and (odd := differences(expected[name], outcome(run_dir))):
                count.failures.append(f"{name}, {run_dir.name}: differs in {', '.join(odd)}")
            shutil.rmtree(run_dir, ignore_errors=True)
        count.note(f"runs of {len(expected)} kinds")
        count.notes[f"runs of {len(expected)} kinds"] = runs
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count


def _run_dir(overrides: list[str]) -> Path:
    """The folder that a command line names."""
    return Path(next(o.removeprefix("run_dir=") for o in overrides if o.startswith("run_dir=")))


def _one_run(
    count: Count, rng: random.Random, name: str, overrides: list[str], log: Path, seconds: float, most: int
) -> None:
    """One run with up to `most` kills, then to its end."""
    struck = 0
    while struck < most:
        child = start(overrides, log)
        code = kill_after(child, rng.uniform(0.0, 0.6 * seconds))
        if code is not None:
            break
        finish(child)
        struck += 1
        count.made += 1
        if (_run_dir(overrides) / "summary.json").exists():  # it struck after the end: nothing is left to do
            code = 0
            break
    else:
        code = finish(start(overrides, log))
    if code:
        count.failures.append(f"{name}: a continued run ended with {code}: {log.read_text()[-1500:]}")
