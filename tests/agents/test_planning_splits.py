"""A search over splits, exhaustively compared: whatever the parts, what may fail and what thinking costs."""

import itertools

import gymnasium
import pytest

from tests.agents.worlds import Stub, planner_of, play, world_of
from tests.envs.yard import exact
from tests.search.trees import BOTH
from twosome.config.schema import EnvSettings


def split_yard(is_bad, price, depth, cost):
    world = {"id": "TwosomeTest/Yard-v0", "kwargs": {"is_bad": is_bad, "price": price}}
    kwargs = {"world": world, "slots": 2, "depth": depth, "cost": cost}
    return EnvSettings(id="twosome_envs:twosome/Split-v0", kwargs=kwargs, gamma=0.9, optimum=None)


SMALL = list(itertools.product((False, True), (0.1, 0.9), (1, 2), (0.0, 0.05)))


def played(where, values, **search):
    """Whether the planner's play is worth the exact optimum, and what it did."""
    policy = Stub(values)
    world = world_of(where, policy)
    phrases = play(planner_of(policy, **search), world)
    assert world.is_over
    assert phrases[0].startswith("work on: ")
    best = best_of(where).value
    assert world.discounted_return <= best + 1e-9
    return world.discounted_return == pytest.approx(best, rel=0, abs=1e-9), phrases


def best_of(where):
    return exact(gymnasium.make(where.id, **where.kwargs).unwrapped)


@pytest.mark.parametrize(("is_bad", "price", "depth", "cost"), SMALL)
def test_search_finds_the_exact_optimum(is_bad, price, depth, cost):
    """With even priors and no values, so with nothing but the world; `c` is large, so that all of it is searched."""
    is_best, phrases = played(split_yard(is_bad, price, depth, cost), {}, simulations=300, c=100.0)
    assert is_best, phrases


@BOTH
def test_right_values_spare_the_search(algorithm):
    """Few simulations are enough where the value head knows what is hopeless; without values they are not."""
    known, blind = [], []
    for small in SMALL[::2]:
        where = split_yard(*small)
        for found, values in ((known, best_of(where).values), (blind, {})):
            found.append(played(where, values, simulations=32, algorithm=algorithm)[0])
    assert all(known)
    assert not all(blind)
