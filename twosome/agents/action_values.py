"""Policies of a language model that value actions: the value head reads the frozen model after state and action.

    Q(s, a) = head(phi(s + " " + a))

phi is what the critic reads of a text elsewhere too: adapter off, computed once, kept in the same bounded cache.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twosome import tensor_files
from twosome.agents.caches import Cache
from twosome.agents.llm_policy import LLMPolicy
from twosome.errors import CheckpointError, NumericsError
from twosome.inspection.distribution import ActionDistribution
from twosome.lm.adapter import load_adapter
from twosome.lm.tokens import join
from twosome.lm.value_head import ActionValueHead
from twosome.protocols import StateDict
from twosome.rollout.situation import AFTER_THE_END
from twosome.types import Decision, Menu, Observation

if TYPE_CHECKING:
    from twosome.config.learners import QHeadSettings

log = logging.getLogger(__name__)

EXPLORES = "exploration.safetensors"  # how much, when it was saved
FORMER = "acting.safetensors"  # of the first runs, with a number that they did not act by


class ActionValuePolicy(LLMPolicy):
    """The language model is the actor, the critic values its actions (`method=expected`).

    The value of a state is what the policy expects of the menu that it was last asked about there; 0 of a state that it
    was never asked about.
    """

    head_file = "q_head.safetensors"

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._menus: Cache[str, tuple[str, ...]] = Cache(self.settings.reuse_capacity)

    def decide(self, observation: Observation, menu: Menu) -> Decision:
        decision = super().decide(observation, menu)
        if menu is not AFTER_THE_END:
            self._menus.keep(decision.state, decision.menu)
        return decision

    def values(self, states: list[str]) -> Tensor:
        known = [Decision.plain(s, self._menus[s]) for s in states if s in self._menus]
        pairs = zip(self.log_probs(known), self.action_values(known), strict=True)
        found = iter([float((log_probs.exp() * values).sum()) for log_probs, values in pairs])
        return torch.tensor([next(found) if s in self._menus else 0.0 for s in states])

    def state_dict(self) -> StateDict:
        """The policy's, and the menus that states were met with: a resumed run values the same ones."""
        return super().state_dict() | {"menus": [[state, *menu] for state, menu in self._menus.items()]}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._menus.clear()
        for met, *menu in state["menus"]:
            if not all(isinstance(text, str) for text in (met, *menu)):
                raise ValueError("a menu holds what is no text")
            self._menus.keep(met, tuple(menu))

    def action_features(self, pairs: list[tuple[str, str]]) -> Tensor:
        """What the value head reads of (state, action): [N, H], float32, without gradient."""
        if pairs:
            self.engine.check(*pairs[0])
        joint = self.engine.encoder.joint
        return self.features([join(state, action.strip(), joint)[0] for state, action in pairs])

    def scale_features(self, pairs: list[tuple[str, str]]) -> None:
        """Have the value head settle its scale of features by these (state, action), unless it has one."""
        if isinstance(self.value_head, ActionValueHead):
            self.value_head.fit(self.action_features(pairs))

    def action_values(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the values of its menu: 1-D, float32, on the CPU. Raises `NumericsError` for a NaN."""
        if not decisions:
            return []
        features = self.action_features([(d.state, action) for d in decisions for action in d.menu])
        with torch.no_grad():
            found = self.value_head(features).cpu().split([len(d.menu) for d in decisions])
        for row, decision in zip(found, decisions, strict=True):
            if not row.isfinite().all():
                raise NumericsError(f"The head gives the values {row.tolist()} to {decision}.")
        return list(found)

    def load_weights(self, folder: Path) -> None:
        """Of a run that values states the adapter alone: its head reads something else, and a new one begins at 0."""
        if (folder / self.head_file).is_file() or not (folder / LLMPolicy.head_file).is_file():
            super().load_weights(folder)
        else:
            log.warning("%s values states and no actions: its adapter is taken, and the values begin at 0.", folder)
            load_adapter(self.lm, folder / "adapter")

    def _taken_apart(self, decision: Decision, normalization: str | None, adapter: bool) -> ActionDistribution:
        self._menus.keep(decision.state, decision.menu)
        [values] = self.action_values([decision])
        return replace(super()._taken_apart(decision, normalization, adapter), action_values=tuple(values.tolist()))


class QPolicy(ActionValuePolicy):
    """Acts by its action values alone (`method=qhead`); the adapter is not asked.

    pi(a | s) = (1 - epsilon) softmax(Q / tau) + epsilon / A       A: actions on the menu

    A tau near 0 is epsilon-greedy. A decision's log-weights are added to Q / tau.
    """

    def __init__(self, *arguments: Any, q_head: QHeadSettings, **named: Any):
        super().__init__(*arguments, **named)
        self.tau, self.epsilon, self.schedule = q_head.tau, q_head.epsilon, q_head

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        self.counts["decisions"] += len(decisions)
        rows = self.action_values(decisions)
        return [self._of(row, d.bias) for row, d in zip(rows, decisions, strict=True)]

    def save_weights(self, folder: Path) -> None:
        super().save_weights(folder)
        explores = torch.tensor([self.tau, self.epsilon], dtype=torch.float64)
        tensor_files.write_tensors(folder / EXPLORES, {"explores": explores})

    def load_weights(self, folder: Path) -> None:
        super().load_weights(folder)
        file = next((folder / name for name in (EXPLORES, FORMER) if (folder / name).is_file()), None)
        if file is None:  # of a run that explores in another way
            return
        tau, epsilon = tensor_files.read_finite_tensors(file, {"explores": (2,)})["explores"].tolist()
        if not 1e-6 <= tau <= 1e6 or not 0 <= epsilon < 1:
            raise CheckpointError(
                f"{file} holds the temperature {tau} and the share of random actions {epsilon}, expected "
                "one from 1e-6 to 1e6 and one from 0 to below 1; refused."
            )
        self.tau, self.epsilon = tau, epsilon
        if file.name == FORMER:
            s = self.schedule
            self.tau, self.epsilon = within(tau, s.tau, s.tau_end), within(epsilon, s.epsilon, s.epsilon_end)

    def _of(self, values: Tensor, bias: Sequence[float]) -> Tensor:
        """The log-probabilities of a menu [A]."""
        logits = values / self.tau + torch.tensor(bias) if bias else values / self.tau
        by_value, by_chance = torch.tensor([1 - self.epsilon, self.epsilon / len(values)]).log()
        return torch.logaddexp(by_value + logits.log_softmax(0), by_chance)

    def _taken_apart(self, decision: Decision, normalization: str | None, adapter: bool) -> ActionDistribution:
        found = super()._taken_apart(decision, normalization, adapter)
        return replace(found, given=tuple(self.log_probs([decision])[0].tolist())) if adapter else found


def within(value: float, one: float, other: float) -> float:
    """The value between two ends that is nearest.

    >>> within(0.2, 0.0, 0.0), within(0.2, 0.1, 0.3), within(0.02, 0.3, 0.1)
    (0.0, 0.2, 0.1)
    """
    return min(max(value, min(one, other)), max(one, other))
