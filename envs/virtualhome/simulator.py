"""The tasks on the simulator of the PyPI package `virtualhome`, as the optional `backend="virtualhome"`.

Source: SPEC.md, VirtualHome 2, 3 and 10. What the published tasks need differently is done here: a scene
without the pillows that occupy the sofa, a simulator rebuilt before every action (otherwise sitting goes
unnoticed), and switches that need a free hand.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
import types
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from . import appliance, entertainment
from .env import World
from .tasks import KITCHEN, LIVING_ROOM, ROOM_ACTIONS, ROOMS, ApplianceTask, EntertainmentTask

INSTALL = "pip install --no-deps virtualhome==2.3.0"

CHARACTER = 1
ROOM_IDS = (11, 12, 13, 14)
ITEM, MACHINE, CHIPS, MILK, TABLE, TV, SOFA = range(21, 28)
KITCHEN_TABLE, CHIPS_COUNTER, MACHINE_COUNTER, TV_STAND, BOOKSHELF = range(31, 36)

Edge = tuple[int, str, int]


class Graph(NamedTuple):
    """All that changes in the simulator, hashable: edges, node states, where what is held came from."""

    edges: frozenset[Edge]
    states: frozenset[tuple[int, str]]
    taken: frozenset[Edge]

    def linked(self, source: int, relation: str) -> set[int]:
        """The nodes that `relation` edges lead to from `source`."""
        return {to for origin, kind, to in self.edges if origin == source and kind == relation}


@functools.cache
def _package() -> types.SimpleNamespace:
    """The simulator's modules and our executor.

    The package's own `__init__` files read a fixed entry of `sys.path`, import the Unity client and reseed
    the global random generator, so they are passed over: empty modules stand for them while the three modules
    below are imported.
    """
    try:
        root = Path(str(importlib.metadata.distribution("virtualhome").locate_file("virtualhome")))
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            'backend="virtualhome" needs the package virtualhome, which is not installed. '
            f'Install it with `{INSTALL}` (its own pins do not resolve), or use backend="table".'
        ) from None
    stands_in = {}
    for name in ("virtualhome", "virtualhome.simulation", "virtualhome.simulation.evolving_graph"):
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            stands_in[name] = sys.modules[name] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = {
                name: importlib.import_module(f"virtualhome.simulation.evolving_graph.{name}")
                for name in ("environment", "execution", "scripts")
            }
    finally:
        for name in stands_in:
            del sys.modules[name]
    modules: Any = types.SimpleNamespace(**loaded)
    modules.Executor = _executor(modules.execution, modules.scripts.Action)
    return modules


def _executor(execution: Any, action: Any) -> type:
    class SwitchByHand(execution.SwitchExecutor):
        """A switch that takes a free hand."""

        def check_switchable(self, state, node, info, char_index):
            if execution._find_free_hand(state, char_index) is None:
                info.error("no free hand for {}", node)
                return False
            return super().check_switchable(state, node, info, char_index)

    class Executor(execution.ScriptExecutor):
        """The package's executor, but for the switches."""

        _action_executors = {  # noqa: RUF012 the package's own attribute
            **execution.ScriptExecutor._action_executors,
            action.SWITCHON: SwitchByHand(True),
            action.SWITCHOFF: SwitchByHand(False),
        }

    return Executor


def _nodes(task: ApplianceTask | EntertainmentTask) -> list[dict[str, Any]]:
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
    keys = ("id", "class_name", "category", "properties", "states")
    return [dict(zip(keys, row, strict=True)) for row in table]


def _in_bookshelf(task: ApplianceTask | EntertainmentTask) -> bool:
    return isinstance(task, ApplianceTask) and task.item_room == LIVING_ROOM


def _edges(task: ApplianceTask | EntertainmentTask) -> set[Edge]:
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


def _programs(task: ApplianceTask | EntertainmentTask) -> list[tuple[str, tuple[int, ...]]]:
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


