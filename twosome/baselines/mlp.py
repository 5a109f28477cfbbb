"""PPO with a small network on the numeric observation and the action mask: what a language model must beat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from twosome.baselines.common import Baseline, numbers
from twosome.model import ValueHead
from twosome.types import Decision


class MLPPolicy(Baseline):
    """Observation divided by `high`, its space's bounds -> tanh layers (`baseline.widths`) -> a logit for each of `n_actions`."""

    def __init__(self, cfg: Any, high: Any, n_actions: int):
        super().__init__()
        torch.manual_seed(cfg.seed)
        self.high = torch.as_tensor(high, dtype=torch.float32).clamp(min=1.0, max=1e3).flatten()
        sizes = [len(self.high), *cfg.baseline.widths]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.Tanh()]
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], n_actions))
        self.value_head = ValueHead(len(self.high), cfg.model.value_head)

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        with torch.no_grad():
            (_, rows), *_ = self.evaluate(decisions)
        return [row[row > -torch.inf] for row in rows]

    def evaluate(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        logits = self.network(self.features([d.prompt for d in decisions]))
        menus = [torch.tensor([int(a) for a in d.menu]) for d in decisions]
        rows = [row[menu].log_softmax(0) for row, menu in zip(logits, menus, strict=True)]
        yield list(range(len(decisions))), nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-torch.inf)

    def features(self, prompts: list[str]) -> Tensor:
        return numbers(prompts) / self.high

    def values(self, prompts: list[str]) -> Tensor:
        with torch.no_grad():
            return self.value_head(self.features(prompts))

    def adapter_parameters(self) -> list[Tensor]:
        return list(self.network.parameters())

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {"network": self.network.state_dict(), "value_head": self.value_head.state_dict()}

    def load_tensors(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        self.network.load_state_dict(tensors["network"])
        self.value_head.load_state_dict(tensors["value_head"])
