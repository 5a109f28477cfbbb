"""The counters of a run: what is logged, what decides about stopping and the best checkpoint, what a resume brings back."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

import torch

from twosome import disk
from twosome.types import Episode, Rollout

WINDOW = 20  # finished episodes over which the progress line averages
KEPT: dict[str, tuple[type, ...]] = {  # what a checkpoint holds of them
    "steps": (int,),
    "updates": (int,),
    "episodes": (int,),
    "wall_seconds": (int, float),
    "best": (dict, type(None)),
    "eval_before": (dict, type(None)),
    "last_evaluation": (dict, type(None)),
    "first_ratio_deviation": (int, float),
}


class Statistics:
    """`steps`: decisions taken in all worlds together, the x-axis of every figure."""

    def __init__(self, cfg: Any):
        self.cfg = cfg
        self.steps = self.updates = self.episodes = 0
        self.wall_seconds = 0.0
        self._clock: float | None = None
        self.recent: deque[Episode] = deque(maxlen=WINDOW)
        self.best: dict[str, float] | None = None
        self.eval_before: dict[str, Any] | None = None
        self.eval_after: dict[str, Any] | None = None
        self.last_evaluation: dict[str, Any] | None = None
        self.first_ratio_deviation = 0.0
        self.record: dict[str, float] = {}
        self.is_new_best = False

    def tick(self) -> None:
        """Add the time since the last tick to the run's wall time, to which a resumed run adds its own."""
        now = time.perf_counter()
        self.wall_seconds += now - (self._clock or now)
        self._clock = now

    def add(self, rollout: Rollout, update: dict[str, float], policy: Any, learner: Any, worlds: Any, seconds: float) -> None:
        """Count a rollout and its update, and prepare the record to log."""
        self.steps += rollout.actions.numel()
        self.updates += 1
        self.tick()
        self.episodes += len(rollout.episodes)
        self.recent.extend(rollout.episodes)
        self.is_new_best = False
        self.first_ratio_deviation = max(self.first_ratio_deviation, update.get("policy/ratio_deviation_first", 0.0))
        counts = policy.counts
        self.record = update | {
            "episodes": float(self.episodes),
            "episodes/failed": float(worlds.failed),
            "speed/steps_per_second": rollout.actions.numel() / seconds,
            "speed/seconds": self.wall_seconds,
            "reuse/decisions": counts["decisions_computed"] / max(counts["decisions"], 1),
            "reuse/features": counts["prompts_computed"] / max(counts["prompts"], 1),
            "memory/peak_gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0,
            "numerics/bad_updates": float(learner.bad_updates),
        }
        if rollout.episodes:
            self.record |= {
                "return/mean": _mean([e.discounted_return for e in rollout.episodes]),
                "success/rate": _mean([float(e.success) for e in rollout.episodes]),
                "length/mean": _mean([float(e.length) for e in rollout.episodes]),
                "length/decisions": _mean([float(e.decisions) for e in rollout.episodes]),
            }
        counts.clear()

    def add_evaluation(self, evaluation: dict[str, Any]) -> None:
        """Note an evaluation; the best greedy return, then the best sampled one, marks the best checkpoint."""
        self.tick()
        self.last_evaluation = evaluation
        self.record["speed/seconds"] = self.wall_seconds
        for name in ("greedy", "sampled"):
            self.record[f"eval/{name}_return"] = evaluation[name]["return_mean"]
            self.record[f"eval/{name}_success"] = evaluation[name]["success_rate"]
        rank = [round(evaluation[name]["return_mean"], 9) for name in ("greedy", "sampled")]
        if self.best is None or rank > [self.best["greedy"], self.best["sampled"]]:
            self.best = {"step": self.steps, "greedy": rank[0], "sampled": rank[1]}
            self.is_new_best = True

    def reached(self, cfg: Any) -> bool:
        """Whether the last evaluation, greedy, came to `log.stop_at` of the known optimum."""
        if cfg.log.stop_at is None or cfg.env.optimum is None or self.last_evaluation is None:
            return False
        return self.last_evaluation["greedy"]["return_mean"] >= cfg.log.stop_at * cfg.env.optimum

    def best_checkpoint(self, run: Any) -> Path | None:
        """The folder of the best checkpoint, whose name `best.json` keeps for `twosome.load`."""
        if self.best is None:
            return None
        folder = run.checkpoint_folder(self.best["step"])
        if folder.exists():
            disk.write_json(run.folder / "best.json", {"checkpoint": folder.name} | self.best)
        return folder

    def state(self) -> dict[str, Any]:
        """Everything of this object that a resumed run needs, as JSON."""
        return {name: getattr(self, name) for name in KEPT} | {"recent": [list(e) for e in self.recent]}

    def restore(self, state: dict[str, Any]) -> None:
        """Bring back what `state` gave. Raises `ValueError` or `KeyError` where it cannot be that."""
        for name, kinds in KEPT.items():
            if not isinstance(state[name], kinds):
                raise ValueError(f"{name} is {state[name]!r:.80}")
            setattr(self, name, state[name])
        self.recent = deque((Episode(*e) for e in state["recent"]), maxlen=WINDOW)

    def summary(self, cfg: Any, policy: Any) -> dict[str, Any]:
        """What `summary.json` holds."""
        from twosome.run import versions

        return {
            "env_id": cfg.env.id.split(":")[-1],
            "model": cfg.model.name,
            "seed": cfg.seed,
            "env_steps": self.steps,
            "updates": self.updates,
            "episodes": self.episodes,
            "wall_seconds": round(self.wall_seconds, 3),
            "optimum": cfg.env.optimum,
            "scorer": policy.describe_scorer(),
            "first_ratio_deviation": self.first_ratio_deviation,
            "best": self.best,
            "eval_before": self.eval_before,
            "eval_after": self.eval_after,
            "versions": versions(),
        }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