class SimulatorWorld(World):
    """`World` whose states are `Graph`s and whose actions run as one-line programs of the simulator."""

    def __init__(self, task: ApplianceTask | EntertainmentTask, corrected: bool, full: bool):
        super().__init__(task, corrected, full)
        self._simulator = _package()
        self._home = _nodes(task)
        states = frozenset((node["id"], state) for node in self._home for state in node["states"])
        self.start = Graph(frozenset(_edges(task)), states, frozenset())
        names = {node["id"]: node["class_name"] for node in self._home}
        parse = self._simulator.scripts.parse_script_line
        self._programs = []
        for verb, objects in _programs(task):
            line = " ".join([f"[{verb}]", *(f"<{names[thing]}> ({thing})" for thing in objects)])
            script = self._simulator.scripts.Script([parse(line, 1)])
            self._programs.append((script, [thing for thing in objects if thing not in ROOM_IDS]))
        self._load = functools.lru_cache(maxsize=1)(self._build)

    def advance(self, state: Graph, action: int) -> tuple[Graph, bool]:
        """Run an action; refused without running if it names an object out of sight (SPEC.md, VirtualHome 1)."""
        script, objects = self._programs[action]
        if not all(self._sees(state, thing) for thing in objects):
            return state, False
        graph, simulated = self._load(state)
        done, after = self._simulator.Executor(graph, {}, 0).execute_one_step(script, simulated)
        if not done:
            return state, False
        exported = after.to_dict()
        edges = ((e["from_id"], e["relation_type"], e["to_id"]) for e in exported["edges"])
        states = ((node["id"], name) for node in exported["nodes"] for name in node["states"])
        taken = ((thing, kind.name, place.id) for (_, thing), (place, kind) in after.executor_data.items())
        return Graph(frozenset(edges), frozenset(states), frozenset(taken)), True

    def _build(self, state: Graph) -> tuple[Any, Any]:
        environment, action = self._simulator.environment, self._simulator.scripts.Action
        edges = [{"from_id": a, "relation_type": kind, "to_id": b} for a, kind, b in sorted(state.edges)]
        states: dict[int, list[str]] = {}
        for node, name in state.states:
            states.setdefault(node, []).append(name)
        nodes = [{**node, "states": states.get(node["id"], [])} for node in self._home]
        graph = environment.EnvironmentGraph({"nodes": nodes, "edges": edges})
        simulated = environment.EnvironmentState(graph, {}, instance_selection=True)
        for thing, kind, place in state.taken:
            origin = (graph.get_node(place), environment.Relation[kind])
            simulated.executor_data[(action.GRAB, thing)] = origin
        return graph, simulated

    @staticmethod
    def _held(state: Graph) -> set[int]:
        return state.linked(CHARACTER, "HOLDS_RH") | state.linked(CHARACTER, "HOLDS_LH")

    @staticmethod
    def _room(state: Graph, thing: int) -> int:
        (room,) = state.linked(thing, "INSIDE") & set(ROOM_IDS)
        return ROOM_IDS.index(room)

    def _sees(self, state: Graph, thing: int) -> bool:
        """Whether a thing is visible (SPEC.md, VirtualHome 3)."""
        if thing in self._held(state):
            return True
        containers = state.linked(thing, "INSIDE") - set(ROOM_IDS)
        shut = any((container, "OPEN") not in state.states for container in containers)
        return self._room(state, thing) == self._room(state, CHARACTER) and not shut

    def _observe(self, state: Graph) -> tuple[bool, ...]:
        room, near, held = self._room(state, CHARACTER), state.linked(CHARACTER, "CLOSE"), self._held(state)
        rooms = tuple(room == i for i in range(4))

        def piece(thing: int) -> tuple[bool, ...]:
            seen = self._sees(state, thing)
            return seen, seen and thing in near

        def item(thing: int) -> tuple[bool, ...]:
            return *piece(thing), thing in held

        if isinstance(self.task, ApplianceTask):
            sees_both = self._sees(state, ITEM) and self._sees(state, MACHINE)
            is_open = self._sees(state, MACHINE) and (MACHINE, "OPEN") in state.states
            inside = sees_both and (ITEM, "INSIDE", MACHINE) in state.edges
            return (*rooms, *item(ITEM), *piece(MACHINE), is_open, inside)

        def on_table(thing: int) -> bool:
            return (
                self._sees(state, thing) and self._sees(state, TABLE) and (thing, "ON", TABLE) in state.edges
            )

        sees_tv, sees_sofa = self._sees(state, TV), self._sees(state, SOFA)
        tv = (sees_tv and (CHARACTER, "FACING", TV) in state.edges, sees_tv and (TV, "ON") in state.states)
        sofa = sees_sofa and (CHARACTER, "ON", SOFA) in state.edges
        chips, milk = (*item(CHIPS), on_table(CHIPS)), (*item(MILK), on_table(MILK))
        return (*rooms, *chips, *milk, *piece(TV), *tv, *piece(SOFA), sofa, *piece(TABLE))

    def view(self, state: Graph) -> appliance.State | entertainment.State:
        """The same situation as a state of the state machine."""
        room, near, held = self._room(state, CHARACTER), state.linked(CHARACTER, "CLOSE"), self._held(state)
        if isinstance(self.task, ApplianceTask):
            inside, is_open = (ITEM, "INSIDE", MACHINE) in state.edges, (MACHINE, "OPEN") in state.states
            recorded = self._room(state, ITEM)
            return appliance.State(
                room, ITEM in near, MACHINE in near, ITEM in held, recorded, is_open, inside
            )

        def things(present: set[int]) -> int:
            pairs = zip((CHIPS, MILK, TABLE, TV, SOFA), entertainment.THINGS, strict=True)
            return sum(bit for thing, bit in pairs if thing in present)

        return entertainment.State(
            room=room,
            near=things(near),
            held=things(held),
            recorded=(self._room(state, CHIPS), self._room(state, MILK)),
            on_table=things({thing for thing in (CHIPS, MILK) if (thing, "ON", TABLE) in state.edges}),
            tv_on=(TV, "ON") in state.states,
            seated=(CHARACTER, "SITTING") in state.states,
            on_sofa=(CHARACTER, "ON", SOFA) in state.edges,
            facing=(CHARACTER, "FACING", TV) in state.edges,
        )
