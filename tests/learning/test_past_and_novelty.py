"""Laws of what the update adds to PPO: learning again from one's own past, and the bonus for scenes seldom met."""

import math

import pytest
import torch

from twosome.config.compose import compose
from twosome.rl.self_imitation import Drawn, Sample, SelfImitation
from twosome.rl.count_bonus import CountBonus
from twosome.rl.batch import make_batch
from twosome.types import Decision, Rollout

MENU = ("go left", "go right")


class Critic:
    """Values of prompts, given."""

    def __init__(self, **values):
        self.known = values

    def values(self, prompts):
        return torch.tensor([self.known[p] for p in prompts])


class Seen:
    """As much of a batch as the memory reads: (prompt, action, target, value) of every sample."""

    def __init__(self, *rows):
        self.decisions = [Decision.plain(prompt, MENU) for prompt, *_ in rows]
        self.actions = torch.tensor([row[1] for row in rows])
        self.targets, self.values = (torch.tensor([float(row[k]) for row in rows]) for k in (2, 3))


def memory(weight=1.0, rollouts=3, samples=4):
    return SelfImitation(compose([f"ppo.self_imitation={{weight:{weight},rollouts:{rollouts},samples:{samples}}}"]).ppo.self_imitation)


class Baselike(Critic):
    """The least that a batch asks of a policy: features of one number, a head that doubles them."""

    value_head = staticmethod(lambda features: 2 * features[:, 0])

    def features(self, prompts):
        return torch.tensor([[len(p) / 10] for p in prompts])

    def values(self, prompts):
        return self.value_head(self.features(prompts))


def rollout_of(prompts, is_real=None, steps=1):
    """A rollout whose worlds come to these prompts, one each, at every step."""
    zeros = torch.zeros(steps, len(prompts))
    no = zeros.bool()
    here = [Decision.plain("start", MENU)] * len(prompts)
    return Rollout(
        decisions=[here] * steps, next_states=[list(prompts)] * steps, actions=zeros.long(), log_probs=zeros, rewards=zeros, discounts=zeros + 1,
        terminated=no.clone(), truncated=no, is_real=~no if is_real is None else torch.tensor([is_real]), episodes=[],
    )  # fmt: skip


# The past ------------------------------------------------------------------------------------------------------------------


def test_only_what_did_better_than_expected_is_kept_once_with_its_best_target():
    past = memory()
    past.add(Seen(("a", 0, 1.0, 0.5), ("a", 0, 2.0, 0.5), ("a", 1, 0.2, 0.5), ("b", 1, 0.6, 0.5)))
    assert [tuple(s) for s in past.rollouts[0]] == [
        (Decision.plain("a", MENU), 0, 2.0),
        (Decision.plain("b", MENU), 1, pytest.approx(0.6)),
    ]


def test_samples_come_in_proportion_to_their_gain_over_the_present_critic():
    past = memory(samples=1)
    past.add(Seen(("a", 0, 3.0, 0.0), ("b", 0, 1.0, 0.0), ("c", 0, 1.0, 0.0)))
    critic, generator = Critic(a=0.0, b=0.0, c=5.0), torch.Generator().manual_seed(0)
    past.appraise(critic)
    drawn = [past.draw(generator).samples[0].decision.prompt for _ in range(400)]
    assert 0.68 < drawn.count("a") / 400 < 0.82  # 3 of 4; equal chances would give .5
    assert "c" not in drawn  # the critic expects more by now


def test_nothing_is_drawn_where_nothing_gains_or_the_weight_is_zero():
    generator = torch.Generator()
    for past, value in ((memory(), 2.0), (memory(weight=0.0), 0.0)):
        past.add(Seen(("a", 0, 1.0, 0.0)))
        past.appraise(Critic(a=value))
        assert past.draw(generator) is None
    assert not memory(weight=0.0).state()
    assert memory().draw(generator) is None


