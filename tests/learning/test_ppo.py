"""Laws of an update, and that every method learns something small in seconds."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Text

from twosome.config.compose import compose
from twosome.rollout.collect.evaluate import evaluate
from twosome.rl.self_imitation import Drawn, Sample
from twosome.systems.build import build
from twosome.rl.batch import groups_of, make_batch
from twosome.rollout.collect import Worlds, collect

COLOURS = ("red", "green", "blue", "white")


class Identity(gymnasium.Env):
    """Say the colour that the scene shows: one step, reward 1 if right. With one colour it is a bandit."""

    def __init__(self, colours=4):
        self.colours = colours
        self.action_space = Discrete(4)
        self.observation_space = Dict(scene=Text(200), goal=Text(200), vector=Box(0, 1, (4,), np.float32))

    def _answer(self):
        scene = f"The lamp is {COLOURS[self.colour]}."
        observation = {"scene": scene, "goal": "Say the colour of the lamp.", "vector": np.eye(4, dtype=np.float32)[self.colour]}
        return observation, {"actions": tuple(f"say {c}" for c in COLOURS), "action_mask": np.ones(4, bool), "duration": 1, "success": False}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.colour = int(self.np_random.integers(self.colours))
        return self._answer()

    def step(self, action):
        observation, info = self._answer()
        right = action == self.colour
        return observation, float(right), True, False, info | {"success": right}


gymnasium.register("TwosomeTest/Identity-v0", Identity)

SMALL = ["env.id=TwosomeTest/Identity-v0", "env.optimum=1.0", "num_envs=8", "rollout_steps=8", "total_steps=4096"]
SMALL += ["ppo.actor.minibatch=32", "ppo.critic.minibatch=32", "ppo.actor.warmup_updates=0"]
METHODS = [("twosome", 1), ("twosome", 4), ("group", 4), ("mlp", 4), ("tabular", 4)]


def learner_of(*overrides):
    cfg = compose([*SMALL, *overrides])
    policy, learner = build(cfg, torch.Generator().manual_seed(0))
    worlds = Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs, view=policy.view)
    return cfg, policy, learner, worlds


def rollout_of(cfg, policy, worlds, seed=0):
    return collect(worlds, policy, cfg.rollout_steps, cfg.env.gamma, torch.Generator().manual_seed(seed))


def copied(parameters):
    return [p.detach().clone() for p in parameters]


@pytest.fixture(scope="module")
def tiny():
    return learner_of()


@pytest.mark.parametrize(("method", "colours"), METHODS)
def test_a_bandit_and_an_identity_task_are_learnt(method, colours):
    cfg, policy, learner, worlds = learner_of(f"method={method}", f"env.kwargs.colours={colours}")
    for update in range(60):
        learner.update(rollout_of(cfg, policy, worlds, update), update / 60)
    result = evaluate(policy, cfg.env, cfg.policy.prompt, 40, seed=1)
    assert result["greedy"]["return_mean"] == 1.0
    assert result["sampled"]["return_mean"] >= 0.8


def test_the_first_ratio_is_one(tiny):
    cfg, policy, learner, worlds = tiny
    for seed in range(3):
        metrics = learner.update(rollout_of(cfg, policy, worlds, seed), 0.0)
        assert metrics["policy/ratio_deviation_first"] < 1e-5


def test_no_gradient_reaches_a_frozen_weight_and_every_trainable_one_learns(tiny):
    cfg, policy, learner, worlds = tiny
    trainable = {id(p) for p in policy.actor_parameters()}
    frozen = [p for p in policy.lm.parameters() if id(p) not in trainable]
    before_frozen, before = copied(frozen), copied(policy.actor_parameters())
    before_head = copied(policy.value_head.parameters())
    for seed in range(2):  # the A matrices get a gradient once the B matrices have left zero
        learner.update(rollout_of(cfg, policy, worlds, seed), 0.0)
    assert all(torch.equal(a, b) and b.grad is None and not b.requires_grad for a, b in zip(before_frozen, frozen, strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(before, policy.actor_parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(before_head, policy.value_head.parameters(), strict=True))


def test_the_optimisers_hold_what_they_should_and_nothing_else(tiny):
    _, policy, learner, _ = tiny
    actor = {id(p) for group in learner.actor.param_groups for p in group["params"]}
    critic = {id(p) for group in learner.critic.param_groups for p in group["params"]}
    assert actor == {id(p) for p in policy.lm.parameters() if p.requires_grad}
    assert critic == {id(p) for p in policy.value_head.parameters()}
    assert not actor & critic


def gradient_of(policy, learner, batch, group, past=None):
    learner.actor.zero_grad(set_to_none=True)
    learner._accumulate(batch, group, learner._normalized(batch.advantages, torch.arange(len(batch))), 0.01, past)
    return torch.cat([p.grad.flatten() for p in policy.actor_parameters() if p.grad is not None])


def test_accumulated_parts_and_small_passes_give_the_gradient_of_the_whole(tiny):
    cfg, policy, learner, worlds = tiny
    batch = make_batch(rollout_of(cfg, policy, worlds), policy, cfg.ppo)
    group = torch.arange(len(batch))
    whole = gradient_of(policy, learner, batch, group)
    budget, policy.token_budget = policy.token_budget, 40
    parts = gradient_of(policy, learner, batch, group)
    policy.token_budget = budget
    assert whole.norm() > 0
    torch.testing.assert_close(parts, whole, atol=1e-5 * whole.norm().item(), rtol=1e-3)
    half = gradient_of(policy, learner, batch, group[: len(batch) // 2])
    assert (half - whole).norm() > 1e-2 * whole.norm()  # a lost part would show


def test_new_and_past_samples_in_the_same_passes_give_the_sum_of_their_gradients(tiny):
    cfg, policy, learner, worlds = tiny
    batch = make_batch(rollout_of(cfg, policy, worlds, seed=3), policy, cfg.ppo)
    group = torch.arange(len(batch))
    samples = [Sample(batch.decisions[i], 1, 1.0) for i in (0, 5, 9)]
    past = Drawn(samples, torch.tensor([1, 1, 1]), torch.tensor([0.3, 0.1, 0.2]), weight=1.0)
    new, both = gradient_of(policy, learner, batch, group), gradient_of(policy, learner, batch, group, past)
    learner.actor.zero_grad(set_to_none=True)
    spread = batch.advantages.std(correction=0).item() + cfg.ppo.advantage_floor
    for index, log_probs in policy.evaluate_actions([s.decision for s in samples]):
        past.loss(torch.tensor(index), log_probs, spread).backward()
    alone = torch.cat([p.grad.flatten() for p in policy.actor_parameters() if p.grad is not None])
    assert alone.norm() > 0.05 * new.norm()  # a lost part would show
    torch.testing.assert_close(both, new + alone, atol=1e-5 * both.norm().item(), rtol=1e-3)


def test_an_incomplete_last_group_is_an_optimiser_step_too():
    cfg, policy, learner, worlds = learner_of("method=mlp", "ppo.actor.epochs=1", "ppo.target_kl=null")
    rollout = rollout_of(cfg, policy, worlds)
    rollout.is_real[0, :4] = False  # four samples spoilt: 60 are left, 32 + 28
    metrics = learner.update(rollout, 0.0)
    assert metrics["policy/steps"] == 2


def test_the_kl_guard_drops_the_pending_step():
    cfg, policy, learner, worlds = learner_of("method=mlp", "ppo.target_kl=1e-6", "ppo.actor.minibatch=64", "ppo.actor.epochs=5")
    rollout = rollout_of(cfg, policy, worlds)
    metrics = learner.update(rollout, 0.0)
    assert (metrics["policy/steps"], metrics["policy/kl_stop"]) == (1, 1)  # at the first step old and new are equal: KL 0
    after_one = copied(policy.actor_parameters())
    _cfg1, policy1, learner1, _ = learner_of("method=mlp", "ppo.target_kl=null", "ppo.actor.minibatch=64", "ppo.actor.epochs=1")
    learner1.update(rollout, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(after_one, policy1.actor_parameters(), strict=True))


def test_warm_up_teaches_the_critic_alone():
    cfg, policy, learner, worlds = learner_of("method=mlp", "ppo.actor.warmup_updates=1")
    before = copied(policy.actor_parameters())
    metrics = learner.update(rollout_of(cfg, policy, worlds), 0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, policy.actor_parameters(), strict=True))
    assert "loss/value" in metrics
    assert "loss/policy" not in metrics
    learner.update(rollout_of(cfg, policy, worlds), 0.0)
    assert any(not torch.equal(a, b) for a, b in zip(before, policy.actor_parameters(), strict=True))


def test_rates_and_entropy_follow_their_schedules():
    cfg, policy, learner, worlds = learner_of("method=mlp")
    rollout = rollout_of(cfg, policy, worlds)
    first, last = (learner.update(rollout, p)["learning_rate/actor"] for p in (0.0, 1.0))
    assert first == pytest.approx(cfg.ppo.actor.learning_rate)
    assert last == pytest.approx(cfg.ppo.actor.learning_rate * cfg.ppo.learning_rate_end)


def test_published_normalisation_is_within_the_minibatch():
    _cfg, _policy, learner, _worlds = learner_of("method=mlp", "ppo.advantage_normalization=minibatch", "ppo.actor.minibatch=4")
    advantages = torch.randn(64, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
    normalized = learner._normalized(advantages, order)
    for index in order.split(4):
        assert normalized[index].mean().abs() < 1e-6
        torch.testing.assert_close(normalized[index].std(correction=0), torch.tensor(1.0), atol=1e-4, rtol=0)


def test_death_and_bootstrap_differ_only_at_truncations():
    cfg, policy, _learner, worlds = learner_of("method=mlp")
    rollout = rollout_of(cfg, policy, worlds)
    with torch.no_grad():
        policy.value_head.layers[-1].bias.fill_(1.0)
    cut = torch.zeros_like(rollout.terminated)
    cut[3] = True
    object.__setattr__(rollout, "terminated", torch.zeros_like(cut))
    object.__setattr__(rollout, "truncated", cut)
    death = compose([*SMALL, "method=mlp", "ppo.truncation=death", "ppo.gae_lambda=0.0"]).ppo
    bootstrap = compose([*SMALL, "method=mlp", "ppo.gae_lambda=0.0"]).ppo
    difference = (make_batch(rollout, policy, bootstrap).advantages - make_batch(rollout, policy, death).advantages).view(cut.shape)
    assert (difference[3] > 0.5).all()
    assert difference[~cut].abs().max() == 0


def test_a_dropped_step_enters_no_groups_mean():
    cfg, policy, _learner, worlds = learner_of("method=mlp", "ppo.advantage=group")
    rollout = rollout_of(cfg, policy, worlds)
    whole = make_batch(rollout, policy, cfg.ppo)
    rollout.rewards[-1] = 1000.0
    rollout.is_real[-1] = False
    rollout.truncated[-1] = True
    batch = make_batch(rollout, policy, cfg.ppo)
    groups = groups_of(batch.decisions)
    for group in groups.unique():
        assert batch.advantages[groups == group].sum().abs() < 1e-4  # each group's mean is its own
    assert len(batch) == len(whole) - 8
    assert batch.advantages.abs().max() <= 2.0
