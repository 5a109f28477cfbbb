"""The critic's head on frozen features. Knows nothing of where the features come from."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from twosome.config.schema import ValueHeadSettings


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
