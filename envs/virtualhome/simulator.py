"""The tasks on the simulator of the PyPI package `virtualhome`, as the optional `backend="virtualhome"`.

Source: SPEC.md, VirtualHome 2, 3 and 10. What the published tasks need differently is done here: a scene without the
pillows that occupy the sofa, a simulator rebuilt before every action (otherwise it misses that the agent is seated),
and switches that need a free hand.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
import types
import warnings
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from . import appliance, entertainment
from .home_graph import (
    CHARACTER,
    CHIPS,
    ITEM,
    MACHINE,
    MILK,
    ROOM_IDS,
    SOFA,
    TABLE,
    TV,
    Graph,
    edges_of,
    nodes_of,
    programs_of,
)
from .tasks import ApplianceTask, EntertainmentTask
from .world import State, World

INSTALL = "pip install --no-deps virtualhome==2.3.0"


@functools.cache
def _package() -> Any:
    """The simulator's modules and an executor with the published switches. Raises ImportError with the remedy.

    The package's own `__init__` files read a fixed entry of `sys.path`, import the Unity client and reseed the global
    random generator, so they are bypassed: empty placeholder modules replace them while the three modules below are
    imported.
    """
    try:
        root = Path(str(importlib.metadata.distribution("virtualhome").locate_file("virtualhome")))
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            'backend="virtualhome" needs the package virtualhome, which is not installed. '
            f'Install it with `{INSTALL}` (its own pins do not resolve), or use backend="table".'
        ) from None
    placeholders = []
    for name in ("virtualhome", "virtualhome.simulation", "virtualhome.simulation.evolving_graph"):
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = module
            placeholders.append(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = {
                name: importlib.import_module(f"virtualhome.simulation.evolving_graph.{name}")
                for name in ("environment", "execution", "scripts")
            }
    finally:
        for name in placeholders:
            del sys.modules[name]
    modules = types.SimpleNamespace(**loaded)
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


class SimulatorWorld(World):
    """`World` whose states are `Graph`s and whose actions run as one-line programs of the simulator.

    Raises:
        ImportError: the package is not installed.
    """

    def __init__(self, task: ApplianceTask | EntertainmentTask, corrected: bool, full: bool):
        super().__init__(task, corrected, full)
        self._simulator = _package()
        self._home = nodes_of(task)
        states = frozenset((node["id"], state) for node in self._home for state in node["states"])
        self.start = Graph(frozenset(edges_of(task)), states, frozenset())
        names = {node["id"]: node["class_name"] for node in self._home}
        parse = self._simulator.scripts.parse_script_line
        self._programs = []
        for verb, objects in programs_of(task):
            line = " ".join([f"[{verb}]", *(f"<{names[thing]}> ({thing})" for thing in objects)])
            script = self._simulator.scripts.Script([parse(line, 1)])
            self._programs.append((script, [thing for thing in objects if thing not in ROOM_IDS]))
        self._load = functools.lru_cache(maxsize=1)(self._build)

    def clear_cache(self) -> None:
        """Drop every cached transition and observation, and the loaded simulator."""
        super().clear_cache()
        self._load.cache_clear()

    def advance(self, state: Hashable, action: int) -> tuple[Graph, bool]:
        """Run an action; rejected without running if it names an object out of sight (SPEC.md, VirtualHome 1)."""
        before = _graph(state)
        script, objects = self._programs[action]
        if not all(self._sees(before, thing) for thing in objects):
            return before, False
        graph, simulated = self._load(before)
        done, after = self._simulator.Executor(graph, {}, 0).execute_one_step(script, simulated)
        if not done:
            return before, False
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

    def _observe(self, state: Hashable) -> tuple[bool, ...]:
        state = _graph(state)
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
            return self._sees(state, thing) and self._sees(state, TABLE) and (thing, "ON", TABLE) in state.edges

        sees_tv, sees_sofa = self._sees(state, TV), self._sees(state, SOFA)
        tv = (sees_tv and (CHARACTER, "FACING", TV) in state.edges, sees_tv and (TV, "ON") in state.states)
        sofa = sees_sofa and (CHARACTER, "ON", SOFA) in state.edges
        chips, milk = (*item(CHIPS), on_table(CHIPS)), (*item(MILK), on_table(MILK))
        return (*rooms, *chips, *milk, *piece(TV), *tv, *piece(SOFA), sofa, *piece(TABLE))

    def view(self, state: Hashable) -> State:
        """The same situation as a state of the state machine. Raises TypeError for a state of another backend."""
        state = _graph(state)
        room, near, held = self._room(state, CHARACTER), state.linked(CHARACTER, "CLOSE"), self._held(state)
        if isinstance(self.task, ApplianceTask):
            inside, is_open = (ITEM, "INSIDE", MACHINE) in state.edges, (MACHINE, "OPEN") in state.states
            recorded = self._room(state, ITEM)
            return appliance.State(room, ITEM in near, MACHINE in near, ITEM in held, recorded, is_open, inside)

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


def _graph(state: Hashable) -> Graph:
    if not isinstance(state, Graph):
        raise TypeError(f"Expected a state of the simulator, got {type(state).__name__}.")
    return state
