"""Laws of PUCT: which edge a descent takes, and what the visits say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.trees import node_with, random_node, seeds
from twosome.search import puct
from twosome.search.tree import Evaluation


def slow_scores(node, c, floor):
    """The formula of the head of `puct.py`, an action at a time; None for one that is struck."""
    known = [q for q in node.q.tolist() if not math.isnan(q)]
    low, high = min([node.value, *known]), max([node.value, *known])
    scores = []
    for a, q in enumerate(node.q.tolist()):
        scaled = 0.0 if math.isnan(q) else (q - low) / max(high - low, floor)
        explored = math.sqrt(node.visits.sum()) / (1 + node.visits[a]) if node.visits.any() else 1 / c
        scores.append(None if node.is_struck[a] else scaled + c * math.exp(node.log_priors[a]) * explored)
    return scores


@given(seeds, st.sampled_from([0.5, 1.25, 4.0]), st.sampled_from([0.01, 1.0]))
def test_the_action_of_the_formula_is_taken(seed, c, floor):
    node = random_node(seed)
    scores = slow_scores(node, c, floor)
    chosen = puct.select(node, c, floor)
    assert scores[chosen] == pytest.approx(max(s for s in scores if s is not None), abs=1e-12)


def test_numbers_worked_by_hand():
    node = node_with([0.5, 0.3, 0.2], {0: (3, 0.2), 1: (1, 0.6)}, value=0.4)
    assert puct.scaled_q(node, 0.01) == pytest.approx([0.0, 1.0, 0.0])
    # 0 + 1.25 * .5 * 2 / 4, 1 + 1.25 * .3 * 2 / 2, 0 + 1.25 * .2 * 2 / 1
    assert slow_scores(node, 1.25, 0.01) == pytest.approx([0.3125, 1.375, 0.5])
    assert puct.select(node, 1.25, 0.01) == 1
    assert puct.select(node, 40.0, 0.01) == 2  # 5 + 0, 1 + 12, 0 + 16: much exploring


def test_what_was_not_visited_stands_at_the_lower_end():
    node = node_with([0.5, 0.5], {0: (1, 0.8)}, value=0.8)
    assert puct.scaled_q(node_with([0.5, 0.5], {0: (1, 0.8)}, value=0.2), 0.01).tolist() == [1.0, 0.0]
    assert puct.scaled_q(node, 0.01).tolist() == [0.0, 0.0]
    well, as_the_node = node_with([0.8, 0.2], {0: (4, 0.5)}, value=0.4), 0.4
    assert puct.select(well, 1.25, 0.01) == 0
    optimistic = np.array([1.0, (as_the_node - 0.4) / 0.1 + 1.0])  # the wrong variant: what is unknown is as good
    exploration = 1.25 * well.priors * 2 / (1 + well.visits)
    assert np.argmax(optimistic + exploration) == 1


def test_before_the_first_visit_the_priors_decide():
    node = node_with([0.2, 0.3, 0.5])
    assert puct.select(node, 1.25, 0.01) == 2
    literal = 1.25 * node.priors * np.sqrt(node.visits.sum())  # the wrong variant: all alike
    assert node.best(literal) == 0
    assert puct.select(node, 1.25, 0.01, np.array([0.1, 0.8, 0.1])) == 1  # with noise at the root


def test_equal_values_are_not_blown_up():
    nearly = {0: (3, 0.5), 1: (3, 0.5 + 1e-6)}
    node = node_with([0.6, 0.4], nearly, value=0.5)
    assert puct.scaled_q(node, 0.01) == pytest.approx([0.0, 1e-4])
    assert puct.select(node, 1.25, 0.01) == 0
    assert puct.scaled_q(node, 1e-12) == pytest.approx([0.0, 1.0])  # the wrong variant: noise decides
    assert puct.select(node, 1.25, 1e-12) == 1


def test_a_plan_that_was_torn_down_does_not_set_the_scale():
    node = node_with([0.4, 0.3, 0.3], {0: (1, 0.2), 1: (1, 0.3), 2: (1, 9.0)}, value=0.2, struck=[2])
    assert puct.scaled_q(node, 0.01)[:2] == pytest.approx([0.0, 1.0])


# Noise at the root ----------------------------------------------------------------------------------------------------


def rng():
    return np.random.default_rng(3)


@given(seeds)
def test_noise_goes_with_the_phrases_and_not_with_their_places(seed):
    order = np.random.default_rng(seed).permutation(4)
    priors, phrases = np.array([0.1, 0.2, 0.3, 0.4]), ("d", "a", "c", "b")
    node = node_with(priors, phrases=phrases)
    other = node_with(priors[order], phrases=tuple(phrases[k] for k in order))
    here, there = (puct.noisy(n.priors, n.ranks, 0.25, 0.3, rng()) for n in (node, other))
    assert here[order] == pytest.approx(there, abs=1e-15)
    in_place = [0.75 * n.priors + 0.25 * rng().dirichlet(np.full(4, 0.3)) for n in (node, other)]  # the wrong variant
    assert (order == np.arange(4)).all() or in_place[0][order] != pytest.approx(in_place[1])


def test_noise_keeps_a_distribution_and_has_its_share():
    priors, ranks = np.array([0.7, 0.2, 0.1]), np.arange(3)
    noisy = puct.noisy(priors, ranks, 0.25, 0.3, rng())
    assert noisy.sum() == pytest.approx(1)
    assert ((noisy >= 0.75 * priors) & (noisy <= 0.75 * priors + 0.25)).all()
    assert puct.noisy(priors, ranks, 0.0, 0.3, rng()) is priors
    many = np.mean([puct.noisy(priors, ranks, 0.5, 0.3, np.random.default_rng(k)) for k in range(2000)], axis=0)
    assert many == pytest.approx(0.5 * priors + 0.5 / 3, abs=0.02)


# What the visits say --------------------------------------------------------------------------------------------------


def test_shares_are_those_of_the_visits_of_what_is_left():
    node = node_with([0.25] * 4, {0: (3, 0.1), 1: (1, 0.1), 2: (4, 0.1)}, struck=[2])
    assert puct.visit_shares(node).tolist() == [0.75, 0.25, 0.0, 0.0]


def test_without_visits_the_shares_are_the_priors_of_what_is_left():
    assert puct.visit_shares(node_with([0.5, 0.3, 0.2])) == pytest.approx([0.5, 0.3, 0.2])
    assert puct.visit_shares(node_with([0.5, 0.3, 0.2], struck=[0])) == pytest.approx([0, 0.6, 0.4])
    assert puct.visit_shares(node_with([0.5, 0.3, 0.2], struck=[0, 1, 2])) == pytest.approx([0.5, 0.3, 0.2])
    far = node_with([0.5, 0.5], struck=[0])
    far.expand(Evaluation(np.array([0.0, -2000.0]), 0.0))
    assert puct.visit_shares(far).tolist() == [0.0, 1.0]  # though its probability is 0 as a float


def test_the_action_is_the_most_visited_then_the_best_then_the_most_probable_then_the_first_phrase():
    assert puct.most_visited(node_with([0.2, 0.8], {0: (3, 0.0), 1: (2, 1.0)})) == 0
    assert puct.most_visited(node_with([0.2, 0.8], {0: (2, 1.0), 1: (2, 0.0)})) == 0
    assert puct.most_visited(node_with([0.2, 0.8], {0: (2, 0.5), 1: (2, 0.5)})) == 1
    assert puct.most_visited(node_with([0.5, 0.5], {0: (2, 0.5), 1: (2, 0.5)}, phrases=("b", "a"))) == 1
    assert puct.most_visited(node_with([0.2, 0.8])) == 1
    assert puct.most_visited(node_with([0.2, 0.8], {0: (9, 1.0), 1: (1, 0.0)}, struck=[0])) == 1
    assert puct.most_visited(node_with([0.2, 0.8], struck=[0, 1])) == -1
