"""Laws of self-imitation: learning again from one's own better past."""

import copy
import functools
import json
import math

import pytest
import torch

from tests.rl.tasks import MENU, GivenValues
from twosome.config.compose import compose
from twosome.errors import INVALID_CONTENT
from twosome.rl.self_imitation import Drawn, Sample, SelfImitation
from twosome.types import Decision


class Seen:
    """As much of a batch as self-imitation reads: (state or decision, action, target, value) of every sample."""

    def __init__(self, *rows):
        self.decisions = [r[0] if isinstance(r[0], Decision) else Decision.plain(r[0], MENU) for r in rows]
        self.actions = torch.tensor([row[1] for row in rows])
        self.targets, self.values = (torch.tensor([float(row[k]) for row in rows]) for k in (2, 3))


@functools.cache
def composed(changes):
    return compose([changes]).ppo.self_imitation


def memory(weight=1.0, rollouts=3, samples=4):
    changes = f"ppo.self_imitation={{weight:{weight},rollouts:{rollouts},samples:{samples}}}"
    return SelfImitation(copy.deepcopy(composed(changes)))


def advised(state, note):
    """A decision whose prompt holds more than its state."""
    return Decision(state, f"{note} {state}", MENU, (0.5, -0.5))


def test_only_what_did_better_than_expected_is_kept_once_with_its_best_target():
    past = memory()
    past.add(Seen(("a", 0, 1.0, 0.5), ("a", 0, 2.0, 0.5), ("a", 1, 0.2, 0.5), ("b", 1, 0.6, 0.5)))
    assert [tuple(s) for s in past.rollouts[0]] == [
        (Decision.plain("a", MENU), 0, 2.0),
        (Decision.plain("b", MENU), 1, pytest.approx(0.6)),
    ]


def test_samples_come_in_proportion_to_their_gap_to_the_present_critic():
    past = memory(samples=1)
    past.add(Seen(("a", 0, 3.0, 0.0), ("b", 0, 1.0, 0.0), ("c", 0, 1.0, 0.0)))
    critic, generator = GivenValues(a=0.0, b=0.0, c=5.0), torch.Generator().manual_seed(0)
    past.update_gaps(critic)
    drawn = [past.draw(generator).samples[0].decision.state for _ in range(400)]
    assert 0.68 < drawn.count("a") / 400 < 0.82  # 3 of 4; equal chances would give .5
    assert "c" not in drawn  # the critic expects more by now


def test_nothing_is_drawn_where_no_gap_is_left_or_the_weight_is_zero():
    generator = torch.Generator()
    for past, value in ((memory(), 2.0), (memory(weight=0.0), 0.0)):
        past.add(Seen(("a", 0, 1.0, 0.0)))
        past.update_gaps(GivenValues(a=value))
        assert past.draw(generator) is None
    assert memory(weight=0.0).state_dict() == {"rollouts": []}
    assert memory().draw(generator) is None


def test_old_rollouts_leave():
    past = memory(rollouts=2)
    for name in "abc":
        past.add(Seen((name, 0, 1.0, 0.0)))
    assert [s.decision.state for rollout in past.rollouts for s in rollout] == ["b", "c"]


def test_the_loss_is_the_weighted_mean_of_the_definition():
    samples = [Sample(Decision.plain("a", MENU), 0, 1.0), Sample(Decision.plain("b", MENU), 1, 1.0)]
    drawn = Drawn(samples, torch.tensor([0, 1]), torch.tensor([0.5, 40.0]), weight=2.0)
    log_probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    # The second gap counts as three scales.
    expected = -2.0 / 2 * (0.5 / 0.25 * math.log(0.25) + 3.0 * math.log(0.5))
    assert drawn.loss(torch.arange(2), log_probs, scale=0.25).item() == pytest.approx(expected)
    parts = sum(drawn.loss(torch.tensor([i]), log_probs[[i]], scale=0.25) for i in range(2))
    assert parts.item() == pytest.approx(expected)  # one by one is the same


def test_the_critic_is_asked_for_the_state_and_not_the_prompt():
    past, generator = memory(samples=2), torch.Generator().manual_seed(0)
    past.add(Seen((advised("a", "Once"), 0, 2.0, 0.0), (advised("a", "Twice"), 0, 2.0, 0.0)))
    past.update_gaps(GivenValues(a=0.5))  # knows no prompt: asked for one it would raise
    drawn = past.draw(generator)
    assert drawn.gaps.tolist() == [1.5, 1.5]  # one state has one value
    assert {s.decision.prompt for s in drawn.samples} == {"Once a", "Twice a"}  # the actor reads the prompts
    with pytest.raises(KeyError):
        GivenValues(a=0.5).values([s.decision.prompt for s in drawn.samples])


# Coming back ----------------------------------------------------------------------------------------------------------


def filled():
    past = memory(rollouts=2, samples=3)
    past.add(Seen((advised("a", "Then"), 0, 1 / 3, 0.0), ("b", 1, 0.7, 0.1)))
    return past


def continued(past):
    """What is drawn after one more rollout."""
    past.add(Seen(("d", 1, 0.7, 0.1)))
    past.update_gaps(GivenValues(a=0.1, b=0.2, c=0.0, d=0.0))
    return past.draw(torch.Generator().manual_seed(3))


def brought_back(state):
    """From a state; what was there before is replaced."""
    past = memory(rollouts=2, samples=3)
    past.add(Seen(("c", 0, 9.0, 0.0)))
    past.load_state_dict(state)
    return past


def test_samples_come_back_exactly():
    state = json.loads(json.dumps(filled().state_dict()))
    expected, again = continued(filled()), continued(brought_back(state))
    assert again.samples == expected.samples
    assert torch.equal(again.gaps, expected.gaps)
    assert torch.equal(again.actions, expected.actions)
    assert brought_back(state).state_dict() == state
    assert advised("a", "Then") in [s.decision for s in expected.samples]


@pytest.mark.parametrize(("place", "lost"), [(1, None), (3, [])], ids=["prompt", "bias"])
def test_a_sample_that_lost_part_of_its_decision_is_another(place, lost):
    state = json.loads(json.dumps(filled().state_dict()))
    state["rollouts"][0][0][place] = lost
    assert continued(brought_back(state)).samples != continued(filled()).samples


ROW = ["s", None, list(MENU), [], 0, 1.0]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 3),
        (1, 3),
        (2, None),
        (3, None),
        (4, 2),
        (4, -1),
        (4, 0.0),
        (4, True),
        (5, math.nan),
        (5, math.inf),
        (5, "1"),
    ],
)
def test_a_forged_sample_is_refused(place, value):
    row = list(ROW)
    row[place] = value
    memory().load_state_dict({"rollouts": [[ROW]]})
    with pytest.raises(INVALID_CONTENT):
        memory().load_state_dict({"rollouts": [[row]]})


@pytest.mark.parametrize("forged", [{}, {"rollouts": None}, {"rollouts": [[ROW[:4]]]}, {"rollouts": [[[]]]}])
def test_forged_rollouts_are_refused(forged):
    with pytest.raises(INVALID_CONTENT):
        memory().load_state_dict(forged)
