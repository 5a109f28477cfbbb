"""The counters of a run.

What is logged, what decides about stopping and the best checkpoint, what a resume brings back.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from twosome.config.schema import TrainSettings
from twosome.errors import counter, number
from twosome.protocols import StateDict
from twosome.rollout.situation import tally_mean
from twosome.types import Episode, Rollout
from twosome.versions import versions

METRICS = {
    "return/mean": "discounted return of the episodes that ended in this rollout, as the environment reports it",
    "success/rate": "share of those episodes that reached the goal",
    "length/mean": "their primitive steps",
    "length/decisions": "their decisions",
    "episodes": "episodes that have ended since the start of the run",
    "episodes/failed": "episodes that a fault of the environment ended, since the start",
    "eval/greedy_return": "discounted return of greedy evaluation episodes",
    "eval/greedy_success": "their success rate",
    "eval/sampled_return": "discounted return of sampled evaluation episodes",
    "eval/sampled_success": "their success rate",
    "speed/steps_per_second": "decisions per second of wall time, collecting and learning together",
    "speed/processor_seconds": "processor time of this update, collecting and learning together",
    "speed/seconds": "wall time of training so far, evaluation and saving included",
    "reuse/decisions": "share of the decisions asked for that were computed by the model, the rest was cached",
    "reuse/features": "share of the critic's states that were computed by the model, the rest was cached",
    "memory/peak_gib": "peak accelerator memory so far in GiB (0 on the CPU)",
    "numerics/bad_updates": "optimiser steps skipped for a NaN or infinity since the start",
}
TALLIED = "agent/"  # + a name of the environment's `info["tally"]`: mean over the episodes that ended in this rollout
WINDOW = 20  # finished episodes over which the progress line averages
SAVED = (  # what a checkpoint holds of them
    *("steps", "updates", "episodes", "wall_seconds"),
    *("best", "eval_before", "last_evaluation", "first_ratio_deviation"),
)


class Progress:
    """`steps`: decisions taken in all worlds together, the x-axis of every figure."""

    def __init__(self, cfg: TrainSettings):
        self.cfg = cfg
        self.steps = self.updates = self.episodes = 0
        self.wall_seconds = 0.0
        self._warmup = cfg.ppo.actor.warmup_updates if cfg.method in ("twosome", "mlp") else -1
        self._clock: float | None = None
        self._pace_from: tuple[int, float] | None = None  # steps and wall seconds from which this process's pace counts
        self.recent: deque[Episode] = deque(maxlen=WINDOW)
        self.best: dict[str, float] | None = None
        self.eval_before: dict[str, Any] | None = None
        self.eval_after: dict[str, Any] | None = None
        self.last_evaluation: dict[str, Any] | None = None
        self.first_ratio_deviation = 0.0
        self.record: dict[str, float] = {}
        self.is_new_best = False

    @property
    def share(self) -> float:
        """How much of the run is over, 0 to 1."""
        return self.steps / self.cfg.total_steps

    @property
    def warms_up(self) -> bool:
        """Whether the actor did not learn yet in the last update."""
        return self.updates <= self._warmup

    @property
    def seconds_left(self) -> float | None:
        """Until all steps are done, at this process's pace since the actor learns; None before that."""
        if self._pace_from is None or self.steps <= self._pace_from[0]:
            return None
        steps, seconds = self._pace_from
        return (self.wall_seconds - seconds) / (self.steps - steps) * max(self.cfg.total_steps - self.steps, 0)

    def tick(self) -> None:
        """Add the time since the last tick to the run's wall time, to which a resumed run adds its own.

        A clock that goes back, as that of a machine that was moved may, takes nothing off.
        """
        now = time.perf_counter()
        self.wall_seconds += max(0.0, now - (now if self._clock is None else self._clock))
        self._clock = now

    def add(
        self,
        rollout: Rollout,
        update: dict[str, float],
        counts: Counter[str],
        failed_episodes: int,
        bad_updates: int,
        seconds: float,
    ) -> None:
        """Count a rollout and its update, and prepare the record to log.

        `counts`: of the policy, which begin again at zero; `failed_episodes`, `bad_updates`: since the start of the
        run.
        """
        if self._pace_from is None and self.updates >= self._warmup:
            self._pace_from = (self.steps, self.wall_seconds)
        self.steps += rollout.actions.numel()
        self.updates += 1
        self.tick()
        self.episodes += len(rollout.episodes)
        self.recent.extend(rollout.episodes)
        self.is_new_best = False
        self.first_ratio_deviation = max(self.first_ratio_deviation, update.get("policy/ratio_deviation_first", 0.0))
        self.record = update | {
            "episodes": float(self.episodes),
            "episodes/failed": float(failed_episodes),
            "speed/steps_per_second": rollout.actions.numel() / seconds if seconds > 0 else 0.0,
            "speed/seconds": self.wall_seconds,
            "reuse/decisions": counts["decisions_computed"] / max(counts["decisions"], 1),
            "reuse/features": counts["states_computed"] / max(counts["states"], 1),
            "memory/peak_gib": _peak_gib(),
            "numerics/bad_updates": float(bad_updates),
        }
        if rollout.episodes:
            self.record |= {
                "return/mean": _mean([e.discounted_return for e in rollout.episodes]),
                "success/rate": _mean([float(e.success) for e in rollout.episodes]),
                "length/mean": _mean([float(e.length) for e in rollout.episodes]),
                "length/decisions": _mean([float(e.decisions) for e in rollout.episodes]),
                **{f"{TALLIED}{name}": value for name, value in tally_mean(rollout.episodes).items()},
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

    def is_over(self) -> bool:
        """Whether the steps are used up, or the last greedy evaluation came to `log.stop_at` of the known optimum."""
        return self.steps >= self.cfg.total_steps or self._reached()

    def _reached(self) -> bool:
        goal = goal_of(self.cfg)
        if goal is None or self.last_evaluation is None:
            return False
        return bool(self.last_evaluation["greedy"]["return_mean"] >= goal)

    def state_dict(self) -> StateDict:
        """Everything of this object that a resumed run needs."""
        return {name: getattr(self, name) for name in SAVED} | {"recent": [list(e) for e in self.recent]}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`. Raises `ValueError` or `KeyError` where it cannot be that."""
        self.steps, self.updates, self.episodes = (counter(state[key], key) for key in ("steps", "updates", "episodes"))
        self.wall_seconds = number(state["wall_seconds"], "wall_seconds")
        self.best = None if state["best"] is None else _best(state["best"])
        self.eval_before, self.last_evaluation = (_evaluation(state[key]) for key in ("eval_before", "last_evaluation"))
        if self.steps and self.eval_before is None:
            raise ValueError("eval_before is missing, which is made before the first step")
        deviation = state["first_ratio_deviation"]  # a float may be an infinity, where a ratio overflowed
        self.first_ratio_deviation = deviation if type(deviation) is float else number(deviation, "ratio deviation")
        self.recent = deque((_episode(entry) for entry in state["recent"]), maxlen=WINDOW)

    def summary(self, scorer: dict[str, Any]) -> dict[str, Any]:
        """What `summary.json` holds. `scorer`: how the policy computed its scores."""
        return {
            "env_id": self.cfg.env.id.split(":")[-1],
            "model": self.cfg.model.name,
            "seed": self.cfg.seed,
            "env_steps": self.steps,
            "updates": self.updates,
            "episodes": self.episodes,
            "wall_seconds": round(self.wall_seconds, 3),
            "optimum": self.cfg.env.optimum,
            "scorer": scorer,
            "first_ratio_deviation": self.first_ratio_deviation,
            "best": self.best,
            "eval_before": self.eval_before,
            "eval_after": self.eval_after,
            "versions": versions(),
        }


def goal_of(cfg: TrainSettings) -> float | None:
    """The greedy return at which a run ends: `log.stop_at` of a known optimum; None where it uses all steps.

    Below zero it may fall short of the optimum by the same share of its size.
    """
    stop_at, optimum = cfg.log.stop_at, cfg.env.optimum
    if stop_at is None or optimum is None:
        return None
    return optimum * (stop_at if optimum >= 0 else 2 - stop_at)


def _best(value: dict[str, Any]) -> dict[str, float]:
    """Which checkpoint is the best, checked."""
    step = counter(value["step"], "best.step")
    return {"step": step, **{name: number(value[name], f"best.{name}") for name in ("greedy", "sampled")}}


def _evaluation(value: Any) -> Any:
    """What `evaluate` gave, or None, checked: numbers and intervals by name."""
    if value is None:
        return None
    for name in ("greedy", "sampled"):
        for key in {"return_mean", "success_rate", *value[name]}:
            entry = value[name][key]
            parts = entry.values() if isinstance(entry, dict) else entry if key.endswith("_interval") else [entry]
            for part in parts:
                number(part, f"{key} of an evaluation")
    return {name: value[name] for name in ("greedy", "sampled")}


def _episode(entry: Any) -> Episode:
    discounted_return, length, decisions, success, *rest = entry  # no tally before 2026-11-30
    if type(success) is not bool or len(rest) > 1:
        raise ValueError(f"an episode is {entry!r:.80}")
    tally = tuple((str(name), number(value, "its tally")) for name, value in (rest[0] if rest else ()))
    lengths = counter(length, "its length"), counter(decisions, "its decisions")
    return Episode(number(discounted_return, "the return of an episode"), *lengths, success, tally)


def _peak_gib() -> float:
    import torch  # here, so that the first line of a run need not wait for it

    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
