"""How a world names the parts of its goal, so that an agent can work on one after another. Knows no world.

Two methods of a present state are all. A path names a part from the outside in: () is the whole goal, ("dinner",) a
part of it, ("dinner", "salad") a part of that.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

PartPath = tuple[str, ...]
"""The names from the whole, which is left out, to a part."""


class Part(NamedTuple):
    """A part of a goal: a few words that no other part of the same whole has, and whether it is reached."""

    name: str
    is_reached: bool = False


@runtime_checkable
class Parted(Protocol):
    """A world that names the parts of its goal; the answers are functions of its present state."""

    def parts(self, path: PartPath) -> tuple[Part, ...]:
        """The parts of what a path names, those open and those reached; () where it has none.

        A part that cannot be reached any more is not listed. Which ones there are may change with the state.
        """

    def observe(self, path: PartPath) -> dict[str, Any]:
        """What somebody sees who works on the part at a path and knows of nothing else: scene, goal, vector.

        They lie in the world's own spaces; the goal is that of the part. For () it is the world's observation.
        """
