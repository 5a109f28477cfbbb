"""gymnasium's own toy-text worlds in words: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.toy_text:make"

SPECS: dict[str, dict[str, Any]] = {
    f"twosome/{world}-v0": {"world": world} for world in ("FrozenLake", "CliffWalking", "Taxi", "Blackjack")
}
"""gymnasium id -> default keyword arguments of `make`."""


def make(world: str, **kwargs: Any) -> Any:
    """The environment of a toy-text world by its name, with the arguments of its class."""
    from . import blackjack, grids

    worlds = {
        "FrozenLake": grids.FrozenLake,
        "CliffWalking": grids.CliffWalking,
        "Taxi": grids.Taxi,
        "Blackjack": blackjack.Blackjack,
    }
    return worlds[world](**kwargs)
