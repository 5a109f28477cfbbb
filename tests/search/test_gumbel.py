"""Laws of Gumbel search: the schedule, the improved policy, which edge a descent takes."""

import doctest
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.trees import node_with, random_node, seeds
from twosome.search import gumbel, puct
from twosome.search.tree import visit

# (actions considered, simulations): the visits that the action of every simulation has had. The first seven are the
# numbers that mctx 0.0.71 publishes; the others are worked out by hand from the algorithm of the paper.
SCHEDULES = {
    (8, 24): [0] * 8 + [1] * 4 + [2] * 4 + [3, 3, 4, 4, 5, 5, 6, 6],
    (8, 47): [0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [k // 2 for k in range(8, 35)],
    (8, 2): [0, 0],
    (8, 13): [0] * 8 + [1] * 4 + [2],
    (7, 24): [0] * 7 + [1] * 3 + [2] * 3 + [3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8],
    (0, 16): list(range(16)),
    (1, 16): list(range(16)),
    (1, 4): [0, 1, 2, 3],
    (2, 5): [0, 0, 1, 1, 2],
    (4, 8): [0, 0, 0, 0, 1, 1, 2, 2],
    (4, 16): [0] * 4 + [1] * 4 + [2, 2, 3, 3, 4, 4, 5, 5],
    (8, 16): [0] * 8 + [1] * 4 + [2, 2, 3, 3],
    (16, 32): [0] * 16 + [1] * 8 + [2] * 4 + [3] * 4,
    (5, 12): [0] * 5 + [1, 1, 2, 2, 3, 3, 4],
    (5, 0): [],
}


@pytest.mark.parametrize(("case", "expected"), SCHEDULES.items())
def test_the_schedule_is_the_published_one(case, expected):
    assert list(gumbel.considered_visits(*case)) == expected


def halving(m, n):
    """Sequential halving played out on m arms whose order never changes: the visits of every arm that is pulled."""
    phases = 0
    while 2**phases < m:
        phases += 1
    pulled, seen, arms = Counter(), [], list(range(max(m, 1)))
    while True:
        for _ in range(max(n // (max(phases, 1) * len(arms)), 1)):
            for arm in arms:
                if len(seen) == n:
                    return seen
                seen.append(pulled[arm])
                pulled[arm] += 1
        arms = arms[: max(len(arms) // 2, min(2, len(arms)))]


@given(st.integers(0, 40), st.integers(0, 200))
def test_the_schedule_is_that_of_halving_played_out(m, n):
    assert list(gumbel.considered_visits(m, n)) == halving(m, n)


@given(seeds, st.integers(1, 12), st.integers(0, 80))
def test_at_every_simulation_an_action_of_the_visits_asked_for_is_there(seed, n_actions, simulations):
    rng = np.random.default_rng(seed)
    node = node_with(rng.dirichlet(np.ones(n_actions)), phrases=tuple(f"do {k}" for k in range(n_actions)))
    noise, considered = rng.gumbel(size=n_actions), int(rng.integers(1, 9))
    node.q[:] = rng.normal(size=n_actions)
    for visits in gumbel.considered_visits(min(considered, n_actions), simulations):
        action = gumbel.select_root(node, noise, visits, 0.01)
        assert node.visits[action] == visits
        visit(node, action)
    assert (node.visits > 0).sum() == min(considered, n_actions, simulations)  # these and no others


def test_dead_ends_hand_their_turn_to_those_next_in_the_schedule():
    visited = {0: (3, 0.0), 1: (3, 0.0), 2: (1, 0.0)}
    node, noise = node_with([0.2] * 5, visited, phrases=tuple("abcde")), np.zeros(5)
    assert gumbel.select_root(node, noise, 3, 0.01) == 0
    node = node_with([0.2] * 5, visited, struck=[0, 1], phrases=tuple("abcde"))
    assert gumbel.select_root(node, noise, 3, 0.01) == 2  # visited once; `d` and `e` were never considered
    node = node_with([0.2] * 5, visited, struck=[0, 1, 2], phrases=tuple("abcde"))
    assert gumbel.select_root(node, noise, 3, 0.01) == 3
    node = node_with([0.2] * 5, visited, struck=[2, 3, 4], phrases=tuple("abcde"))
    assert gumbel.select_root(node, noise, 1, 0.01) == 0  # none was visited so seldom
    node = node_with([0.2] * 5, visited, struck=range(5), phrases=tuple("abcde"))
    assert gumbel.select_root(node, noise, 3, 0.01) == -1
    assert gumbel.final_action(node, noise, 0.01) == -1
    assert gumbel.select_inside(node, 0.01) == -1


# The improved policy --------------------------------------------------------------------------------------------------


def test_numbers_worked_by_hand():
    node = node_with([0.5, 0.3, 0.2], {0: (3, 0.2), 1: (1, 0.6)}, value=0.4)
    mix = (0.4 + 4 * (0.5 * 0.2 + 0.3 * 0.6) / 0.8) / 5
    assert mix == pytest.approx(0.36)
    assert gumbel.completed_q(node) == pytest.approx([0.2, 0.6, mix])
    scaled = [0.0, 1.0, 0.4]
    assert gumbel.sigma(node, 0.01) == pytest.approx([(50 + 3) * 0.1 * q for q in scaled])
    weights = [p * math.exp(5.3 * q) for p, q in zip((0.5, 0.3, 0.2), scaled, strict=True)]
    assert gumbel.improved(node, 0.01) == pytest.approx([w / sum(weights) for w in weights])


def test_without_a_visit_nothing_is_improved():
    node = node_with([0.5, 0.3, 0.2], value=7.0)
    assert gumbel.completed_q(node).tolist() == [7.0] * 3
    assert gumbel.improved(node, 0.01) == pytest.approx([0.5, 0.3, 0.2])


@given(seeds, st.sampled_from([0.01, 1.0]))
def test_the_improved_policy_is_no_worse_than_the_prior_whatever_the_values(seed, floor):
    node = random_node(seed, n_struck=0)
    q = gumbel.completed_q(node)
    assert gumbel.improved(node, floor) @ q >= node.priors @ q - 1e-9


def test_shares_of_the_visits_can_be_worse_than_the_prior():
    node = node_with([0.1, 0.9], {0: (1, 0.0), 1: (1, 1.0)})
    q = gumbel.completed_q(node)
    assert puct.visit_shares(node) @ q < node.priors @ q  # the wrong variant of the law above
    assert gumbel.improved(node, 0.01) @ q > node.priors @ q


def test_equal_values_are_not_blown_up():
    node = node_with([0.6, 0.4], {0: (3, 0.5), 1: (3, 0.5 + 1e-9)}, value=0.5)
    assert gumbel.improved(node, 0.01) == pytest.approx([0.6, 0.4], abs=1e-5)
    assert gumbel.improved(node, 1e-12)[1] > 0.98  # the wrong variant: noise decides


@given(seeds)
def test_what_is_struck_has_no_part_in_anything(seed):
    node = random_node(seed)
    policy = gumbel.improved(node, 0.01)
    assert policy.sum() == pytest.approx(1)
    assert (policy[node.is_struck] == 0).all()
    noise = np.where(node.is_struck, 100.0, 0.0)
    for action in (
        gumbel.select_root(node, noise, 1, 0.01),
        gumbel.select_inside(node, 0.01),
        gumbel.final_action(node, noise, 0.01),
    ):
        assert not node.is_struck[action]


def test_the_value_of_a_plan_that_was_torn_down_is_in_no_mean():
    torn = node_with([0.4, 0.3, 0.3], {0: (2, 0.2), 2: (5, 9.0)}, value=0.5, struck=[2])
    never = node_with([0.4, 0.3, 0.3], {0: (2, 0.2)}, value=0.5)
    assert gumbel.completed_q(torn)[:2] == pytest.approx(gumbel.completed_q(never)[:2])
    assert gumbel.improved(node_with([0.5, 0.5], struck=[0, 1]), 0.01) == pytest.approx([0.5, 0.5])


# Which edge -----------------------------------------------------------------------------------------------------------


def test_inside_the_visits_come_to_the_improved_policy():
    node = node_with([0.5, 0.3, 0.2], {0: (1, 0.5), 1: (1, 0.5), 2: (1, 0.5)}, value=0.5)
    for _ in range(997):
        visit(node, gumbel.select_inside(node, 0.01))
    assert node.visits / 1000 == pytest.approx([0.5, 0.3, 0.2], abs=0.002)


def test_the_action_to_take_is_the_best_of_the_most_visited():
    node = node_with([0.4, 0.4, 0.2], {0: (2, 0.1), 1: (2, 0.2), 2: (1, 0.9)})
    assert gumbel.final_action(node, np.zeros(3), 0.01) == 1
    assert gumbel.final_action(node, np.array([9.0, 0.0, 0.0]), 0.01) == 0  # with the noise that chose them
    assert node.best(node.q) == 2  # the wrong variant: hardly tried


@given(seeds)
def test_noise_goes_with_the_phrases_and_not_with_their_places(seed):
    order, phrases = np.random.default_rng(seed).permutation(4), ("d", "a", "c", "b")
    node, other = (
        node_with([0.25] * 4, phrases=phrases),
        node_with([0.25] * 4, phrases=tuple(phrases[k] for k in order)),
    )
    here, there = (gumbel.gumbel_noise(n.ranks, np.random.default_rng(3)) for n in (node, other))
    assert here[order].tolist() == there.tolist()


def test_the_examples_run():
    found = doctest.testmod(gumbel)
    assert found.attempted > 0
    assert found.failed == 0
