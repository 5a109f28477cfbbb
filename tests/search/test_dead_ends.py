"""Laws of dead ends: that the search ends, what is struck and what is not, and what it is good for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.search.trees import (
    BOTH,
    LATER,
    Edge,
    Model,
    algorithms,
    by_phrase,
    chosen,
    find,
    lost,
    random_graph,
    root_of,
    seeds,
    settings,
    won,
)
from twosome.search.mcts import search


@profile(deadline=None, max_examples=150)
@given(seeds, algorithms, st.integers(0, 60), st.booleans(), st.sampled_from([1, 4]))
def test_it_ends_and_never_takes_what_is_struck_unless_all_is(seed, algorithm, simulations, training, batch):
    game = random_graph(seed)
    how = {"algorithm": algorithm, "simulations": simulations, "training": training, "batch": batch}
    result, cost = find(game, **how)
    if result.is_struck.all():
        assert result.target == pytest.approx(np.exp(result.root.log_priors))
    else:
        assert not result.is_struck[result.action]
        assert result.target[result.is_struck].sum() == 0
    assert result.target.sum() == pytest.approx(1)
    most = max(len(menu) for menu in game.values())
    assert cost.steps <= most * (1 + cost.leaves + simulations)  # every step is an edge of a node that was evaluated


HOPELESS = {
    "start": {"a": Edge("hall"), "b": lost()},
    "hall": {"back": Edge("start"), "stay": Edge("hall"), "c": lost()},
}


def test_a_struck_edge_can_settle_what_is_left_at_once():
    """`in` is known when the last other way out of the hall is struck: nobody needs to go and see."""
    game = {"start": {"in": Edge("hall", 0.1)}, "hall": {"a": won(0.5), "b": Edge("cave")}, "cave": {"c": lost()}}
    result, _ = find(game, Model(game, {"cave": 2.0}), c=30.0)
    assert result.root.is_solved
    assert result.value == pytest.approx(0.1 + 0.9 * 0.5)
    assert result.visits.tolist() == [3]  # the hall, `a`, the cave; striking took no visit, and none was needed after


@BOTH
@pytest.mark.parametrize("training", [False, True])
def test_it_ends_where_all_is_a_circle_or_a_failure(algorithm, training):
    result, cost = find(HOPELESS, algorithm=algorithm, training=training)
    assert result.is_struck.all()
    assert result.root.is_solved  # nothing can be earned any more
    assert result.value == 0
    assert (result.struck, cost.steps, cost.leaves) == (5, 5, 1)
    assert result.torn_down == 1
    assert chosen(result) == "a"  # the policy's own, the first phrase of equals
    assert result.target == pytest.approx([0.5, 0.5])


def test_the_loop_of_lats_does_not_end_there():
    game = {"start": {"a": lost(), "b": lost()}}
    assert find(game)[0].is_struck.all()
    node, tries = None, 0
    while (node is None or game["start"][node].end) and tries < 1000:  # the wrong variant: what is terminal stays
        node, tries = max(game["start"], key=lambda phrase: game["start"][phrase].reward), tries + 1
    assert tries == 1000


def test_the_root_can_be_torn_down_in_several_worlds_while_others_go_on():
    model = Model(HOPELESS | LATER | {"begin": LATER["start"]})
    roots = [root_of(HOPELESS, model), root_of(model.game, model, "begin")]
    results, _ = search(roots, model, settings(), np.random.default_rng(0))
    assert results[0].is_struck.all()
    assert chosen(results[1]) == "later"


def circle(reward):
    return {"start": {"in": Edge("hall", reward), "out": won(0.1)}, "hall": {"back": Edge("start"), "off": won(0.2)}}


@BOTH
def test_a_circle_is_struck_unless_it_earns_something(algorithm):
    for reward, expected in ((0.0, True), (-0.5, True), (0.3, False)):
        result, _ = find(circle(reward), algorithm=algorithm, simulations=30)
        hall = result.root.children[0]
        assert hall.is_struck.tolist() == [expected, False], reward
    assert by_phrase(find(circle(0.0), algorithm=algorithm)[0], "q") == pytest.approx({"in": 0.18, "out": 0.1})
    rich = find(circle(0.3), algorithm=algorithm)[0]
    assert chosen(rich) == "in"
    assert rich.root.children[0].children[0].position.key == "start"  # going round pays, and is looked into


def test_a_bonus_for_what_is_new_does_not_keep_a_circle_alive():
    model = Model(circle(0.0))
    roots = [root_of(model.game, model)]
    rng = np.random.default_rng(0)
    (result,), _ = search(roots, model, settings(), rng, bonus=lambda where: 0.05 if where.key == "hall" else 0.0)
    assert result.root.children[0].is_struck.tolist() == [True, False]
    assert by_phrase(result, "q") == pytest.approx({"in": 0.05 + 0.9 * 0.2, "out": 0.1})


@BOTH
def test_a_failure_is_struck_unless_it_earns_something_and_an_end_is_no_circle(algorithm):
    game = {"start": {"a": lost(), "b": lost(0.4), "c": lost(-1.0), "d": won(0.3), "e": Edge("start", 0, 1, "won")}}
    result, _ = find(game, algorithm=algorithm)
    assert by_phrase(result, "is_struck") == {"a": True, "b": False, "c": True, "d": False, "e": False}
    assert chosen(result) == "b"
    assert result.value == 0.4


# Corridors that look better than the way out: `deep` opens on rooms that all lead back or to ruin.
TRAP = {
    "start": {"deep": Edge("cave"), "stairs": Edge("roof")},
    "cave": {"left": Edge("pit"), "right": Edge("well"), "up": Edge("start")},
    "pit": {"dig": lost(), "back": Edge("cave")},
    "well": {"swim": lost(), "back": Edge("cave")},
    "roof": {"jump": Edge("street")},
    "street": {"home": won(0.4)},
}
LURE = {"cave": 0.9, "pit": 0.9, "well": 0.9, "roof": 0.1, "street": 0.1}


@BOTH
def test_a_plan_that_looked_good_is_torn_down_and_counted(algorithm):
    model = Model(TRAP, LURE, {"start": {"deep": 9.0, "stairs": 1.0}})
    result, _ = find(TRAP, model, algorithm=algorithm, simulations=12)
    assert chosen(result) == "stairs"
    assert by_phrase(result, "is_struck") == {"deep": True, "stairs": False}
    assert result.torn_down == 3  # into the cave, the pit and the well
    assert result.struck == 3 + 5
    assert result.value == pytest.approx(0.9**2 * 0.4)  # the lure is in no mean
    stubborn, _ = find(TRAP, model, algorithm=algorithm, simulations=12, prune=False)
    assert chosen(stubborn) == "deep"  # the wrong variant: the lure counts for ever
    assert (stubborn.struck, stubborn.torn_down) == (0, 0)


def test_pruning_finds_ways_out_that_are_not_found_without_it():
    found = []
    for seed in range(150):
        game = random_graph(seed, size=8)
        results = [find(game, simulations=15, prune=prune)[0] for prune in (True, False)]
        found.append([bool(result.q[result.action] > 0) for result in results])
    with_it, without = np.sum(found, axis=0)
    assert all(a or not b for a, b in found)
    assert with_it > 1.2 * without > 30


# What is paid on the way to a dead end is kept ------------------------------------------------------------------------

GOLD = {"start": {"take ten": Edge("cave", 10.0), "go home": won(0.1)}, "cave": {"fall": lost()}}
SHIFT = {"start": {"idle": Edge("night"), "work": Edge("night", 1.0)}, "night": {"fall": lost()}}


@BOTH
@pytest.mark.parametrize("playouts", [0, 1])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("game", "best", "value"), [(GOLD, "take ten", 10.0), (SHIFT, "work", 1.0)])
def test_what_pays_on_the_way_to_a_dead_end_is_not_struck_with_it(game, best, value, batch, playouts, algorithm):
    result, _ = find(game, algorithm=algorithm, batch=batch, playouts=playouts, simulations=16)
    assert chosen(result) == best
    assert result.value == pytest.approx(value)


@BOTH
@pytest.mark.parametrize("prune", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_no_simulation_is_spent_on_what_is_known_while_others_wait(batch, prune, algorithm):
    game = {"start": {"at once": won(0.0), "later": Edge("next")}, "next": {"end": won()}}
    result, _ = find(game, algorithm=algorithm, batch=batch, prune=prune, simulations=32)
    assert chosen(result) == "later"
