"""What a policy does not compute twice: bounded caches, and when what they hold is no longer true."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(OrderedDict[K, V]):
    """An ordered dict of at most `capacity` entries; the oldest leave first."""

    def __init__(self, capacity: int):
        super().__init__()
        self.capacity = capacity

    def keep(self, key: K, value: V) -> None:
        """Store an entry, and drop the oldest beyond the capacity."""
        self[key] = value
        if len(self) > self.capacity:
            self.popitem(last=False)


class WeightsVersion:
    """Notices that the weights behind a cache have changed.

    They are compared with a copy: version counters miss what is written through `.data`.
    """

    def __init__(self, weights: Sequence[Tensor]):
        self.weights = weights
        self._copy: list[Tensor] = []
        self._switches: object = object()  # equal to no other: the first call says that they changed

    def has_changed(self, switches: object) -> bool:
        """Whether a weight or the adapter's `switches` differ from those of the last call that said so."""
        pairs = list(zip(self.weights, self._copy, strict=False))
        same = self._switches == switches and not (pairs and torch.stack([(a != b).any() for a, b in pairs]).any())
        if not same:
            self._switches, self._copy = switches, [w.detach().clone() for w in self.weights]
        return not same
