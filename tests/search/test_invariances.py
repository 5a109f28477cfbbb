"""What changes nothing in a search: the order of the menus, batches, repeated states, other worlds beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.search import trees
from tests.search.trees import (
    BOTH,
    Edge,
    Model,
    Simulate,
    algorithms,
    alike,
    best_value,
    chosen,
    find,
    full_tree,
    random_graph,
    random_tree,
    root_of,
    seeds,
    settings,
    shuffled,
    won,
    worth,
)
from twosome.search.mcts import search


@profile(deadline=None, max_examples=80)
@given(seeds, algorithms, st.booleans(), st.booleans(), st.sampled_from([1, 4]))
def test_the_order_of_the_menus(seed, algorithm, training, is_tree, batch):
    game = random_tree(seed, width=4) if is_tree else random_graph(seed)
    other = shuffled(game, seed + 1)
    how = {"seed": seed, "training": training, "algorithm": algorithm, "batch": batch, "simulations": 30}
    assert alike(find(game, **how)[0], find(other, **how)[0])  # even priors and values: all is decided by ties


def test_ties_by_place_would_depend_on_the_order_of_the_menu():
    game = {"start": {"b": won(), "a": won()}}
    other = {"start": dict(reversed(game["start"].items()))}
    assert chosen(find(game)[0]) == chosen(find(other)[0]) == "a"
    first = [next(iter(menu)) for menu in (game["start"], other["start"])]  # the wrong variant
    assert first == ["b", "a"]


@profile(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 8))
def test_the_batch_where_no_descents_collide(seed, batch):
    """Gumbel looks once at every action whatever comes back; PUCT goes to the next while values are all alike."""
    rng = np.random.default_rng(seed)
    game = {"start": {f"do {k}": Edge(f"s{k}", float(rng.normal())) for k in range(8)}}
    game |= {f"s{k}": {"end": won(float(rng.normal()))} for k in range(8)}
    how = {"simulations": 8, "considered": 8}
    alone, cost = find(game, algorithm="gumbel", **how)
    together, fewer = find(game, algorithm="gumbel", batch=batch, **how)
    assert alike(alone, together)
    assert (cost.passes, fewer.passes) == (8, -(-8 // batch))
    even = {name: {phrase: edge._replace(reward=0.0) for phrase, edge in menu.items()} for name, menu in game.items()}
    assert alike(find(even, simulations=8)[0], find(even, simulations=8, batch=batch)[0])


def test_descents_that_collide_wait_and_are_counted_once():
    game = {
        "start": {"on": Edge("a")},
        "a": {"on": Edge("b"), "off": Edge("c")},
        "b": {"end": won()},
        "c": {"end": won()},
    }
    model = Model(game)
    result, cost = find(game, model, batch=8, prune=False, simulations=6)
    assert model.asked[:2] == [["a"], ["c", "b"]] or model.asked[:2] == [["a"], ["b", "c"]]
    assert result.visits.tolist() == [6]
    assert cost.leaves == 3


@BOTH
def test_a_batch_of_8_needs_at_most_a_third_of_the_passes(algorithm):
    lost_by_it = []
    for seed in range(40):
        game = full_tree(seed, 3, 6)
        (alone, one), (together, eight) = (
            find(game, algorithm=algorithm, simulations=64, batch=batch) for batch in (1, 8)
        )
        assert eight.passes <= one.passes / 3
        returns = [worth(game, game["start"][chosen(result)]) for result in (alone, together)]
        lost_by_it.append((returns[0] - returns[1]) / best_value(game, "start"))
    assert np.mean(lost_by_it) < 0.01


@BOTH
def test_a_repeated_state(algorithm):
    game = random_tree(5)
    model = Model(game)
    simulate = Simulate(game)
    roots = [root_of(game, model, simulate=simulate) for _ in range(3)]
    results, _ = search(roots, model, settings(algorithm=algorithm), np.random.default_rng(0))
    assert all(alike(result, find(game, algorithm=algorithm)[0]) for result in results)


DIAMOND = {
    "start": {"left": Edge("l"), "right": Edge("r")},
    "l": {"on": Edge("meet"), "out": won(0.1)},
    "r": {"on": Edge("meet"), "out": won(0.2)},
    "meet": {"up": Edge("attic"), "down": Edge("cellar")},
    "attic": {"end": won(0.7)},
    "cellar": {"end": won(0.3)},
}


@BOTH
@pytest.mark.parametrize("simulations", [4, 8, 16, 64])
def test_a_state_met_again_on_another_way_is_not_asked_about_again_and_nothing_else_changes(algorithm, simulations):
    model = Model(DIAMOND, {"meet": 0.4, "attic": 0.6})
    tree, origin = trees.renamed(DIAMOND)
    apart = Model(tree, {state: model.values.get(origin[state], 0.0) for state in tree})
    how = {"algorithm": algorithm, "simulations": simulations}
    assert alike(find(DIAMOND, model, **how)[0], find(tree, apart, **how)[0])
    assert len(model.leaves) == len(set(model.leaves)) <= 5
    assert {origin[state] for state in apart.leaves} == set(model.leaves)
    if simulations == 64:
        assert len(apart.leaves) == 8  # the wrong variant: by the ways and not by the states


def test_several_worlds_at_once():
    games = [random_tree(seed, depth=4) for seed in range(4)]
    prefixed = [
        {f"{k}{s}": {p: e._replace(to=f"{k}{e.to}") for p, e in menu.items()} for s, menu in game.items()}
        for k, game in enumerate(games)
    ]
    model = Model({state: menu for game in prefixed for state, menu in game.items()})
    roots = [root_of(game, model, f"{k}start") for k, game in enumerate(prefixed)]
    results, cost = search(roots, model, settings(), np.random.default_rng(0))
    alone = [find(game, Model(game), state=f"{k}start") for k, game in enumerate(prefixed)]
    assert all(alike(one, other) for one, (other, _) in zip(results, alone, strict=True))
    assert cost.leaves == sum(c.leaves for _, c in alone)
    assert cost.steps == sum(c.steps for _, c in alone)
    assert cost.passes == max(c.passes for _, c in alone)