def test_old_rollouts_leave():
    past = memory(rollouts=2)
    for name in "abc":
        past.add(Seen((name, 0, 1.0, 0.0)))
    assert [s.decision.prompt for rollout in past.rollouts for s in rollout] == ["b", "c"]


def test_the_loss_is_the_weighted_mean_of_the_definition():
    samples = [Sample(Decision.plain("a", MENU), 0, 1.0), Sample(Decision.plain("b", MENU), 1, 1.0)]
    drawn = Drawn(samples, torch.tensor([0, 1]), torch.tensor([0.5, 40.0]), weight=2.0)
    log_probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    expected = -2.0 / 2 * (0.5 / 0.25 * math.log(0.25) + 3.0 * math.log(0.5))  # the second gain is cut at three spreads
    assert drawn.loss(torch.arange(2), log_probs, spread=0.25).item() == pytest.approx(expected)
    parts = sum(drawn.loss(torch.tensor([i]), log_probs[[i]], spread=0.25) for i in range(2))
    assert parts.item() == pytest.approx(expected)  # pass by pass is the same


# Novelty -------------------------------------------------------------------------------------------------------------------


def test_the_bonus_is_shared_by_the_visits():
    novelty = CountBonus(0.6)
    assert novelty.bonuses(rollout_of(["a", "b", "a", "a"]))[0].tolist() == pytest.approx([0.6, 0.6, 0.3, 0.2])
    assert novelty.bonuses(rollout_of(["a"])).item() == pytest.approx(0.15)
    assert novelty.bonuses(rollout_of(["c"])).item() == pytest.approx(0.6)


def test_a_spoilt_step_pays_and_counts_nothing():
    novelty = CountBonus(0.5)
    assert novelty.bonuses(rollout_of(["a", "b"], is_real=[False, True]))[0].tolist() == [0.0, 0.5]
    assert novelty.bonuses(rollout_of(["a"])).item() == 0.5


def test_without_a_bonus_nothing_is_counted():
    novelty = CountBonus(0.0)
    assert novelty.bonuses(rollout_of(["a"])) is None
    assert not novelty.counts


def test_advantages_alone_feel_the_bonus():
    rollout = rollout_of(["a", "b"])
    policy, settings = Baselike(), compose([]).ppo
    without, with_bonus = make_batch(rollout, policy, settings), make_batch(rollout, policy, settings, torch.tensor([[0.5, 0.0]]))
    assert (with_bonus.advantages - without.advantages).tolist() == pytest.approx([0.5, 0.0])
    assert with_bonus.targets.tolist() == without.targets.tolist()


def test_the_bonus_reaches_the_steps_that_led_to_it_and_none_before_an_end():
    rollout = rollout_of(["a"], steps=3)
    object.__setattr__(rollout, "discounts", torch.full((3, 1), 0.9))
    bonus, policy = torch.tensor([[0.0], [0.0], [1.0]]), Baselike()
    settings = compose(["ppo.gae_lambda=0.5"]).ppo
    plain = make_batch(rollout, policy, settings).advantages
    assert (make_batch(rollout, policy, settings, bonus).advantages - plain).tolist() == pytest.approx([0.45**2, 0.45, 1.0])
    rollout.terminated[1] = True
    plain = make_batch(rollout, policy, settings).advantages
    assert (make_batch(rollout, policy, settings, bonus).advantages - plain).tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_counts_come_back_from_a_checkpoint_and_a_forged_one_is_refused():
    novelty, again = CountBonus(0.5), CountBonus(0.5)
    novelty.bonuses(rollout_of(["a", "a", "b"]))
    again.restore(novelty.state())
    assert again.bonuses(rollout_of(["a", "b"]))[0].tolist() == novelty.bonuses(rollout_of(["a", "b"]))[0].tolist()
    for forged in ([], {"x": 0}, {"x": "1"}, {"x": True}, {"x": 10**400}):
        with pytest.raises(ValueError, match="counts of prompts"):
            CountBonus(0.5).restore(forged)
