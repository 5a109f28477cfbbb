"""Fixed states whose policy is followed while a run learns; `tracked_states.json` keeps what was seen.

{"decisions": [{"prompt": ..., "menu": [...]}, ...],
 "history": [{"step": ..., "probs": [[...], ...], "values": [...]}, ...]}        one entry per record

A number is null where the model gave none.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from twosome import files
from twosome.errors import INVALID_CONTENT, CheckpointError, NumericsError, brief, counter
from twosome.protocols import Policy, Samples
from twosome.rollout.driver import ask
from twosome.types import Decision, Rollout

log = logging.getLogger(__name__)

FORMER_NAME = "probes.json"  # of the file, in runs from before 2026-11-25


class TrackedStates:
    """`n` decisions of the first rollout: where an episode starts, the others spread over what was met.

    Raises `CheckpointError` when the file cannot be written, or cannot be read when a run is resumed.
    """

    def __init__(self, path: Path, n: int, resume_step: int = 0):
        self.path, self.n, self.step = path, n, resume_step
        self.decisions: list[Decision] = []
        self.history: list[dict[str, Any]] = []
        known = next((p for p in (path, path.with_name(FORMER_NAME)) if p.exists()), None)
        if resume_step and known is not None:
            saved = files.read_json(known)
            try:
                self.decisions = [
                    _decision(d.get("state", d["prompt"]), d["prompt"], d["menu"]) for d in saved["decisions"]
                ]
                self.history = [e for e in saved["history"] if counter(e["step"], "the step") <= resume_step]
            except INVALID_CONTENT as error:
                said = f"{type(error).__name__}: {brief(error)}"
                raise CheckpointError(
                    f"{known} holds no tracked states: {said}. Remove it to go on without."
                ) from error

    def choose(self, rollout: Rollout, policy: Policy) -> None:
        """Before the first update: choose, and record what the untrained policy does. Its values follow in `complete`.

        Values are not asked for here: a state whose features are computed in other company differs in its last bits,
        and recording would change the run.
        """
        met = list(dict.fromkeys(d for row in rollout.decisions for d in row if len(d.menu) > 1))
        count = min(self.n, len(met))
        self.decisions = [met[i * len(met) // count] for i in range(count)]
        self.history = [{"step": self.step, "probs": self._probs(policy), "values": None}] if count else []

    def complete(self, samples: Samples | None) -> bool:
        """After the first update: the values that its samples had. Returns whether there was something to complete."""
        if not self.history or self.history[-1]["values"] is not None:
            return False
        known = {} if samples is None else dict(zip(samples.decisions, samples.values.tolist(), strict=True))
        self.history[-1]["values"] = [_number(known.get(d, 0.0)) for d in self.decisions]
        self._write()
        return True

    def record(self, step: int, policy: Policy) -> None:
        """What the policy would do in each of them now."""
        try:
            values = policy.values([d.state for d in self.decisions]).tolist()
        except NumericsError as error:
            log.warning("The tracked states have no values at step %d: %s", step, error)
            values = [math.nan] * len(self.decisions)
        self.history.append({"step": step, "probs": self._probs(policy), "values": [_number(v) for v in values]})
        self._write()

    def _probs(self, policy: Policy) -> list[list[float | None]]:
        return [[_number(p) for p in row.exp().tolist()] for row in ask(policy, self.decisions)]

    def _write(self) -> None:
        decisions = [
            {"prompt": d.prompt, "menu": list(d.menu)} | ({} if d.prompt == d.state else {"state": d.state})
            for d in self.decisions
        ]
        files.write_json(self.path, {"decisions": decisions, "history": self.history})


def _number(x: float) -> float | None:
    return round(x, 6) if math.isfinite(x) else None


def _decision(state: str, prompt: str, menu: list[str]) -> Decision:
    """A decision from a file. Raises `ValueError` or `TypeError` where it cannot be that."""
    "".join((state, prompt, *menu)).encode()  # raises where one is no text
    if not isinstance(menu, list):
        raise ValueError(f"the menu is {menu!r:.80}")
    return Decision(state, prompt, tuple(menu))
