"""Laws of the exhaustive search for a best plan: as good as any sequence of actions, and no longer than it must be."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twosome_envs.plans import Plan, best_plan

STATES, ACTIONS, LIMIT = 5, 2, 5

edges = st.tuples(st.integers(0, STATES - 1), st.sampled_from((0.0, 0.0, 0.5, 1.0)), st.booleans())
graphs = st.lists(edges, min_size=STATES * ACTIONS, max_size=STATES * ACTIONS)


def results_of(graph):
    def results(state):
        for action in range(ACTIONS):
            yield action, *graph[state * ACTIONS + action]

    return results


def value_of(graph, actions, gamma):
    """What a sequence of actions brings, and how many of them are played before the end."""
    state, value = 0, 0.0
    for step, action in enumerate(actions):
        state, reward, is_over = graph[state * ACTIONS + action]
        value += gamma**step * reward
        if is_over:
            return value, step + 1
    return value, len(actions)


@settings(max_examples=200, deadline=None)
@given(graphs, st.sampled_from((0.5, 0.9, 1.0)), st.integers(0, LIMIT))
def test_the_plan_is_the_best_of_all_sequences(graph, gamma, limit):
    plan = best_plan(0, results_of(graph), gamma, limit)
    played = [value_of(graph, actions, gamma)[0] for actions in itertools.product(range(ACTIONS), repeat=limit)]
    assert plan.value == pytest.approx(max(played), abs=1e-12)
    assert value_of(graph, plan.actions, gamma) == (plan.value, len(plan.actions))
    assert len(plan.actions) <= limit
    assert not plan.actions or value_of(graph, plan.actions[:-1], gamma)[0] < plan.value, "nothing is done for nothing"


def test_a_longer_way_that_earns_more_is_followed():
    """The wrong variant, which never comes back to a state that it has seen, stops at 1.9."""
    ways = {
        "start": [(0, "door", 0.0, False), (1, "side", 1.0, False)],
        "side": [(0, "door", 0.0, False)],
        "door": [(0, "end", 1.0, True)],
    }
    assert best_plan("start", ways.__getitem__, 0.9, 5) == Plan(1 + 0.9**2, (1, 0, 0))
    assert best_plan("start", ways.__getitem__, 0.9, 1) == Plan(1.0, (1,))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"reward must be 0 or more, got -0\.1 for action 3 in here"):
        best_plan("here", lambda state: [(3, "there", -0.1, True)], 0.9, 5)
    with pytest.raises(ValueError, match=r"gamma must be from 0 to 1, got 1\.1"):
        best_plan("here", lambda state: [], 1.1, 5)
