"""Laws of playouts: what is known is what can be earned, the best of it is found, and nothing is made worse by it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.search.trees import (
    BOTH,
    GAMMA,
    Edge,
    Model,
    Simulate,
    algorithms,
    chosen,
    find,
    lost,
    position,
    random_graph,
    random_tree,
    root_of,
    seeds,
    settings,
    won,
)
from twosome.search import mcts, playouts
from twosome.search.descents import Root
from twosome.search.mcts import search
from twosome.search.playouts import Playout, Transitions
from twosome.search.tree import Outcome, Position


def edges_of(game):
    return [(state, phrase) for state, menu in game.items() for phrase in menu]


def known_of(game, edges):
    """What is known of a game when these transitions have been met, in this order."""
    known, simulate = Transitions(), Simulate(game)
    for state, phrase in edges:
        where = position(game, state)
        action = where.phrases.index(phrase)
        known.add(where, action, simulate(where, action))
    return known


def best_within(game, edges, steps=60):
    """The slow obvious answer: the best return from every state through these transitions to an end."""
    best = dict.fromkeys(game, -np.inf)
    for _ in range(steps):
        now = dict.fromkeys(game, -np.inf)
        for state, phrase in edges:
            edge = game[state][phrase]
            after = 0.0 if edge.end else best[edge.to]
            discount = 0.0 if edge.end in ("won", "lost") else GAMMA**edge.duration
            worth = edge.reward + discount * after if after > -np.inf else -np.inf
            now[state] = max(now[state], worth)
        best = now
    return best


def played(game, model, state="start", **changes):
    """The return of an episode whose every action is searched for, and the same of the model's priors alone."""
    known, rng, returned, weight = Transitions(), np.random.default_rng(0), 0.0, 1.0
    for _ in range(30):
        root = root_of(game, model, state)
        root = Root(root.position, root.evaluation, Simulate(game), None, known)
        (result,), _ = search([root], model, settings(**changes), rng)
        edge = game[state][chosen(result)]
        returned, weight = returned + weight * edge.reward, weight * GAMMA**edge.duration
        if edge.end:
            return returned
        state = edge.to
    return returned


# What is known --------------------------------------------------------------------------------------------------------


@profile(deadline=None, max_examples=150)
@given(seeds, st.randoms(use_true_random=False), st.booleans(), st.integers(1, 40))
def test_the_best_known_return_is_that_of_trying_everything_known_in_whatever_order_it_was_met(seed, order, is_tree, n):
    game = random_tree(seed) if is_tree else random_graph(seed)
    edges = edges_of(game)
    order.shuffle(edges)
    edges = edges[:n]
    known, expected = known_of(game, edges), best_within(game, edges)
    for state in game:
        found = known.best(position(game, state))
        assert (found is None) == (expected[state] == -np.inf)
        if found is not None:
            assert found == pytest.approx(expected[state], abs=1e-3)  # of .9^60 at most


@profile(deadline=None, max_examples=60)
@given(seeds)
def test_a_plan_earns_what_it_promises(seed):
    game = random_tree(seed)
    known = known_of(game, edges_of(game))
    where = position(game, "start")
    action, returned = known.plan(where, Simulate(game))
    assert returned == pytest.approx(best_within(game, edges_of(game))["start"])
    assert known.known(where, action) == pytest.approx(returned)
    assert all((known.known(where, a) or -np.inf) <= returned + 1e-9 for a in range(len(where.phrases)))


def test_a_plan_that_time_does_not_allow_is_not_believed():
    class Clocked(Simulate):
        """A corridor of three steps in which time runs out after `limit` steps, though positions do not show it."""

        def __init__(self, limit):
            super().__init__({"a": {"on": Edge("b")}, "b": {"on": Edge("c")}, "c": {"on": won()}})
            self.limit = limit

        def __call__(self, where, action):
            state, time = where.payload
            edge = self.game[state]["on"]
            is_over = bool(edge.end) or time + 1 >= self.limit
            after = Position(edge.to, () if is_over else ("on",), is_over, False, (edge.to, time + 1), edge.to)
            return Outcome(after, edge.reward, 0.0 if edge.end else GAMMA)

    start = Position("a", ("on",), False, False, ("a", 0), "a")
    known, where, simulate = Transitions(), start, Clocked(3)
    while not where.is_final:
        outcome = simulate(where, 0)
        known.add(where, 0, outcome)
        where = outcome.position
    assert known.best(start) == pytest.approx(GAMMA**2)
    assert known.plan(start, Clocked(3)) == (0, pytest.approx(GAMMA**2))
    assert known.plan(start, Clocked(2)) is None


