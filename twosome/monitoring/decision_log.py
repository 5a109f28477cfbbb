"""`decisions.jsonl`: a bounded sample of what a run was asked and what it did.

One line per decision; `pd.read_json(run / "decisions.jsonl", lines=True)` loads it. `FIELDS` is its schema.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

from twosome import files
from twosome.protocols import Policy, Samples
from twosome.rollout.driver import ask
from twosome.types import Decision, Rollout

FIELDS: dict[str, str] = {
    "step": "environment steps of the run at the end of the update, as in metrics.jsonl",
    "world": "which of the worlds stepped together was asked",
    "prompt": "what the policy read",
    "menu": "phrases of the legal actions",
    "log_probs": "their log-probabilities when it acted, in the menu's order; nulls where the model gave no numbers",
    "action": "the phrase it took",
    "chosen": "its position in the menu",
    "reward": "reward of the step",
    "end": "null, or how the episode ended with this step: terminated | truncated",
    "value": "the critic's value of the prompt before the update; null for a method without critic",
    "advantage": "advantage before normalisation; null likewise",
}


class DecisionLog:
    """Writes `per_update` decisions of an update, skipping updates where a run would write over `most`.

    `seed`: of the choice, so that a resumed run writes the same lines. Raises `CheckpointError`.
    """

    def __init__(self, path: Path, per_update: int, most: int, updates: int, seed: int, resume_step: int = 0):
        self.path, self.per_update, self.seed = path, min(per_update, most), seed
        self.every = max(1, math.ceil(updates / max(1, most // max(1, self.per_update))))
        self.picked: list[tuple[int, dict[str, Any]]] = []
        files.cut_lines(path, resume_step)

    def pick(self, rollout: Rollout, policy: Policy, update: int) -> None:
        """Choose decisions of a rollout, before the update changes the policy. `update`: its number."""
        self.picked = []
        if not self.per_update or update % self.every:
            return
        real = rollout.is_real.flatten().nonzero().flatten()
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(self.seed + update))
        n_worlds = rollout.actions.shape[1]
        for row in sorted(order[: self.per_update].tolist()):  # `row` counts the real samples, as an update does
            t, b = divmod(int(real[row]), n_worlds)
            decision: Decision = rollout.decisions[t][b]
            chosen = int(rollout.actions[t, b])
            flags = (("terminated", rollout.terminated), ("truncated", rollout.truncated))
            record = {
                "world": b,
                "prompt": decision.prompt,
                "menu": list(decision.menu),
                "log_probs": [_number(x) for x in ask(policy, [decision])[0].tolist()],
                "action": decision.menu[chosen],
                "chosen": chosen,
                "reward": _number(rollout.rewards[t, b].item()),
                "end": next((name for name, flag in flags if flag[t, b]), None),
            }
            self.picked.append((row, record))

    def write(self, step: int, samples: Samples | None) -> None:
        """Write what was picked, with values and advantages of the update's samples, if it has any."""
        if not self.picked:
            return
        lines = []
        for row, record in self.picked:
            known = {} if samples is None else {"value": samples.values[row], "advantage": samples.advantages[row]}
            numbers = {key: _number(float(known[key])) if key in known else None for key in ("value", "advantage")}
            lines.append(json.dumps({"step": step, **record, **numbers}) + "\n")
        try:
            with files.open_to_append(self.path) as file:
                file.writelines(lines)
        except OSError as error:
            raise files.cannot_write(self.path, error) from error


def _number(x: float) -> float | None:
    return round(x, 6) if math.isfinite(x) else None
