"""Text environments with a menu of actions, for gymnasium; importing this package registers them.

>>> import gymnasium
>>> env = gymnasium.make("twosome_envs:twosome/TomatoSalad-v0")
>>> observation, info = env.reset()
>>> info["actions"][0]
'pick up the tomato'

Needs gymnasium and numpy only; drawing a picture needs Pillow.
"""

from gymnasium.envs.registration import register, registry

from . import (
    advised,
    agent,
    desk,
    game24,
    orders,
    overcooked,
    pages,
    shop,
    split,
    toolbox,
    toy_text,
    virtualhome,
    workshop,
    wrappers,
)

_FAMILIES = (overcooked, virtualhome, game24, workshop, orders, split, shop, pages, desk, toolbox, toy_text, advised)

IDS: tuple[str, ...] = tuple(id for family in _FAMILIES for id in family.SPECS)
"""Every id registered here."""

for _family in _FAMILIES:
    for _id, _kwargs in _family.SPECS.items():
        if _id not in registry:
            register(_id, entry_point=_family.ENTRY_POINT, kwargs=_kwargs)
            # A -v1 here is another environment, not the successor of the benchmark: under one name, making the -v0
            # would warn that it is out of date.
            registry[_id].name = _id.removeprefix("twosome/").removesuffix("-v0")

OTHERS: tuple[str, ...] = tuple({**wrappers.SPECS, **agent.SPECS, **desk.OTHERS})
"""Ids that take a world or data of somebody else's as an argument: mixtures, worlds around worlds, third parties."""

for _id, (_entry_point, _kwargs) in {**wrappers.SPECS, **agent.SPECS, **desk.OTHERS}.items():
    if _id not in registry:
        register(_id, entry_point=_entry_point, kwargs=_kwargs)
