"""Laws of preferences: what the loss says of two scores, what an update learns, that a run can stop."""

import copy
import json
import math

import pytest
import torch
import zoo

from tests.rl.tasks import MENU, all_equal, copied
from twosome.agents.branches import between
from twosome.agents.frozen import frozen_log_probs
from twosome.config.compose import compose
from twosome.errors import INVALID_CONTENT, NumericsError
from twosome.rl.preference import Pair, Preference, preference_loss
from twosome.types import Decision, Rollout

SETTINGS = compose(["preference.actor.epochs=1", "preference.actor.minibatch=2"]).preference
EMPTY = Rollout([], [], [], *(torch.zeros(1, 1) for _ in range(7)), [])


def learner(policy, *updates, seed=0, **changes):
    """A learner whose updates find these decisions, one list each; returns differ by 1 or as `(decision, gap)` says."""
    settings = copy.deepcopy(SETTINGS)
    for name, value in changes.items():
        setattr(settings, name, value)
    waiting = [[d if isinstance(d[0], Decision) else (d, 1.0) for d in update] for update in updates]
    generator = torch.Generator().manual_seed(seed)
    return Preference(policy, settings, generator, lambda: waiting.pop(0), lambda ds: frozen_log_probs(policy, ds))


def pairs(n=5):
    decisions = [d for d in dict.fromkeys(zoo.decisions(3, size=12)) if len(d.menu) > 2]
    return [between(d, 0, 2) for d in decisions[:n]]


def margins(policy, decisions):
    return torch.stack([row[0] - row[1] for row in policy.log_probs(decisions)])


# The loss -------------------------------------------------------------------------------------------------------------


def test_the_loss_is_a_logistic_regression_and_other_actions_are_nothing_to_it():
    scores = torch.tensor([[0.3, -1.0, 2.0, 0.5], [0.1, 0.2, -3.0, 1.0]], requires_grad=True)
    frozen, beta = torch.tensor([0.7, -0.4]), 0.3
    log_probs = scores.log_softmax(1)  # over the whole menu
    loss = preference_loss(log_probs[:, 2] - log_probs[:, 1], frozen, beta)
    logits = beta * (scores[:, 2] - scores[:, 1] - frozen)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones(2), reduction="none")
    assert torch.allclose(loss, expected, atol=1e-6)
    (gradient,) = torch.autograd.grad(loss.sum(), scores)
    assert (gradient[:, 2] < 0).all()  # the better action's score rises
    assert (gradient[:, 1] > 0).all()
    assert torch.allclose(gradient[:, [0, 3]], torch.zeros(2, 2), atol=1e-7)
    assert torch.allclose(gradient[:, 2], -beta * torch.sigmoid(-logits), atol=1e-6)


def test_a_pair_is_scored_as_its_whole_menu_is():
    """The slow one takes the two out of the log-probabilities of all actions, biases included."""
    policy = zoo.policy(budget=4096)
    whole = [
        d._replace(bias=tuple(0.2 * k for k in range(len(d.menu)))) for d in dict.fromkeys(zoo.decisions(3, size=6))
    ]
    whole = [d for d in whole if len(d.menu) > 2]
    rows = policy.log_probs(whole)
    expected = torch.stack([row[2] - row[0] for row in rows])
    assert torch.allclose(margins(policy, [between(d, 2, 0) for d in whole]), expected, atol=1e-4)


# An update ------------------------------------------------------------------------------------------------------------


def test_an_update_prefers_what_returned_more_and_nothing_found_moves_nothing():
    policy, found = zoo.policy(), pairs()
    start, before = copied(policy.actor_parameters()), margins(policy, found)
    assert learner(policy, []).update(EMPTY, 0.0) == {"preference/pairs": 0.0}
    assert all_equal(start, policy.actor_parameters())
    metrics = learner(policy, found).update(EMPTY, 0.0)
    assert metrics["preference/pairs"] == 5
    assert (margins(policy, found) - before).mean() > 0
    head = copied(policy.value_head.parameters())
    turned = [between(d, 1, 0) for d in found]
    learner(policy, turned).update(EMPTY, 0.0)
    assert all_equal(head, policy.value_head.parameters())  # no critic is learnt


def test_pairs_count_alike_or_by_the_difference_of_their_returns():
    """Two pairs that contradict each other in three of four cases: what returned far more loses, or wins."""
    [decision] = pairs(1)
    often, seldom = (decision, 0.1), (between(decision, 1, 0), 0.9)
    found = [often, often, often, seldom]
    moved = {}
    for weighted in (False, True):
        policy = zoo.policy()
        before = margins(policy, [decision])
        made = learner(policy, found, weighted=weighted, beta=1.0)
        made.settings.actor.minibatch = 4
        made.update(EMPTY, 0.0)
        moved[weighted] = (margins(policy, [decision]) - before).item()
    assert moved[False] > 0 > moved[True]


