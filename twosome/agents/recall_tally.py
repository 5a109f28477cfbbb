"""How often a memory is asked, and how often it knows something: counted where advice is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twosome.memory.similarity import Recalled

SAME = 0.99  # similarity from which on a record counts as the state itself

METRICS = {
    "recall/hits": "share of decisions for which the memory had anything like them (similarity above 0)",
    "recall/met": f"share of decisions for which it had the state itself (similarity above {SAME})",
    "recall/similarity": "similarity of the most similar record, mean over the hits",
}


@dataclass
class Tally:
    """Of decisions that were asked about: how many, how many had a hit, and how like the most similar record was.

    Nothing depends on it: it is no part of what a checkpoint saves.
    """

    asked: int = 0
    hits: int = 0
    met: int = 0
    similarity: float = 0.0  # the sum over the hits

    def add(self, recalled: Sequence[Recalled]) -> None:
        """Count one decision by what was recalled for it."""
        nearest = max((r.similarity for r in recalled), default=0.0)
        self.asked += 1
        if nearest > 0:
            self.hits += 1
            self.met += nearest > SAME
            self.similarity += nearest

    def clear(self) -> None:
        """Begin to count anew."""
        self.asked, self.hits, self.met, self.similarity = 0, 0, 0, 0.0

    def metrics(self) -> dict[str, float]:
        """What to log of the decisions since it began to count; nothing where none was asked about."""
        if not self.asked:
            return {}
        found = {"recall/hits": self.hits / self.asked, "recall/met": self.met / self.asked}
        return found | ({"recall/similarity": self.similarity / self.hits} if self.hits else {})
