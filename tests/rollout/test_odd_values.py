"""What an environment gives may be of classes of its own, which compare as they like: its fault, or plain data."""

import dataclasses
import time
from collections.abc import Hashable
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest

from tests.agents import worlds
from tests.agents.worlds import Backwards, Stub, ask, planner_of, world_of
from tests.rollout.test_third_party_faults import Summed, summed
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout.checked_env import World
from twosome.rollout.evaluate import run_episodes
from twosome.rollout.first_look import first_look
from twosome.rollout.session import Session, make_drawing_env
from twosome.systems.baselines.random import RandomPolicy

# States of snapshots --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Board:
    """A state with an array, as people write it: `==` of two of them is an array, and has no truth."""

    cells: np.ndarray
    name: str = ""

    def __hash__(self):
        return 1


class Loud:
    """A state that cannot be compared."""

    def __init__(self, held):
        self.held = held

    def __hash__(self):
        return 1

    def __eq__(self, other):
        raise KeyError("no comparison")


class Exiting(Loud):
    __hash__ = Loud.__hash__

    def __eq__(self, other):
        raise SystemExit(3)


class Slow(Loud):
    """A state that is compared for ever, or hashed for ever where `held` says so."""

    def __hash__(self):
        while self.held == "hash":
            time.sleep(0.01)
        return 1

    def __eq__(self, other):
        while True:
            time.sleep(0.01)


class Moody(Loud):
    """A state whose hash is another each time, and that equals its like all the same."""

    count = 0

    def __hash__(self):
        Moody.count += 1
        if Moody.count % 3 == 0:
            raise ValueError("no hash today")
        return Moody.count

    def __eq__(self, other):
        return self.held == other.held


class Text(str):
    """A text that raises when it is compared or asked for its words."""

    __slots__ = ()

    def __hash__(self):
        raise OSError("no hash")

    def __eq__(self, other):
        raise OSError("no comparison")

    def split(self, *_):
        raise OSError("no words")

    strip = replace = __str__ = split


class Number(float):
    """A number that raises when it is compared."""

    __slots__ = ()

    def __lt__(self, other):
        raise OSError("no order")

    __gt__ = __le__ = __ge__ = __lt__


class Several(tuple):
    """Phrases that cannot be gone through."""

    __slots__ = ()

    def __iter__(self):
        raise OSError("no iteration")

    def __len__(self):
        raise OSError("no length")


class Of(NamedTuple):
    state: Hashable
    held: tuple


STATES = {
    "board": lambda state: Board(np.array(state)),
    "loud": Loud,
    "exiting": Exiting,
    "moody": Moody,
    "text": Text,
    "tuple of text": lambda state: (Text(state),),
    "slow": Slow,
    "slow hash": lambda state: Slow("hash"),
}


class Stated(Backwards):
    """Its snapshots' states are of the class `kind`."""

    def __init__(self, kind="board", **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def snapshot(self):
        held = super().snapshot()
        return Of(STATES[self.kind](held.state), held)

    def restore(self, snapshot):
        return super().restore(snapshot.held)


gymnasium.register("TwosomeTest/Stated-v0", Stated)


@pytest.mark.parametrize("kind", ["board", "loud", "exiting", "text", "tuple of text", "slow", "slow hash"])
def test_states_that_cannot_be_told_apart_are_the_fault_of_their_world(kind):
    """Wherever they are compared: when a search looks whether a world repeats itself, or within the tree."""
    where = dataclasses.replace(worlds.env("Stated", kind=kind), step_timeout=0.2 if "slow" in kind else None)
    good, bad = world_of(worlds.env(), Stub()), world_of(where, Stub())
    planner = planner_of(Stub(), simulations=40)
    decisions = [good.decision, bad.decision]
    for _ in range(2):
        result, fault = planner.search([good, bad], decisions, Stub().log_probs(decisions))
        assert result.simulations > 0, "the other world has its result all the same"
        assert isinstance(fault, EnvironmentFault)
        assert "Stated-v0" in str(fault)
        assert "snapshot" in str(fault)
    assert bad.decision == decisions[1], "it is where it was"


def test_a_hash_that_changes_costs_a_world_its_search_and_nothing_else():
    world = world_of(worlds.env("Stated", kind="moody"), Stub())
    with pytest.raises((EnvironmentFault, ConfigError)) as caught:
        ask(planner_of(Stub(), simulations=40), world)
    assert "Stated-v0" in str(caught.value)


# Texts, numbers and menus ---------------------------------------------------------------------------------------------


class Odd(Summed):
    """What it gives is of odd classes: `what` of it."""

    def __init__(self, what="", **kwargs):
        super().__init__(**kwargs)
        self.what = what

    def changed(self, observation, info):
        if self.what in ("scene", "goal"):
            observation = observation | {self.what: Text(observation[self.what])}
        if self.what == "phrases":
            info = info | {"actions": tuple(map(Text, info["actions"]))}
        if self.what == "menu":
            info = info | {"actions": Several(info["actions"])}
        if self.what == "duration":
            info = info | {"duration": type("Odd", (int,), {"__le__": Number.__lt__, "__ge__": Number.__lt__})(1)}
        return observation, info

    def reset(self, **kwargs):
        return self.changed(*super().reset(**kwargs))

    def step(self, action):
        observation, reward, *ends, info = super().step(action)
        observation, info = self.changed(observation, info)
        return observation, Number(reward) if self.what == "reward" else reward, *ends, info


gymnasium.register("Odd-v0", Odd)


def odd(what):
    return dataclasses.replace(summed(what=what), id="Odd-v0")


@pytest.mark.parametrize("what", ["scene", "goal", "phrases"])
def test_texts_of_odd_classes_are_taken_as_the_texts_that_they_are(what):
    [episode] = run_episodes(RandomPolicy(), odd(what), 1, greedy=True, seed=0)
    assert episode.discounted_return == 1.75
    world = World(odd(what), RandomPolicy(), 0, 0)
    world.reset()
    kinds = {type(world.observation["scene"]), type(world.observation["goal"]), *map(type, world.menu.phrases)}
    assert kinds == {str}


@pytest.mark.parametrize("what", ["menu", "reward", "duration"])
def test_what_cannot_be_read_is_the_fault_of_its_world(what):
    said = "Odd-v0 raised OSError when what it gave was read: no "
    with pytest.raises(EnvironmentFault, match=said):
        run_episodes(RandomPolicy(), odd(what), 1, greedy=True, seed=0)
    with pytest.raises(EnvironmentFault, match=said):
        first_look(odd(what), 0)
    with pytest.raises((EnvironmentFault, ConfigError), match=r"Odd-v0 raised OSError"):
        Session(make_drawing_env(odd(what)), odd(what), 0).take(0)