def test_equal_differences_of_any_size_count_as_if_all_were_alike():
    found, weights = pairs(5), {}
    for gap, weighted in ((1.0, False), (0.03, True), (7.0, True)):
        policy = zoo.policy()
        learner(policy, [(d, gap) for d in found], weighted=weighted).update(EMPTY, 0.0)
        weights[gap] = copied(policy.actor_parameters())
    for gap in (0.03, 7.0):
        pairs_of = zip(weights[1.0], weights[gap], strict=True)
        assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs_of)


def test_the_frozen_model_is_what_a_margin_is_measured_from():
    policy, found = zoo.policy(), pairs()
    made = learner(policy, found, found)
    first = made.update(EMPTY, 0.0)
    pair = made.rollouts[0][0]
    moved = margins(policy, found)[0].item()
    assert abs(moved - pair.frozen) > 1e-6
    made.update(EMPTY, 0.0)
    assert made.rollouts[1][0].frozen == pytest.approx(pair.frozen, abs=1e-5)  # of the model, not of the policy then
    assert first["loss/preference"] > 0


def test_a_number_that_is_none_touches_no_weight_and_is_counted():
    policy, found = zoo.policy(), pairs(2)
    before = copied(policy.actor_parameters())
    made = learner(policy, found, found, max_bad_updates=2)
    made.reference = lambda decisions: [torch.tensor([math.nan, 0.0]) for _ in decisions]
    made.update(EMPTY, 0.0)
    assert made.bad_updates == 1
    assert all_equal(before, policy.actor_parameters())
    with pytest.raises(NumericsError, match=r"preference\.max_bad_updates=2"):
        made.update(EMPTY, 0.0)


# Coming back ----------------------------------------------------------------------------------------------------------


def test_going_on_from_a_saved_state_is_going_on_bit_for_bit():
    first, second = pairs(5)[:3], pairs(5)[2:]
    policy = zoo.policy()
    first, second = ([(d, 0.1 + k) for k, d in enumerate(row)] for row in (first, second))
    straight = learner(policy, first, second, weighted=True)
    straight.update(EMPTY, 0.0)
    between_, state = copied(policy.actor_parameters()), copy.deepcopy(straight.state_dict())
    state["rollouts"] = json.loads(json.dumps(state["rollouts"]))
    position = straight.generator.get_state()
    metrics = straight.update(EMPTY, 0.0)
    never = copied(policy.actor_parameters())

    def resumed(**lost):
        with torch.no_grad():
            for p, q in zip(policy.actor_parameters(), between_, strict=True):
                p.copy_(q)
        again = learner(policy, second, seed=5, weighted=True)
        again.load_state_dict({**copy.deepcopy(state), **lost})
        again.generator.set_state(position)
        return again.update(EMPTY, 0.0), copied(policy.actor_parameters())

    found, weights = resumed()
    assert all_equal(weights, never)
    assert found == metrics
    without_gaps = [[[*row[:5], 1.0] for row in kept] for kept in state["rollouts"]]
    for lost in ({"rollouts": []}, {"actor": {}}, {"rollouts": without_gaps}):  # the wrong variants
        assert not all_equal(resumed(**lost)[1], never), lost


@pytest.mark.parametrize(
    "forged",
    [
        [list(MENU), 3, "p", [], 0.5, 1.0],
        ["ab", "s", "p", [], 0.5, 1.0],
        [["a", "a"], "s", "p", [], 0.5, 1.0],
        [["a"], "s", "p", [], 0.5, 1.0],
        [list(MENU), "s", "p", [1.0], 0.5, 1.0],
        [list(MENU), "s", "p", [], math.nan, 1.0],
        [list(MENU), "s", "p", [], 0.5, math.inf],
        [list(MENU), "s", "p", [], 0.5, -1.0],
        [list(MENU), "s", "p", [], 0.5, 0.0],
        [list(MENU), "s", "p", [], 0.5, 1e308],
    ],
)
def test_a_forged_pair_is_refused(forged):
    made = learner(zoo.policy())
    state = made.state_dict()
    made.load_state_dict({**state, "rollouts": [[[list(MENU), "s", "p s", [0.5, -0.5], 0.25, 1.5]]]})
    assert made.rollouts[0] == [Pair(Decision("s", "p s", MENU, (0.5, -0.5)), 0.25, 1.5)]
    made.load_state_dict({**state, "rollouts": [[[list(MENU), "s", "p s", [], 0.25]]]})  # from before they were kept
    assert made.rollouts[0] == [Pair(Decision("s", "p s", MENU, ()), 0.25, 1.0)]
    with pytest.raises(INVALID_CONTENT):
        made.load_state_dict({**state, "rollouts": [[forged]]})
    with pytest.raises(INVALID_CONTENT):
        made.load_state_dict({**state, "bad_updates": -1})
