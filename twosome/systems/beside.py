"""A learner beside another: gradients and a memory from one rollout."""

from __future__ import annotations

from typing import Any

from twosome.memory.learner import MemoryLearner
from twosome.protocols import StateDict
from twosome.rl.ppo import PPO
from twosome.types import Rollout


class PPOWithMemory:
    """PPO on what it was advised, then the memory learns the same rollout.

    The critic and its bonuses for what is new read plain states, so advice that changes makes no state a new one.
    """

    def __init__(self, ppo: PPO, memory: MemoryLearner):
        self.ppo, self.memory = ppo, memory

    @property
    def bad_updates(self) -> int:
        return self.ppo.bad_updates

    @property
    def samples(self) -> Any:
        """Those of PPO."""
        return self.ppo.samples

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout, both. Returns what to log; the value loss is the critic's."""
        return self.memory.update(rollout, progress) | self.ppo.update(rollout, progress)

    def state_dict(self) -> StateDict:
        """Of both."""
        return {"ppo": self.ppo.state_dict(), "memory": self.memory.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.ppo.load_state_dict(state["ppo"])
        self.memory.load_state_dict(state["memory"])
