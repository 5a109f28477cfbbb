"""PPO with a small network on the numeric observation and the action mask: what a language model must beat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from twosome.errors import MenuError, NumericsError, brief
from twosome.lm.value_head import ValueHead
from twosome.systems.baselines.common import Baseline, numbers
from twosome.types import Branch, Decision

if TYPE_CHECKING:
    from twosome.config.schema import ValueHeadSettings


class MLPPolicy(Baseline):
    """Observation divided by `high`, its space's bounds -> tanh layers -> a logit for each of `n_actions`."""

    def __init__(self, high: Tensor, n_actions: int, widths: Sequence[int], value_head: ValueHeadSettings):
        super().__init__()
        self.high = high.float().clamp(min=1.0, max=1e3).flatten()
        sizes = [len(self.high), *widths]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.Tanh()]
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], n_actions))
        self.value_head = ValueHead(len(self.high), value_head)

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the log-probabilities of its menu, without gradient. Raises `NumericsError` for a NaN."""
        with torch.no_grad():
            (_, rows), *_ = self.evaluate_actions(decisions)
        found = [row[: len(d.menu)] for row, d in zip(rows, decisions, strict=True)]
        for row, decision in zip(found, decisions, strict=True):
            if not row.isfinite().all():
                raise NumericsError(f"The network gives the log-probabilities {row.tolist()} to {decision}.")
        return found

    def evaluate_actions(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """All in one pass: (indices, log-probabilities [N, M] padded with -inf)."""
        logits = self.network(self.features([d.state for d in decisions]))
        try:
            menus = [torch.tensor([int(a) for a in d.menu]) for d in decisions]
            rows = [row[menu].log_softmax(0) for row, menu in zip(logits, menus, strict=True)]
        except (ValueError, IndexError, RuntimeError) as error:
            raise MenuError(
                f"A menu holds no action indices below {logits.shape[1]}, the size of the environment's action space "
                f"({brief(error)}). method=mlp has one output per index: give the environment a Discrete action space "
                "as large as its longest menu, in which an index keeps its meaning."
            ) from error
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-torch.inf)
        yield list(range(len(decisions))), padded

    def features(self, states: list[str]) -> Tensor:
        """The scaled observations: [N, size]. Raises `MenuError` for texts that are none."""
        try:
            rows = numbers(states)
        except ValueError as error:
            raise MenuError(f"A state is not {len(self.high)} numbers: {brief(error)}.") from error
        if states and rows.shape[1] != len(self.high):
            raise MenuError(f"A state is {rows.shape[1]} numbers, expected {len(self.high)}.")
        return rows / self.high

    def values(self, states: list[str]) -> Tensor:
        """The value of every state: [N]."""
        with torch.no_grad():
            return self.value_head(self.features(states))

    def branches(self, decision: Decision, action: int) -> list[Branch]:
        """An action is an index, hence one token."""
        return [Branch(decision.state, tuple(range(len(decision.menu))), (action,))]

    def actor_parameters(self) -> list[Tensor]:
        """The network's tensors."""
        return list(self.network.parameters())

    def halve_budget(self, error: Exception) -> None:
        """A small network has no smaller passes."""
        raise error

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Network and value head."""
        return {"network": self.network.state_dict(), "value_head": self.value_head.state_dict()}

    def set_weights(self, weights: dict[str, dict[str, Tensor]]) -> None:
        """The inverse of `weights`."""
        self.network.load_state_dict(weights["network"])
        self.value_head.load_state_dict(weights["value_head"])
