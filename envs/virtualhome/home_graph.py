"""The home as a graph of the simulator: nodes, edges and the program of every action, as data.

Source: SPEC.md, VirtualHome 2, 4.1, 5.1 and 10. Imports nothing of the simulator.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from .tasks import KITCHEN, LIVING_ROOM, ROOM_ACTIONS, ROOMS, ApplianceTask, EntertainmentTask

CHARACTER = 1
ROOM_IDS = (11, 12, 13, 14)
ITEM, MACHINE, CHIPS, MILK, TABLE, TV, SOFA = range(21, 28)
KITCHEN_TABLE, CHIPS_COUNTER, MACHINE_COUNTER, TV_STAND, BOOKSHELF = range(31, 36)

Edge = tuple[int, str, int]


class Graph(NamedTuple):
    """All that changes in the simulator, hashable.

    edges: between two nodes; states: (node, name of its state); taken: where each grabbed thing was taken from.
    """

    edges: frozenset[Edge]
    states: frozenset[tuple[int, str]]
    taken: frozenset[Edge]

    def linked(self, source: int, relation: str) -> set[int]:
        """The nodes that `relation` edges lead to from `source`."""
        return {to for origin, kind, to in self.edges if origin == source and kind == relation}


class Node(TypedDict):
    """A node of the simulator's own format."""

    id: int
    class_name: str
    category: str
    properties: list[str]
    states: list[str]


def nodes_of(task: ApplianceTask | EntertainmentTask) -> list[Node]:
    """The nodes of a small home: the agent, four rooms, the things of both tasks and what they stand on."""
    item, machine = ("pancake", "microwave")
    if isinstance(task, ApplianceTask):
        item, machine = (str(thing).replace(" ", "") for thing in (task.item, task.appliance))
    table: list[tuple[int, str, str, list[str], list[str]]] = [
        (CHARACTER, "character", "Characters", [], []),
        *((ROOM_IDS[room], name.replace(" ", ""), "Rooms", [], []) for room, name in enumerate(ROOMS)),
        (ITEM, item, "Food", ["GRABBABLE"], []),
        (MACHINE, machine, "Appliances", ["CAN_OPEN", "CONTAINERS", "HAS_SWITCH"], ["CLOSED", "OFF"]),
        (CHIPS, "chips", "Food", ["GRABBABLE"], []),
        (MILK, "milk", "Food", ["GRABBABLE", "CAN_OPEN"], ["CLOSED"]),
        (TABLE, "coffeetable", "Furniture", ["SURFACES"], []),
        (TV, "tv", "Electronics", ["HAS_SWITCH"], ["OFF"]),
        (SOFA, "sofa", "Furniture", ["SITTABLE"], []),
        (KITCHEN_TABLE, "kitchentable", "Furniture", ["SURFACES"], []),
        (CHIPS_COUNTER, "kitchencounter", "Furniture", ["SURFACES"], []),
        (MACHINE_COUNTER, "kitchencounter", "Furniture", ["SURFACES"], []),
        (TV_STAND, "tvstand", "Furniture", ["SURFACES"], []),
    ]
    if _in_bookshelf(task):
        table.append((BOOKSHELF, "bookshelf", "Furniture", ["CONTAINERS"], ["OPEN"]))
    return [
        Node(id=id, class_name=name, category=category, properties=properties, states=states)
        for id, name, category, properties, states in table
    ]


def _in_bookshelf(task: ApplianceTask | EntertainmentTask) -> bool:
    return isinstance(task, ApplianceTask) and task.item_room == LIVING_ROOM


def edges_of(task: ApplianceTask | EntertainmentTask) -> set[Edge]:
    """The edges of that home at the start: which room everything is in, what it is on, what faces the TV."""
    item_room = machine_room = KITCHEN
    if isinstance(task, ApplianceTask):
        item_room, machine_room = task.item_room, task.appliance_room
    rooms = {
        **dict.fromkeys((CHARACTER, CHIPS, MILK, KITCHEN_TABLE, CHIPS_COUNTER), KITCHEN),
        **dict.fromkeys((TABLE, TV, SOFA, TV_STAND), LIVING_ROOM),
        **{ITEM: item_room, MACHINE: machine_room, MACHINE_COUNTER: machine_room},
        **({BOOKSHELF: item_room} if _in_bookshelf(task) else {}),
    }
    return {
        *((node, "INSIDE", ROOM_IDS[room]) for node, room in rooms.items()),
        (ITEM, "INSIDE", BOOKSHELF) if _in_bookshelf(task) else (ITEM, "ON", KITCHEN_TABLE),
        (MILK, "ON", KITCHEN_TABLE),
        (CHIPS, "ON", CHIPS_COUNTER),
        (MACHINE, "ON", MACHINE_COUNTER),
        (TV, "ON", TV_STAND),
        (TABLE, "FACING", TV),
        (SOFA, "FACING", TV),
    }


def programs_of(task: ApplianceTask | EntertainmentTask) -> list[tuple[str, tuple[int, ...]]]:
    """The simulator's verb and objects for every action (SPEC.md, VirtualHome 4.1 and 5.1)."""
    walks: list[tuple[str, tuple[int, ...]]] = [("WALK", (ROOM_IDS[room],)) for room in ROOM_ACTIONS]
    if isinstance(task, ApplianceTask):
        return [
            *walks,
            ("WALK", (ITEM,)),
            ("WALK", (MACHINE,)),
            ("GRAB", (ITEM,)),
            ("PUTIN", (ITEM, MACHINE)),
            ("OPEN", (MACHINE,)),
            ("CLOSE", (MACHINE,)),
        ]
    return [
        *walks,
        *(("WALK", (thing,)) for thing in (CHIPS, MILK, TABLE, TV, SOFA)),
        *(("GRAB", (thing,)) for thing in (CHIPS, MILK)),
        *(("PUTBACK", (thing, TABLE)) for thing in (CHIPS, MILK)),
        ("SWITCHON", (TV,)),
        ("SWITCHOFF", (TV,)),
        ("SIT", (SOFA,)),
        ("STANDUP", ()),
    ]
