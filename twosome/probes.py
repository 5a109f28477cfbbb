"""Fixed states whose policy is followed while a run learns; `probes.json` keeps what was seen.

{"decisions": [{"prompt": ..., "menu": [...]}, ...],
 "history": [{"step": ..., "probs": [[...], ...], "values": [...]}, ...]}        one entry per look
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twosome import disk
from twosome.types import Decision, Rollout


class Probes:
    """`n` decisions of the first rollout: where an episode starts, the others spread over what was met.

    Raises `CheckpointError` when the file cannot be written, or cannot be read when a run is resumed.
    """

    def __init__(self, path: Path, n: int, resume_step: int = 0):
        self.path, self.n = path, n
        self.decisions: list[Decision] = []
        self.history: list[dict[str, Any]] = []
        if resume_step and path.exists():
            saved = disk.read_json(path)
            self.decisions = [Decision(d["prompt"], tuple(d["menu"])) for d in saved["decisions"]]
            self.history = [entry for entry in saved["history"] if entry["step"] <= resume_step]

    def choose(self, rollout: Rollout, policy: Any) -> None:
        """Before the first update: choose, and note what the untrained policy does. Its values follow in `complete`.

        Values are not asked for here: a prompt whose features are computed in other company differs in its last
        bits, and looking would change the run.
        """
        met = list(dict.fromkeys(d for row in rollout.decisions for d in row if len(d.menu) > 1))
        count = min(self.n, len(met))
        self.decisions = [met[i * len(met) // count] for i in range(count)]
        self.history = [{"step": 0, "probs": self._probs(policy), "values": None}] if count else []

    def complete(self, batch: Any) -> bool:
        """After the first update: the values that its batch held. Returns whether there was something to complete."""
        if not self.history or self.history[-1]["values"] is not None:
            return False
        known = {} if batch is None else dict(zip(batch.decisions, batch.values.tolist(), strict=True))
        self.history[-1]["values"] = [round(known.get(d, 0.0), 6) for d in self.decisions]
        self._write()
        return True

    def look(self, step: int, policy: Any) -> None:
        """What the policy would do in each of them now."""
        values = [round(v, 6) for v in policy.values([d.prompt for d in self.decisions]).tolist()]
        self.history.append({"step": step, "probs": self._probs(policy), "values": values})
        self._write()

    def _probs(self, policy: Any) -> list[list[float]]:
        return [[round(p, 6) for p in row.exp().tolist()] for row in policy.log_probs(self.decisions)]

    def _write(self) -> None:
        decisions = [{"prompt": d.prompt, "menu": list(d.menu)} for d in self.decisions]
        disk.write_json(self.path, {"decisions": decisions, "history": self.history})