def test_a_plan_through_positions_that_only_look_equal_is_not_believed():
    known = known_of({"start": {"go": Edge("hall")}, "hall": {"left": won(), "right": lost()}}, [("start", "go")])
    twin = {"start": {"go": Edge("hall")}, "hall": {"left": lost(), "right": won()}}
    where = position(twin, "hall")
    known.add(where, 0, Outcome(position(twin, "goal", "won"), 1.0, 0.0))  # met on another way
    assert known.best(position(twin, "start")) == pytest.approx(GAMMA)
    assert known.plan(position(twin, "start"), Simulate(twin)) is None


def test_a_circle_that_pays_for_ever_comes_to_an_end(monkeypatch):
    monkeypatch.setattr(playouts, "MOST_SWEEPS", 50)
    known = Transitions()
    here, there = (Position(name, ("on", "out"), False, False, None, name) for name in ("here", "there"))
    known.add(here, 0, Outcome(there, 1.0, 1.0))
    known.add(there, 0, Outcome(here, 1.0, 1.0))
    known.add(there, 1, Outcome(Position("out", (), True, False, None, "out"), 0.0, 0.0))
    assert 1.0 <= known.best(here) <= 60


# Playouts -------------------------------------------------------------------------------------------------------------


def test_a_playout_draws_by_the_priors_and_shuns_what_it_has_drawn():
    game = {"start": {"often": Edge("start"), "seldom": Edge("start"), "out": won()}}
    model = Model(game, priors={"start": {"often": 0.6, "seldom": 0.4, "out": 1e-12}})
    where, rng = position(game, "start"), np.random.default_rng(0)
    first = []
    for _ in range(400):
        known = Transitions()
        Playout(where, Simulate(game), known, rng).advance(where, model.of(where))
        first.append(int(known.draws(where).argmax()))
    assert np.mean(first) == pytest.approx(0.4, abs=0.08)
    known = Transitions()
    playout = Playout(where, Simulate(game), known, rng)
    for _ in range(1000):
        playout.advance(where, model.of(where))
    often, _, out = known.draws(where)
    assert out == 0
    assert abs(often - 0.55 * 1000) < 25  # sqrt(.6 / .4) to 1; by the priors alone it were 600
    assert playout.waits_for is None  # after so many steps


def test_the_most_probable_playout_ends_where_it_comes_back():
    game = {"start": {"on": Edge("next")}, "next": {"back": Edge("start"), "out": won()}}
    model = Model(game, priors={"next": {"back": 0.9, "out": 0.1}})
    playout = Playout(position(game, "start"), Simulate(game), Transitions(), None)
    while playout.waits_for is not None:
        where = playout.waits_for
        playout.advance(where, model.of(where))
    assert playout.steps == 2


# The search with them -------------------------------------------------------------------------------------------------


CHAIN = {f"s{k}": {"on": Edge(f"s{k + 1}"), "back": Edge("s0")} for k in range(8)} | {"s8": {"end": won()}}


def hidden_goal(depth: int):
    """Two doors at every step; behind the less probable ones alone lies a reward."""
    game = {}
    for k in range(2**depth):
        name = f"{k:0{depth}b}"
        for length in range(depth):
            doors = {}
            for way, phrase in (("0", "enter the wide door"), ("1", "enter the narrow door")):
                after = name[:length] + way
                is_last = length == depth - 1
                doors[phrase] = won(float("0" not in after)) if is_last else Edge(f"at {after}")
            game[f"at {name[:length]}"] = doors
    return game, {state: {"enter the wide door": 0.6, "enter the narrow door": 0.4} for state in game}


@BOTH
def test_a_policy_that_sometimes_comes_to_the_end_needs_no_critic(algorithm):
    game, priors = hidden_goal(5)
    how = {"algorithm": algorithm, "simulations": 8}
    assert played(game, Model(game, priors=priors), "at ", playouts=8, **how) == pytest.approx(GAMMA**4)
    assert played(game, Model(game, priors=priors), "at ", playouts=0, **how) == 0


@profile(deadline=None, max_examples=60)
@given(seeds, algorithms, st.sampled_from([1, 4]), st.sampled_from([1, 5, 20]))
def test_it_is_never_worse_than_the_policy_alone_whatever_the_critic_says(seed, algorithm, batch, simulations):
    game = random_tree(seed)
    rng = np.random.default_rng(seed)
    values = {state: float(rng.normal() * 10) for state in sorted(game)}  # nonsense, and loud
    priors = {state: {phrase: float(rng.random()) + 0.01 for phrase in menu} for state, menu in game.items()}
    model = Model(game, values, priors)
    alone = played(game, model, simulations=0)
    assert played(game, model, playouts=1, algorithm=algorithm, batch=batch, simulations=simulations) >= alone - 1e-9


