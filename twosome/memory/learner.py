"""Experience without gradients: the memory learns every episode of a rollout when it ends; no weight moves.

What it learns it learns in the order of time, and of worlds. An episode that a fault spoilt teaches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twosome.errors import number
from twosome.memory.records import Records, Step
from twosome.types import Situation

if TYPE_CHECKING:
    from twosome.types import Rollout

METRICS = {
    "recall/records": "states that the memory knows",
    "recall/actions": "actions that it knows, in all of them",
    "recall/start_value": "best Q of the scene in which the first episode began, mean over goals; env.optimum is exact",
}


class MemoryLearner:
    """Hands whole episodes to `records`; keeps what the episodes under way have seen so far."""

    samples = None

    def __init__(self, records: Records, worlds: int):
        self.records = records
        self.bad_updates = 0
        self._under_way: list[list[Step]] = [[] for _ in range(worlds)]

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn the episodes that end in a rollout. `progress` is not used. Returns what to log."""
        assert rollout.situations is not None
        assert rollout.next_situations is not None
        errors = []
        steps, worlds = rollout.rewards.shape
        for t in range(steps):
            for b in range(worlds):
                if not rollout.is_real[t, b]:
                    self._under_way[b] = []
                    continue
                action = rollout.decisions[t][b].menu[int(rollout.actions[t, b])]
                reward, discount = float(rollout.rewards[t, b]), float(rollout.discounts[t, b])
                self._under_way[b].append(Step(rollout.situations[t][b], action, reward, discount))
                if rollout.terminated[t, b] or rollout.truncated[t, b]:
                    after = None if rollout.terminated[t, b] else rollout.next_situations[t][b]
                    errors.append(self.records.learn(self._under_way[b], after))
                    self._under_way[b] = []
        return self._metrics() | ({"loss/value": sum(errors) / len(errors)} if errors else {})

    def _metrics(self) -> dict[str, float]:
        known = [self.records[s] for s in self.records.situations()]
        actions = sum(len(record.actions) for record in known)
        starts = [s for begin in self.records.begins.items() if (s := Situation(*begin)) in self.records]
        values = [self.records[s].best("q") for s in starts]
        start = {"recall/start_value": sum(values) / len(values)} if values else {}
        return {"recall/records": float(len(known)), "recall/actions": float(actions), **start}

    def state_dict(self) -> dict[str, Any]:
        """The steps of the episodes under way; the records are the policy's."""
        return {
            "under_way": [[[*s.situation, s.action, s.reward, s.discount] for s in steps] for steps in self._under_way]
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. Raises `ValueError` or another of `INVALID_CONTENT` for what cannot be that."""
        under_way = [[_step(row) for row in steps] for steps in state["under_way"]]
        if len(under_way) != len(self._under_way):
            raise ValueError(f"{len(under_way)} episodes under way, expected {len(self._under_way)}")
        self._under_way = under_way


def _step(row: list[Any]) -> Step:
    goal, scene, action, reward, discount = row
    if not all(isinstance(text, str) for text in (goal, scene, action)):
        raise ValueError(f"a step of an episode is {row!r:.200}")
    return Step(Situation(goal, scene), action, number(reward, "a reward"), number(discount, "a discount"))
