"""Laws of the batch: what values, advantages and targets an update learns from."""

import dataclasses

import pytest
import torch

from tests.rl.tasks import MENU, SMALL, ByLength, GivenValues, play, rollout_to, setup
from twosome.config.compose import compose
from twosome.protocols import Choice
from twosome.rl.batch import groups_of, make_batch
from twosome.rollout.collect import collect
from twosome.types import Decision, Rollout


def test_a_timeout_treated_as_terminal_and_a_bootstrapped_one_differ_only_there():
    made = setup("method=mlp")
    with torch.no_grad():
        made.policy.value_head.layers[-1].bias.fill_(1.0)
    rollout = play(made)
    timeouts = torch.zeros_like(rollout.terminated)
    timeouts[3] = True
    rollout = dataclasses.replace(rollout, terminated=torch.zeros_like(timeouts), truncated=timeouts)
    terminal = compose([*SMALL, "method=mlp", "ppo.truncation=death", "ppo.gae_lambda=0.0"]).ppo
    bootstrap = compose([*SMALL, "method=mlp", "ppo.gae_lambda=0.0"]).ppo
    batches = [make_batch(rollout, made.policy, settings) for settings in (bootstrap, terminal)]
    difference = (batches[0].advantages - batches[1].advantages).view(timeouts.shape)
    assert (difference[3] > 0.5).all()
    assert difference[~timeouts].abs().max() == 0


def test_a_dropped_step_enters_no_groups_mean():
    made = setup("method=mlp", "ppo.advantage=group")
    rollout = play(made)
    whole = make_batch(rollout, made.policy, made.cfg.ppo)
    rollout.rewards[-1] = 1000.0
    rollout.is_real[-1] = False
    rollout.truncated[-1] = True
    batch = make_batch(rollout, made.policy, made.cfg.ppo)
    groups = groups_of(batch.decisions)
    for group in groups.unique():
        assert batch.advantages[groups == group].sum().abs() < 1e-4  # each group's mean is its own
    assert len(batch) == len(whole) - 8
    assert batch.advantages.abs().max() <= 2.0


def test_a_dropped_step_leaks_nothing():
    """The steps before it get the advantages they would get if the episode had been truncated there, bootstrapped."""
    rollout, policy, settings = rollout_to(["b", "state", "longer"], steps=8), ByLength(), compose([]).ppo
    rollout.rewards[:] = torch.randn(rollout.rewards.shape, generator=torch.Generator().manual_seed(2))
    rollout.is_real[5, 0], rollout.truncated[5, 0] = False, True
    rollout.discounts[5, 0], rollout.rewards[5, 0] = 0.0, 0.0
    earlier = rollout.truncated.clone()
    earlier[4, 0] = True  # the reference: the episode is truncated one step earlier
    dropped = make_batch(rollout, policy, settings)
    reference = make_batch(dataclasses.replace(rollout, truncated=earlier), policy, settings)
    assert torch.allclose(dropped.advantages, reference.advantages)
    assert len(dropped) == rollout.rewards.numel() - 1
    taken = make_batch(dataclasses.replace(rollout, is_real=torch.ones_like(rollout.is_real)), policy, settings)
    kept = torch.ones(len(taken), dtype=torch.bool)
    kept[5 * 3] = False
    assert not torch.allclose(taken.advantages[kept], reference.advantages)  # the wrong variant: a step like any other


def test_advantages_alone_feel_the_bonus():
    rollout = rollout_to(["a", "b"])
    policy, settings = ByLength(), compose([]).ppo
    without = make_batch(rollout, policy, settings)
    with_bonus = make_batch(rollout, policy, settings, torch.tensor([[0.5, 0.0]]))
    assert (with_bonus.advantages - without.advantages).tolist() == pytest.approx([0.5, 0.0])
    assert with_bonus.targets.tolist() == without.targets.tolist()


def test_the_bonus_reaches_the_steps_that_led_to_it_and_none_before_an_end():
    rollout = dataclasses.replace(rollout_to(["a"], steps=3), discounts=torch.full((3, 1), 0.9))
    bonus, policy = torch.tensor([[0.0], [0.0], [1.0]]), ByLength()
    settings = compose(["ppo.gae_lambda=0.5"]).ppo

    def felt():
        with_bonus = make_batch(rollout, policy, settings, bonus).advantages
        return (with_bonus - make_batch(rollout, policy, settings).advantages).tolist()

    assert felt() == pytest.approx([0.45**2, 0.45, 1.0])
    rollout.terminated[1] = True
    assert felt() == pytest.approx([0.0, 0.0, 1.0])


# State and prompt -----------------------------------------------------------------------------------------------------


class OfStates(GivenValues):
    """A critic that knows states alone: asked for a prompt it raises."""

    value_head = staticmethod(lambda features: features[:, 0])

    def features(self, states):
        return self.values(states)[:, None]


