"""Laws of the tree: what goes up it, what is struck, what is known exactly."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome.search.tree import (
    Evaluation,
    Node,
    Position,
    back_up,
    returns_to_ancestor,
    solve,
    strike,
    take_back,
    visit,
)

MENU = ("wait", "go", "ask")


def node(key="here", phrases=MENU, log_priors=None, value=0.0):
    made = Node(Position(key, phrases, False, False, None, None))
    n = len(phrases)
    made.expand(Evaluation(np.full(n, -np.log(n)) if log_priors is None else np.array(log_priors), value))
    return made


def final(needs_value=False):
    return Node(Position("end", (), True, needs_value, None, None))


def chain(*edges):
    """A path of nodes n0, n1, ... that always take their first action, with (reward, discount) on its edges."""
    path = [(node(f"n{k}"), 0) for k in range(len(edges))]
    for (above, _), (below, _) in itertools.pairwise(path):
        above.children[0] = below
    for (above, _), (reward, discount) in zip(path, edges, strict=True):
        above.rewards[0], above.discounts[0] = reward, discount
    return path


# Values go up ---------------------------------------------------------------------------------------------------------


def test_rewards_and_durations_on_the_way_count():
    path = chain((0.2, 0.9**3), (-0.1, 0.9))
    back_up(path, 0.5)
    below, above = -0.1 + 0.9 * 0.5, 0.2 + 0.729 * (-0.1 + 0.9 * 0.5)
    assert path[1][0].q[0] == pytest.approx(below) == pytest.approx(0.35)
    assert path[0][0].q[0] == pytest.approx(above) == pytest.approx(0.45515)
    leaf_alone, without_duration = 0.5, 0.2 + 0.9 * (-0.1 + 0.9 * 0.5)  # the wrong variants
    assert above != pytest.approx(leaf_alone)
    assert above != pytest.approx(without_duration)


def test_nothing_of_what_follows_counts_after_an_end_and_a_bonus_counts():
    path = chain((1.0, 0.0))
    back_up(path, 100.0)
    assert path[0][0].q[0] == 1.0
    path = chain((1.0, 0.5))
    path[0][0].bonuses[0] = 0.25
    back_up(path, 2.0)
    assert path[0][0].q[0] == 2.25


def test_q_is_the_mean_of_what_came_back_and_unknown_before():
    path = chain((0.0, 1.0))
    here = path[0][0]
    assert np.isnan(here.q).all()
    for value in (1.0, 0.0, 0.5):
        visit(here, 0)
        back_up(path, value)
    assert here.q[0] == 0.5
    assert np.isnan(here.q[1:]).all()
    assert (here.done[0], here.visits[0], here.n) == (3, 3, 3)


def test_a_descent_that_came_to_nothing_leaves_no_trace():
    here = node()
    visit(here, 1)
    visit(here, 1)
    take_back([(here, 1)])
    assert (here.visits.tolist(), here.n, here.done) == ([0, 1, 0], 1, [0, 0, 0])


# What the model says --------------------------------------------------------------------------------------------------


def said_by(node, log_priors, value):
    """Tell a node what the model says of it; whether that fits."""
    evaluation = Evaluation(log_priors, value)
    node.expand(evaluation)
    return evaluation.fits(node.position)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 2])
def test_priors_that_are_no_numbers_become_even_and_are_told(bad, place):
    log_priors = np.log([0.7, 0.2, 0.1])
    log_priors[place] = bad
    here = Node(Position("here", MENU, False, False, None, None))
    assert not said_by(here, log_priors, 0.5)
    assert here.priors == pytest.approx(1 / 3)
    assert here.value == 0.5
    assert np.isfinite(here.log_priors).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_becomes_zero_and_is_told(bad):
    for here in (Node(Position("here", MENU, False, False, None, None)), final(needs_value=True)):
        log_priors = np.log([0.7, 0.2, 0.1])[: len(here.children)]
        assert not said_by(here, log_priors, bad)
        assert here.value == 0.0
        assert here.priors == pytest.approx(np.exp(log_priors))
        assert said_by(here, log_priors, 0.5)


def test_priors_of_another_menu_become_even():
    here = Node(Position("here", MENU, False, False, None, None))
    assert not said_by(here, np.log([0.5, 0.5]), 0.0)
    assert here.priors == pytest.approx(1 / 3)


# Choosing -------------------------------------------------------------------------------------------------------------


def test_of_equals_the_first_phrase_is_taken_wherever_it_stands():
    for phrases in (MENU, MENU[::-1], ("go", "ask", "wait")):
        here = node(phrases=phrases)
        assert phrases[here.best(np.zeros(3))] == "ask"
        strike([(here, phrases.index("ask"))])
        assert phrases[here.best(np.zeros(3))] == "go"


def test_what_is_struck_is_never_the_best_whatever_the_scores():
    here = node()
    strike([(here, 0)])
    assert here.best(np.array([9.0, 1.0, 2.0])) == 2
    assert here.best(np.full(3, -np.inf)) == 2  # `wait` is struck, `ask` comes before `go`
    strike([(here, 2)])
    assert here.best(np.full(3, -np.inf)) == 1
    strike([(here, 1)])
    assert here.best(np.zeros(3)) == -1


# Dead ends ------------------------------------------------------------------------------------------------------------


def test_a_node_without_a_way_out_is_struck_above_and_what_was_visited_is_a_plan_torn_down():
    path = chain((0.0, 1.0), (0.0, 1.0))
    (above, _), (below, _) = path
    visit(above, 0)
    back_up(path[:1], 0.3)
    for action in (1, 2):
        assert strike([(above, 0), (below, action)]) == (1, 0)
        assert not above.is_struck.any()
    assert strike(path) == (2, 1)  # the last way out, and the edge above, which had been visited
    assert above.is_struck.tolist() == [True, False, False]
    assert np.isnan(above.q[0])  # nothing of it is known any more: a plan that is gone must not set the scale of q
    assert above.mean_value == above.value
    assert above.best(np.array([9.0, 0.0, 0.0])) != 0


def test_tearing_down_stops_where_a_sibling_is_left():
    path = chain((0.0, 1.0), (0.0, 1.0), (0.0, 1.0))
    last = path[2][0]
    for action in (1, 2, 0):
        struck, _ = strike([*path[:2], (last, action)])
    assert struck == 2
    assert [n.n_alive for n, _ in path] == [3, 2, 0]


def test_a_circle_is_one_that_earns_nothing():
    assert returns_to_ancestor(chain((0.0, 0.9), (0.0, 0.9)), "n0")
    assert returns_to_ancestor(chain((0.0, 0.9), (0.0, 0.9)), "n1")  # a step on the spot
    assert returns_to_ancestor(chain((0.0, 0.9), (-0.1, 0.9)), "n0")
    assert not returns_to_ancestor(chain((0.0, 0.9), (0.0, 0.9)), "elsewhere")
    assert not returns_to_ancestor(chain((0.0, 0.9), (0.1, 0.9)), "n0")
    assert not returns_to_ancestor(chain((0.1, 0.9), (0.0, 0.9)), "n0")
    assert returns_to_ancestor(chain((0.1, 0.9), (0.0, 0.9)), "n1")  # what was earned before the circle is none of it


def test_rewards_of_a_circle_are_discounted():
    gained, paid = (1.0, 0.5), (-1.5, 0.5)  # 1 - .5 * 1.5 > 0, though the plain sum is below 0
    assert not returns_to_ancestor(chain(gained, paid), "n0")
    assert returns_to_ancestor(chain(paid, gained), "n0")


def test_a_bonus_for_what_is_new_makes_no_circle_worthwhile():
    path = chain((0.0, 0.9), (0.0, 0.9))
    for here, action in path:
        here.bonuses[action] = 1.0
    assert returns_to_ancestor(path, "n0")


# What is known exactly ------------------------------------------------------------------------------------------------


def test_a_node_is_solved_when_all_that_is_left_is_exact():
    above, below = (here for here, _ in chain((0.5, 0.9), (0.0, 1.0)))
    for action, reward in enumerate((0.1, 0.4, 0.2)):
        assert not below.is_solved
        below.children[action], below.rewards[action], below.discounts[action] = final(), reward, 0.0
        solve([(above, 0), (below, action)])
    assert below.is_solved
    assert below.exact_value == 0.4
    assert above.q[0] == pytest.approx(0.5 + 0.9 * 0.4)
    assert above.is_exact == [True, False, False]
    assert not above.is_solved
    back_up([(above, 0)], -5.0)
    assert above.q[0] == pytest.approx(0.86)  # a mean does not replace what is known


def test_a_struck_edge_can_solve_a_node_and_is_no_part_of_its_value():
    above, below = (here for here, _ in chain((0.0, 1.0), (0.0, 1.0)))
    below.children[0], below.rewards[0], below.discounts[0] = final(), 0.3, 0.0
    solve([(above, 0), (below, 0)])
    below.total[1], below.done[1], below.q[1] = 9.0, 1, 9.0  # a plan that looked good
    for action in (1, 2):
        struck, _ = strike([(above, 0), (below, action)])
        assert struck == 1
        solve([(above, 0)])
    assert below.is_solved
    assert below.exact_value == 0.3
    assert above.is_exact[0]


def test_a_node_whose_edges_are_all_struck_is_worth_nothing():
    here = node()
    for action in range(3):
        assert not here.is_solved
        strike([(here, action)])
    assert here.is_solved
    assert here.exact_value == 0


def test_a_final_position_is_solved_but_for_one_that_was_cut_off_until_its_value_is_known():
    assert final().is_solved
    assert final().exact_value == 0.0
    cut = final(needs_value=True)
    assert not cut.is_solved
    cut.expand(Evaluation(np.zeros(0), 0.7))
    assert cut.is_solved
    assert cut.exact_value == 0.7


@given(st.lists(st.text(max_size=4), min_size=1, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_phrases_are_ranked_alike_in_every_order(phrases, random):
    other = random.sample(phrases, len(phrases))
    ranks = dict(zip(phrases, node(phrases=tuple(phrases)).ranks, strict=True))
    assert ranks == dict(zip(other, node(phrases=tuple(other)).ranks, strict=True))
    assert sorted(ranks.values()) == list(range(len(phrases)))
