"""What a memory recalled for a decision, as it is shown. Knows no memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Recalled(NamedTuple):
    """A record that a state reminded of.

    `similarity`: 1 for the state itself; `visits`: how often it was met; `encouraged`, `discouraged`: actions and what
    they were worth there, the best first.
    """

    goal: str
    scene: str
    similarity: float
    visits: int
    encouraged: tuple[tuple[str, float], ...] = ()
    discouraged: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Recollection:
    """What was recalled and what that came to.

    `recalled`: the most similar first; `text`: as it stands in the prompt; `values`: of the actions of the menu of
    which the recalled records know something, what they are worth; `how`: the settings by which it was done.
    """

    recalled: tuple[Recalled, ...] = ()
    text: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    how: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain lists, texts and numbers, ready for JSON."""
        return {
            "recalled": [
                {**r._asdict(), **{name: list(map(list, getattr(r, name))) for name in ("encouraged", "discouraged")}}
                for r in self.recalled
            ],
            "advice": self.text,
            "values": dict(self.values),
            "how": self.how,
        }
