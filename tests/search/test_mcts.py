"""Laws of the search: what it finds, what it leaves out, that it ends, and what it costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.search.trees import (
    BOTH,
    GAMMA,
    LATER,
    Edge,
    Model,
    Simulate,
    algorithms,
    alike,
    best_value,
    by_phrase,
    chosen,
    find,
    full_tree,
    lost,
    nodes,
    random_graph,
    random_tree,
    root_of,
    seeds,
    settings,
    won,
    worth,
)
from twosome.search import mcts
from twosome.search.mcts import search
from twosome.search.tree import Evaluation

ENOUGH = {"simulations": 3000, "c": 30.0}  # for a tree of 3 levels; a large c looks everywhere


def values_of(game):
    """A value for every state, those where an episode is cut off included, so that a wrong use of one shows."""
    rng = np.random.default_rng(7)
    states = sorted({*game, *(edge.to for menu in game.values() for edge in menu.values())})
    return {state: float(rng.normal()) for state in states}


# What it finds --------------------------------------------------------------------------------------------------------


@profile(deadline=None, max_examples=60)
@given(seeds, st.sampled_from([1, 4]))
def test_enough_simulations_find_the_optimum_of_trying_everything(seed, batch):
    game = random_tree(seed)
    values = values_of(game)
    result, _ = find(game, Model(game, values), batch=batch, **ENOUGH)
    assert result.root.is_solved
    assert result.value == pytest.approx(best_value(game, "start", values))
    assert worth(game, game["start"][chosen(result)], values) == pytest.approx(result.value)
    assert by_phrase(result, "q") == pytest.approx({p: worth(game, e, values) for p, e in game["start"].items()})


@profile(deadline=None, max_examples=40)
@given(seeds)
def test_a_solved_tree_is_not_searched_twice(seed):
    game = random_tree(seed)
    simulate, model = Simulate(game), Model(game, values_of(game))
    search([root_of(game, model, simulate=simulate)], model, settings(**ENOUGH), np.random.default_rng(0))
    assert len(simulate.steps) == len(set(simulate.steps)) == sum(len(menu) for menu in game.values())
    assert len(model.leaves) == len(set(model.leaves))


@profile(deadline=None, max_examples=60)
@given(seeds)
def test_gumbel_with_exact_values_is_right_after_one_look_at_every_action(seed):
    game = random_tree(seed)
    cut = values_of(game)
    exact = cut | {state: best_value(game, state, cut) for state in game}
    n = len(game["start"])
    result, _ = find(game, Model(game, exact), algorithm="gumbel", simulations=n, floor=1e-9)
    assert worth(game, game["start"][chosen(result)], cut) == pytest.approx(best_value(game, "start", cut))
    assert by_phrase(result, "q") == pytest.approx({p: worth(game, e, cut) for p, e in game["start"].items()})


@BOTH
def test_what_comes_later_counts_and_not_the_next_reward_alone(algorithm):
    result, _ = find(LATER, algorithm=algorithm)
    assert chosen(result) == "later"
    assert max(LATER["start"], key=lambda phrase: LATER["start"][phrase].reward) == "at once"  # the wrong variant
    assert by_phrase(result, "q") == pytest.approx({"at once": 0.5, "later": 0.9})


@BOTH
def test_a_long_way_is_shorter_in_worth_and_a_cut_keeps_what_was_to_come(algorithm):
    game = {"start": {"fast": Edge("a", 0, 1), "slow": Edge("b", 0, 3)}, "a": {"end": won(0.8)}, "b": {"end": won(0.9)}}
    result, _ = find(game, algorithm=algorithm)
    assert by_phrase(result, "q") == pytest.approx({"fast": 0.9 * 0.8, "slow": 0.9**3 * 0.9})
    game = {"start": {"end": won(0.5), "wait": Edge("late", 0, 2, "cut")}}
    result, _ = find(game, Model(game, {"late": 0.7, "goal": 50.0}), algorithm=algorithm)
    assert by_phrase(result, "q") == pytest.approx({"end": 0.5, "wait": GAMMA**2 * 0.7})
    assert chosen(result) == "wait"
    assert chosen(find(game, Model(game), algorithm=algorithm)[0]) == "end"  # the wrong variant: a cut ends all


def test_a_chain_is_followed_as_deep_as_there_are_simulations():
    game = {f"s{k}": {"on": Edge(f"s{k + 1}")} for k in range(40)} | {"s40": {"end": won()}}
    result, cost = find(game, state="s0", simulations=30)
    assert len(nodes(result.root)) == 31
    assert cost.steps == cost.leaves == 30


# Nothing to spend, and what is spent ----------------------------------------------------------------------------------


@profile(deadline=None)
@given(seeds, algorithms)
def test_no_simulations_leave_the_policy(seed, algorithm):
    game = random_tree(seed)
    rng = np.random.default_rng(seed)
    model = Model(game, priors={"start": {phrase: float(rng.random()) + 0.01 for phrase in game["start"]}})
    result, cost = find(game, model, algorithm=algorithm, simulations=0)
    priors = np.exp(model.of(result.root.position).log_priors)
    assert result.target == pytest.approx(priors)
    assert priors[result.action] == priors.max()
    assert (cost.steps, cost.leaves, cost.passes, model.asked) == (0, 0, 0, [])


@profile(deadline=None, max_examples=60)
@given(seeds, algorithms, st.sampled_from([1, 3, 8]), st.integers(1, 50))
def test_without_pruning_the_visits_add_up_to_the_simulations(seed, algorithm, batch, simulations):
    game = random_graph(seed)
    result, _ = find(game, prune=False, algorithm=algorithm, batch=batch, simulations=simulations)
    assert result.visits.sum() == simulations == result.root.n
    assert not any(node.is_struck.any() for node in nodes(result.root))


@profile(deadline=None, max_examples=80)
@given(seeds, algorithms, st.sampled_from([1, 3, 8]), st.booleans(), st.booleans())
def test_the_books_balance(seed, algorithm, batch, prune, is_tree):
    game = random_tree(seed) if is_tree else random_graph(seed)
    result, _ = find(game, algorithm=algorithm, batch=batch, prune=prune, simulations=40)
    for node in nodes(result.root):
        assert node.visits.tolist() == node.done  # none is under way any more
        assert node.n == node.visits.sum()
        assert node.n_alive == (~node.is_struck).sum()
        assert node.n_open == sum(not e and not s for e, s in zip(node.is_exact, node.is_struck, strict=True))
        assert not node.is_waiting
        for k, child in enumerate(node.children):
            if child is not None and not child.position.is_final and not node.is_struck[k] and not child.is_solved:
                assert node.visits[k] == 1 + child.n  # once for itself, and every descent that went on


def test_passes_and_seconds_are_bounds(monkeypatch):
    game = full_tree(0, 4, 3)
    for batch in (1, 4):
        result, cost = find(game, max_passes=3, batch=batch, prune=False)
        assert cost.passes == 3
        assert result.visits.sum() < 64
    clock = iter(range(10**6))
    monkeypatch.setattr(mcts.time, "perf_counter", lambda: float(next(clock)))
    _, cost = find(game, max_seconds=20.0)
    assert 0 < cost.leaves < 20
    result, cost = find(game, max_seconds=0.5)  # nothing can be done in that
    assert cost.steps == 0
    assert result.target == pytest.approx(np.exp(result.root.log_priors))


def test_the_clock_is_looked_at_while_dead_ends_are_struck(monkeypatch):
    game = {"start": {f"door {k:03d}": lost() for k in range(200)}}
    monkeypatch.setattr(mcts.time, "perf_counter", iter(map(float, range(10**6))).__next__)
    result, cost = find(game, max_seconds=20.0)
    assert cost.leaves == 0  # the model would never have been asked
    assert 0 < cost.steps < 30
    assert not result.is_struck[result.action]
    assert result.target[result.is_struck].sum() == 0


# What is drawn, and who is due ----------------------------------------------------------------------------------------


def test_noise_at_the_root_is_of_training_alone():
    game = full_tree(0, 2, 5)
    how = {"simulations": 20, "noise_share": 1.0, "prune": False}
    visits = [
        find(game, seed=seed, training=training, **how)[0].visits for training in (True, False) for seed in (1, 2)
    ]
    assert visits[0].tolist() != visits[1].tolist()
    assert visits[2].tolist() == visits[3].tolist()


def test_the_visits_of_gumbel_are_those_of_halving_over_the_actions_that_there_are():
    game = full_tree(0, 3, 4)
    result, _ = find(game, algorithm="gumbel", simulations=16, prune=False)
    assert sorted(result.visits) == [2, 2, 6, 6]  # 4, 4, 4, 4 would be no halving
    assert result.q[result.action] == max(result.q[result.visits == 6])
    few, _ = find(game, algorithm="gumbel", simulations=16, prune=False, considered=2)
    assert sorted(few.visits) == [0, 0, 8, 8]


def test_a_state_that_is_cut_off_is_another_question_than_the_same_state_that_goes_on():
    game = {"start": {"a": Edge("x", 0, 1, "cut"), "b": Edge("x")}, "x": {"c": won(), "d": won(0.5)}}
    model = Model(game, priors={"x": {"c": 3.0, "d": 1.0}})
    result, cost = find(game, model)
    assert result.root.children[1].priors == pytest.approx([0.75, 0.25])
    assert cost.not_finite == 0
    assert model.leaves == ["x", "x"]


# What the model may do wrong ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_even_priors_or_a_value_of_zero_and_counted(algorithm, bad):
    game = random_tree(4)

    class Sick(Model):
        def of(self, where):
            log_priors, value = super().of(where)
            return Evaluation(np.full_like(log_priors, bad), bad if where.key != "start" else value)

    (sick, cost), (sound, none) = (find(game, model, algorithm=algorithm) for model in (Sick(game), Model(game)))
    assert alike(sick, sound)
    assert cost.not_finite == 1 + cost.leaves > 1
    assert none.not_finite == 0


def test_a_solved_root_proposes_the_exactly_best_and_nothing_else():
    game = {"start": {"a": won(0.5), "b": won(1.0), "c": won(1.0)}}
    result, _ = find(game)
    assert result.root.is_solved
    assert by_phrase(result, "target") == {"a": 0.0, "b": 0.5, "c": 0.5}
    assert chosen(result) == "b"
    shares = result.visits / result.visits.sum()
    assert shares[0] > 0.2  # the wrong variant: each was looked at once, and no more was needed
