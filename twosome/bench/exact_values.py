"""Exact values of a world whose states can all be visited: a memory that knows everything, and what a memory misses.

Every state is reached through snapshots, values by iteration. Where states look alike, an action is worth its mean over
those that the best plan visits, or over all of them where it visits none: what a memory of scenes could know at best.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from twosome.errors import ConfigError
from twosome.memory.records import Records
from twosome.types import Situation

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings, MemorySettings

MOST = 100_000  # states that are visited
CLOSE = 1e-10  # values that no sweep moves by more are exact


class Way(NamedTuple):
    """What an action of a state does. `to`: the state that it leads to, None for an end."""

    action: str
    reward: float
    discount: float
    to: int | None


def ways(env: EnvSettings) -> tuple[list[Situation], list[list[Way]]]:
    """All states of a world, as they look, and what their actions do. The first is where an episode begins.

    Raises `ConfigError` for a world without snapshots or with too many states.
    """
    from twosome.rollout.checked_env import World
    from twosome.systems.baselines.random import RandomPolicy

    world = World(env, RandomPolicy(), 0, 0)
    try:
        world.reset()
        if not world.can_snapshot:
            raise ConfigError(f"{env.id} has no snapshots, so its exact values cannot be found.")
        places, snapshots = {world.key: 0}, [world.snapshot()]
        seen: list[Situation] = []
        found: list[list[Way]] = []
        for snapshot in snapshots:  # grows meanwhile
            world.restore(snapshot)
            seen.append(Situation(world.observation["goal"], world.observation["scene"]))
            found.append([])
            for position, action in enumerate(world.menu.phrases):
                world.restore(snapshot)
                step = world.step(position)
                to = None
                if not (step.terminated or step.truncated):
                    to = places.setdefault(world.key, len(snapshots))
                    if to == len(snapshots):
                        snapshots.append(world.snapshot())
                found[-1].append(Way(action, step.reward, env.gamma**step.duration, to))
            if len(snapshots) > MOST:
                raise ConfigError(f"{env.id} has more than {MOST:,} states: too many for exact values.")
        return seen, found
    finally:
        world.close()


def action_values(found: list[list[Way]]) -> list[dict[str, float]]:
    """Of every state what its actions are worth under the best plan."""
    values = [0.0] * len(found)
    while True:
        new = [max((_worth(way, values) for way in state), default=0.0) for state in found]
        change = max(abs(a - b) for a, b in zip(new, values, strict=True))
        values = new
        if change < CLOSE:
            return [{way.action: _worth(way, values) for way in state} for state in found]


def _worth(way: Way, values: list[float]) -> float:
    return way.reward + (way.discount * values[way.to] if way.to is not None else 0.0)


def values_as_told(env: EnvSettings) -> dict[Situation, dict[str, float]]:
    """Of every state, as it looks, what its actions are worth; the beginning first. Raises `ConfigError` as `ways`."""
    seen, found = ways(env)
    values = action_values(found)
    on_plan = set[int]()
    at: int | None = 0
    while at is not None and at not in on_plan:
        on_plan.add(at)
        worth = values[at]
        best = max(worth.values())
        at = next(way.to for way in found[at] if worth[way.action] == best)
    alike: dict[Situation, list[int]] = defaultdict(list)
    for place, situation in enumerate(seen):
        alike[situation].append(place)
    told = {}
    for situation, places in alike.items():
        few = [place for place in places if place in on_plan] or places
        actions = dict.fromkeys(action for place in few for action in values[place])
        told[situation] = {
            action: _mean([values[place][action] for place in few if action in values[place]]) for action in actions
        }
    return told


def exact_memory(env: EnvSettings, settings: MemorySettings) -> Records:
    """A memory of a world that knows the exact value of everything."""
    told = values_as_told(env)
    begin = next(iter(told))
    rows = [[*s, 1, [[action, q, q, 1] for action, q in values.items()]] for s, values in told.items()]
    records = Records(settings)
    records.load_state_dict({"begins": {begin.goal: begin.scene}, "records": rows})
    return records


def permuted(records: Records, seed: int) -> Records:
    """The placebo: the same states and actions, and the same values, handed out at random."""
    state: dict[str, Any] = records.state_dict()
    known = [action for _, _, _, actions in state["records"] for action in actions]
    worth = [(q, u) for _, q, u, _ in known]
    Random(seed).shuffle(worth)
    for action, (q, u) in zip(known, worth, strict=True):
        action[1], action[2] = q, u
    placebo = Records(records.settings)
    placebo.load_state_dict(state)
    return placebo


def error(records: Records, told: dict[Situation, dict[str, float]]) -> float | None:
    """Mean distance of what a memory knows from the exact values; None where it knows nothing of this world."""
    distances = [
        abs(known.q - told[situation][action])
        for situation in records.told()
        if situation in told
        for action, known in records[situation].actions.items()
        if action in told[situation]
    ]
    return _mean(distances) if distances else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
