"""Laws of tabular Q-learning."""

import copy
import math
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from tests.rl.tasks import MENU, play, rollout_to, setup
from twosome.errors import INVALID_CONTENT
from twosome.rl.q_learning import QLearner
from twosome.types import Decision

LEFT = MENU[0]


def table():
    return SimpleNamespace(q=defaultdict(dict), epsilon=1.0)


def settings(**changes):
    return SimpleNamespace(**{"epsilon": 0.5, "epsilon_end": 0.1, "step_size": 0.5, "backward": True} | changes)


def path(*states):
    """One world that goes left along these states, with a reward of 1 at the end."""
    rollout = rollout_to(["-"], steps=len(states))
    for t, state in enumerate(states):
        rollout.decisions[t] = [Decision.plain(state, MENU)]
        rollout.next_states[t] = [states[t + 1] if t + 1 < len(states) else "end"]
    rollout.rewards[-1], rollout.terminated[-1], rollout.discounts[:] = 1.0, True, 0.9
    return rollout


def test_a_step_moves_the_table_as_the_definition_says():
    made = table()
    made.q["s"][LEFT], made.q["next"] = 1.0, {"a": 3.0, "b": 2.0}
    rollout = path("s", "next")
    rollout.is_real[1], rollout.rewards[0], rollout.discounts[0] = False, 0.2, 0.81  # an action of two primitive steps
    metrics = QLearner(made, settings()).update(rollout, 0.0)
    error = 0.2 + 0.81 * 3.0 - 1.0
    assert made.q["s"][LEFT] == pytest.approx(1.0 + 0.5 * error)
    assert metrics["loss/value"] == pytest.approx(0.5 * error * error)


def test_nothing_is_expected_after_an_end():
    made = table()
    made.q["end"] = {"a": 100.0}
    QLearner(made, settings(step_size=1.0)).update(path("s"), 0.0)
    assert made.q["s"] == {LEFT: 1.0}


def test_backwards_a_reward_reaches_the_whole_path_at_once_and_forwards_one_step():
    for backward, first in ((True, 0.9**2), (False, 0.0)):
        made = table()
        QLearner(made, settings(step_size=1.0, backward=backward)).update(path("a", "b", "c"), 0.0)
        assert made.q["a"][LEFT] == pytest.approx(first)
        assert made.q["c"][LEFT] == 1.0


def test_a_dropped_step_teaches_nothing():
    made = table()
    rollout = path("s")
    rollout.is_real[0] = False
    assert math.isnan(QLearner(made, settings()).update(rollout, 0.0)["loss/value"])
    assert not made.q["s"]


def test_exploration_follows_its_schedule():
    made = table()
    for progress, epsilon in ((0.0, 0.5), (0.5, 0.3), (1.0, 0.1)):
        QLearner(made, settings()).update(path("s"), progress)
        assert made.epsilon == pytest.approx(epsilon)


def test_the_table_is_kept_by_state_and_not_by_prompt():
    made = table()
    decisions = [Decision("s", f"You were told {k}. s", MENU) for k in range(2)]
    rollout = rollout_to(["end", "end"], decisions=decisions)
    rollout.rewards[:], rollout.terminated[:] = 1.0, True
    QLearner(made, settings()).update(rollout, 0.0)
    assert made.q["s"] == {LEFT: 0.75}  # visited twice
    assert not any("told" in state for state in made.q)
    apart = table()  # the wrong variant: each prompt a state of its own, visited once
    rollout.decisions[0] = [d._replace(state=d.prompt) for d in decisions]
    QLearner(apart, settings()).update(rollout, 0.0)
    assert [values[LEFT] for values in apart.q.values() if values] == [0.5, 0.5]


# Coming back ----------------------------------------------------------------------------------------------------------


def test_a_learner_brought_back_continues_exactly():
    def continued(learner, policy):
        metrics = learner.update(rollouts[1], 0.5)
        return metrics, policy.weights()["table"]["json"].tolist(), learner.state_dict()

    made = setup("method=tabular")
    rollouts = [play(made, 0)]
    made.learner.update(rollouts[0], 0.25)
    rollouts.append(play(made, 1))
    weights, state = copy.deepcopy(made.policy.weights()), copy.deepcopy(made.learner.state_dict())
    expected = continued(made.learner, made.policy)
    again = setup("method=tabular")
    again.policy.set_weights(weights)
    again.learner.load_state_dict(state)
    assert continued(again.learner, again.policy) == expected
    for with_weights, with_state in ((False, True), (True, False)):  # the wrong variants: half of it is lost
        other = setup("method=tabular")
        if with_weights:
            other.policy.set_weights(weights)
        if with_state:
            other.learner.load_state_dict(state)
        assert continued(other.learner, other.policy) != expected


@pytest.mark.parametrize("forged", [{}, {"updates": -1}, {"updates": "3"}, {"updates": True}, {"updates": 1.0}, None])
def test_a_forged_counter_is_refused(forged):
    with pytest.raises(INVALID_CONTENT):
        QLearner(table(), settings()).load_state_dict(forged)


def test_a_learner_of_numbers_has_no_samples():
    assert QLearner(table(), settings()).samples is None
    assert torch.equal(setup("method=tabular").policy.values(["never met"]), torch.zeros(1))
