"""The critic's head on frozen features. Knows nothing of where the features come from."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from twosome.config.schema import ValueHeadSettings

SMALLEST = 1e-6  # deviation of a feature, against the largest of all: less is rounding


class ValueHead(nn.Module):
    """Features of the adapter-free backbone [N, H] -> values [N].

    `linear`: one layer. `mlp`: H -> widths -> 1 with tanh between; widths (1024, 512) are the published
    variant. The last layer starts at zero, so the first values are 0 whatever the features.
    """

    def __init__(self, width: int, settings: ValueHeadSettings):
        super().__init__()
        sizes = [width, *(settings.widths if settings.kind == "mlp" else []), 1]
        layers: list[nn.Module] = [nn.LayerNorm(width)] if settings.layer_norm else []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.Tanh()]
        self.layers = nn.Sequential(*layers[:-1])
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).squeeze(-1)


class ActionValueHead(ValueHead):
    """The same on features of a state with an action: [N, H] -> values [N].

    Such features differ far more by the action's last word than by the state, and from their mean by little: each
    dimension is brought to mean 0 and deviation 1, by those of the features that `fit` is given first.
    """

    mean: Tensor
    deviation: Tensor
    fitted: Tensor

    def __init__(self, width: int, settings: ValueHeadSettings):
        super().__init__(width, settings)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.long))

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation of these features; once, so that what is learnt keeps its meaning."""
        if self.fitted or len(features) < 2:
            return
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0, correction=0) + SMALLEST * (1 + features.abs().max()))
        self.fitted.fill_(1)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward((features - self.mean) / self.deviation)