def test_values_read_the_state_and_not_the_prompt():
    decisions = [Decision("home", "You were told: go right. home", MENU), Decision("home", "home", MENU, (0.0, 2.0))]
    rollout = rollout_to(["left", "right"], decisions=decisions)
    settings = compose(["ppo.gae_lambda=0.0"]).ppo
    batch = make_batch(rollout, OfStates(home=0.25, left=1.0, right=2.0), settings)
    assert batch.values.tolist() == [0.25, 0.25]
    assert batch.advantages.tolist() == [0.75, 1.75]
    assert batch.decisions == decisions  # the actor learns on what it read
    by_prompt = [d._replace(state=d.prompt) for d in decisions]  # the wrong variant
    with pytest.raises(KeyError):
        make_batch(
            rollout_to(["left", "right"], decisions=by_prompt), OfStates(home=0.25, left=1.0, right=2.0), settings
        )


def test_a_language_models_critic_computes_one_state_once():
    made = setup()
    decision = play(made).decisions[0][0]
    advised = [decision._replace(prompt=f"Hint {k}: {decision.prompt}") for k in range(4)]
    made.policy.counts.clear()
    batch = make_batch(rollout_to([decision.state] * 4, decisions=advised), made.policy, made.cfg.ppo)
    assert torch.equal(batch.features, batch.features[:1].expand_as(batch.features))
    assert made.policy.counts["states"] == 8
    assert made.policy.counts["states_computed"] <= 1
    made.policy.log_probs(advised)
    assert made.policy.counts["decisions_computed"] == 4  # to the actor they are four


# Targets --------------------------------------------------------------------------------------------------------------


def test_a_rollout_proposes_no_targets_unless_a_search_chose():
    assert Rollout.__dataclass_fields__["targets"].default is None
    assert rollout_to(["a"]).targets is None
    made = setup("method=mlp")
    assert play(made).targets is None


def test_what_a_search_proposes_stands_in_the_rollout():
    made = setup("method=mlp")

    def always_red(worlds, decisions, log_probs):
        one = torch.tensor([1.0, 0.0, 0.0, 0.0])
        return [Choice(one.log(), one if b else None) for b in range(len(worlds))]

    rollout = collect(made.worlds, 3, torch.Generator().manual_seed(0), always_red)
    assert (rollout.actions == 0).all()
    assert len(rollout.targets) == 3
    for row in rollout.targets:
        assert row[0] is None
        assert all(target.tolist() == [1.0, 0.0, 0.0, 0.0] for target in row[1:])


def session():
    """Three questions of two steps each in one world, rewarded at the answer; the last answer ends the episode."""
    rollout, policy = rollout_to(["b"], steps=6), ByLength()
    closes = torch.tensor([[False], [True]] * 3)
    rollout.rewards[:] = closes.float()
    rollout.terminated[-1] = True
    return dataclasses.replace(rollout, closes=closes, hints=torch.zeros(6, 1)), policy


def test_credit_per_question_sees_no_reward_of_a_later_one():
    rollout, policy = session()
    whole = compose(["ppo.gae_lambda=1.0", "ppo.advantage_normalization=none"]).ppo
    cut = dataclasses.replace(whole, credit="question")
    before = [make_batch(rollout, policy, settings) for settings in (whole, cut)]
    rollout.rewards[3:] += 5.0
    after = [make_batch(rollout, policy, settings) for settings in (whole, cut)]
    moved = [(new.targets - old.targets)[:2].abs().max() for old, new in zip(before, after, strict=True)]
    assert moved[0] >= 10.0  # the session's credit sees both answers that follow
    assert moved[1] == 0.0
    assert torch.equal(before[1].targets[1::2], torch.ones(3))  # an answer is worth its own reward alone


def test_a_hint_is_added_to_what_is_learnt_and_scaled():
    rollout, policy = session()
    rollout.hints[2] = 0.5
    plain = compose(["ppo.gae_lambda=1.0", "ppo.credit=question"]).ppo
    hinted = dataclasses.replace(plain, hint=0.1)
    without, same, with_hint = (
        make_batch(r, policy, s).targets
        for r, s in ((rollout, plain), (dataclasses.replace(rollout, hints=None), hinted), (rollout, hinted))
    )
    assert torch.equal(without, same)
    assert torch.allclose(with_hint - without, torch.tensor([0, 0, 0.05, 0, 0, 0]))


def test_lambda_decays_from_question_to_question_and_not_inside_one():
    """Of two ways to the same answer the one with more decisions is not charged for what the critic gets wrong later.

    A critic that is blind to how much is left: every question is worth 1 more than it expects. Decaying at every
    decision, as in a world without questions, the longer way would lose by it.
    """

    class Blind(ByLength):
        def values(self, states):
            return torch.zeros(len(states))

        value_head = staticmethod(lambda features: 0 * features[:, 0])

    def first(steps, lam=0.9, told=True):
        closes = torch.zeros(steps + 4, 1, dtype=torch.bool)
        closes[steps - 1 :] = True
        rollout = rollout_to(["b"], steps=steps + 4)
        rollout.rewards[:] = closes.float()
        rollout.terminated[-1] = True
        rollout = dataclasses.replace(rollout, closes=closes if told else None)
        settings = compose([f"ppo.gae_lambda={lam}"]).ppo
        return float(make_batch(rollout, Blind(), settings).advantages[0])

    assert first(3) == pytest.approx(first(1))
    assert first(1) == pytest.approx(sum(0.9**k for k in range(5)))
    assert first(3, told=False) < first(1, told=False) - 0.5  # the wrong variant
