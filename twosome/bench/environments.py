"""How fast the worlds alone are: random legal actions; scene, goal, menu and vector included; one core.

Three numbers per environment, since the worlds are deterministic and cache what they computed. None is lazy: every step
hands out its text; `played` and `bare` look it up where the state was met before.
    played   through `gymnasium.make`, after a warm-up: as in training
    bare     the same on `env.unwrapped`, without gymnasium's order check
    uncached caches cleared before every step, so that transition, scene, menu and vector are computed from the state

Per second of this process's processor time, which others on the machine do not take from it; wall time stands in the
JSON.
"""

from __future__ import annotations

import random
import time
from typing import Protocol, TypedDict, runtime_checkable

import gymnasium

from twosome.bench.measure import Range, range_of
from twosome.config.schema import TrainSettings


@runtime_checkable
class Cached(Protocol):
    """An environment that keeps what it computed."""

    def clear_cache(self) -> None:
        """Drop all of it."""
        ...


class Speed(TypedDict):
    """One environment in one mode: decisions per second of processor time and on the clock."""

    environment: str
    mode: str
    per_second: Range
    per_second_wall: Range
    primitive_steps_per_action: float


MODES = ("played", "bare", "uncached")


def measure(cfg: TrainSettings, steps: int, repetitions: int) -> list[Speed]:
    """Decisions per second of one environment in every mode, interleaved."""
    envs = {mode: _make(cfg) for mode in MODES}
    for mode in MODES:
        _play(envs[mode], steps // 4, cfg.seed, mode)
    speeds: dict[str, list[float]] = {mode: [] for mode in MODES}
    wall: dict[str, list[float]] = {mode: [] for mode in MODES}
    primitive: dict[str, float] = {}
    for r in range(repetitions):
        for mode in MODES:
            n = max(1, steps // 20) if mode == "uncached" else steps
            on_clock, on_processor = time.perf_counter(), time.process_time()
            durations = _play(envs[mode], n, cfg.seed + r, mode)
            speeds[mode].append(n / (time.process_time() - on_processor))
            wall[mode].append(n / (time.perf_counter() - on_clock))
            primitive[mode] = durations / n
    return [
        {
            "environment": cfg.env.id.split("/")[-1],
            "mode": mode,
            "per_second": range_of(speeds[mode]),
            "per_second_wall": range_of(wall[mode]),
            "primitive_steps_per_action": primitive[mode],
        }
        for mode in MODES
    ]


def _make(cfg: TrainSettings) -> gymnasium.Env:
    return gymnasium.make(cfg.env.id, disable_env_checker=True, **cfg.env.kwargs)


def _play(env: gymnasium.Env, steps: int, seed: int, mode: str) -> int:
    """Random legal actions; returns the primitive steps they took."""
    inner = env.unwrapped
    world: gymnasium.Env = env if mode == "played" else inner
    clear_cache = inner.clear_cache if mode == "uncached" and isinstance(inner, Cached) else None
    rng = random.Random(seed).random
    legal: dict[bytes, list[int]] = {}  # so that the choice costs less than the step
    _, info = world.reset(seed=seed)
    durations = 0
    for _ in range(steps):
        if clear_cache is not None:
            clear_cache()
        mask = info["action_mask"]
        key = mask.tobytes()
        if (choices := legal.get(key)) is None:
            choices = legal[key] = mask.nonzero()[0].tolist()
        _, _, terminated, truncated, info = world.step(choices[int(rng() * len(choices))])
        durations += info["duration"]
        if terminated or truncated:
            _, info = world.reset()
    return durations