@BOTH
def test_nor_where_all_is_known_but_what_the_critic_says_of_a_cut_or_a_failure_is_cheapest(algorithm):
    cut = {"start": {"win": won(0.5), "dawdle": Edge("late", 0.0, 1, "cut")}}
    model = Model(cut, {"late": 5.0}, {"start": {"win": 0.6, "dawdle": 0.4}})
    assert chosen(find(cut, model, algorithm=algorithm)[0]) == "dawdle"  # an end by time goes on in its value
    assert chosen(find(cut, model, playouts=1, algorithm=algorithm)[0]) == "win"
    dear = {"start": {"stop": lost(-0.1), "go": won(-10.0)}}
    assert chosen(find(dear, algorithm=algorithm)[0]) == "go"  # failures are dead ends
    assert chosen(find(dear, playouts=1, algorithm=algorithm, simulations=8)[0]) == "stop"


@pytest.mark.parametrize("algorithm", ["puct", "gumbel"])
def test_without_them_a_wrong_critic_does_make_it_worse(algorithm):
    """The wrong variant of the law above."""
    game = {
        "start": {"good": Edge("a"), "bad": Edge("b")},
        "a": {"end": won()},
        "b": {"end": Edge("c")},
        "c": {"x": lost()},
    }
    model = Model(game, {"b": 5.0, "c": 5.0}, {"start": {"good": 0.6, "bad": 0.4}})
    how = {"simulations": 2, "algorithm": algorithm}
    assert chosen(find(game, model, **how)[0]) == "bad"
    assert chosen(find(game, model, playouts=1, **how)[0]) == "good"


@profile(deadline=None, max_examples=30)
@given(seeds, algorithms)
def test_the_order_of_the_menus_changes_nothing(seed, algorithm):
    game = random_graph(seed)
    turned = {state: dict(reversed(menu.items())) for state, menu in game.items()}
    one, other = (find(g, playouts=2, algorithm=algorithm, simulations=12, seed=seed)[0] for g in (game, turned))
    assert chosen(one) == chosen(other)
    assert one.value == pytest.approx(other.value)


def test_they_keep_within_passes_and_seconds(monkeypatch):
    for most in (1, 2, 5):
        _, cost = find(CHAIN, state="s0", playouts=3, max_passes=most)
        assert cost.passes == most
    monkeypatch.setattr(mcts.time, "perf_counter", iter(map(float, range(10**6))).__next__)
    _, cost = find(CHAIN, state="s0", playouts=3, max_seconds=20.0)
    assert 0 < cost.steps < 60
    _, cost = find(CHAIN, state="s0", playouts=3, max_seconds=0.5)
    assert cost.steps == 0


def test_no_simulations_are_the_policy_alone():
    result, cost = find(CHAIN, state="s0", playouts=3, simulations=0)
    assert (cost.steps, cost.passes) == (0, 0)
    assert result.target == pytest.approx([0.5, 0.5])


def test_a_world_without_an_end_ends_a_playout(monkeypatch):
    monkeypatch.setattr(playouts, "MOST_STEPS", 30)
    game = {"start": {"a": Edge("other"), "b": Edge("start", 0.1)}, "other": {"c": Edge("start")}}
    result, cost = find(game, playouts=1, simulations=5)
    assert cost.steps < 5 * 30 + 40
    assert np.isfinite(result.value)


def test_playouts_side_by_side_share_their_passes():
    games = [CHAIN, CHAIN]
    model = Model(CHAIN)
    roots = [root_of(game, model, "s0") for game in games]
    _, alone = search(roots[:1], model, settings(playouts=2, simulations=8), np.random.default_rng(0))
    shared = {}
    roots = [Root(r.position, r.evaluation, Simulate(CHAIN), shared) for r in roots]
    _, both = search(roots, model, settings(playouts=2, simulations=8), np.random.default_rng(0))
    assert both.leaves <= len(CHAIN)
    assert both.passes <= alone.passes + 2


def test_a_plan_without_end_keeps_within_the_seconds(monkeypatch):
    game = {
        "start": {"pay": Edge("next", 1.0), "end": won(0.5)},
        "next": {"back": Edge("start"), "quit": lost()},
    }
    monkeypatch.setattr(mcts.time, "perf_counter", iter(map(float, range(10**6))).__next__)
    _, cost = find(game, playouts=1, max_seconds=60.0)
    assert 0 < cost.steps < 130
