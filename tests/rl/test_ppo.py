"""Laws of an update, and that every method learns something small in seconds."""

import copy
from types import SimpleNamespace

import pytest
import torch

from tests.rl.tasks import all_equal, copied, play, setup
from twosome.errors import INVALID_CONTENT
from twosome.rl import losses
from twosome.rl.batch import make_batch
from twosome.rl.optimizers import LastStep
from twosome.rl.self_imitation import Drawn, Sample
from twosome.rollout.evaluate import evaluate

BANDIT = pytest.param("twosome", 1, marks=pytest.mark.slow)  # less than the identity task, of four of them
GROUP = pytest.param("group", 4, marks=pytest.mark.slow)
METHODS = [BANDIT, ("twosome", 4), GROUP, ("mlp", 4), ("tabular", 4)]


@pytest.fixture(scope="module")
def tiny():
    return setup()


@pytest.mark.parametrize(("method", "colours"), METHODS)
def test_a_bandit_and_an_identity_task_are_learnt(method, colours):
    made = setup(f"method={method}", f"env.kwargs.colours={colours}")
    for update in range(60):
        made.learner.update(play(made, update), update / 60)
    result = evaluate(made.policy, made.cfg.env, 40, seed=1)
    assert result["greedy"]["return_mean"] == 1.0
    assert result["sampled"]["return_mean"] >= 0.8


def test_the_first_ratio_is_one(tiny):
    for seed in range(3):
        metrics = tiny.learner.update(play(tiny, seed), 0.0)
        assert metrics["policy/ratio_deviation_first"] < 1e-5


def test_no_gradient_reaches_a_frozen_weight_and_every_trainable_one_learns(tiny):
    policy = tiny.policy
    trainable = {id(p) for p in policy.actor_parameters()}
    frozen = [p for p in policy.lm.parameters() if id(p) not in trainable]
    before_frozen, before = copied(frozen), copied(policy.actor_parameters())
    before_head = copied(policy.value_head.parameters())
    for seed in range(2):  # the A matrices get a gradient once the B matrices have left zero
        tiny.learner.update(play(tiny, seed), 0.0)
    assert all_equal(before_frozen, frozen)
    assert all(p.grad is None and not p.requires_grad for p in frozen)
    assert all(not torch.equal(a, b) for a, b in zip(before, policy.actor_parameters(), strict=True))
    assert not all_equal(before_head, policy.value_head.parameters())


def test_the_optimisers_hold_what_they_should_and_nothing_else(tiny):
    actor = {id(p) for group in tiny.learner.actor.param_groups for p in group["params"]}
    critic = {id(p) for group in tiny.learner.critic.param_groups for p in group["params"]}
    assert actor == {id(p) for p in tiny.policy.lm.parameters() if p.requires_grad}
    assert critic == {id(p) for p in tiny.policy.value_head.parameters()}
    assert not actor & critic


# Gradients ------------------------------------------------------------------------------------------------------------


def gradient_of(made, batch, group, past=None):
    """The actor's gradient of one optimiser step."""
    made.learner.actor.zero_grad(set_to_none=True)
    advantages = made.learner._normalized(batch, torch.arange(len(batch)))
    made.learner._accumulate(batch, group, advantages, 0.01, past)
    return flat_gradient(made.policy)


def flat_gradient(policy):
    return torch.cat([p.grad.flatten() for p in policy.actor_parameters() if p.grad is not None])


def test_small_micro_batches_give_the_gradient_of_the_whole(tiny):
    batch = make_batch(play(tiny), tiny.policy, tiny.cfg.ppo)
    group = torch.arange(len(batch))
    whole = gradient_of(tiny, batch, group)
    engine = tiny.policy.engine
    budget, engine.token_budget = engine.token_budget, 40
    parts = gradient_of(tiny, batch, group)
    engine.token_budget = budget
    assert whole.norm() > 0
    torch.testing.assert_close(parts, whole, atol=1e-5 * whole.norm().item(), rtol=1e-3)
    half = gradient_of(tiny, batch, group[: len(batch) // 2])
    assert (half - whole).norm() > 1e-2 * whole.norm()  # a lost part would show


def test_new_and_past_samples_together_give_the_sum_of_their_gradients(tiny):
    policy, learner = tiny.policy, tiny.learner
    batch = make_batch(play(tiny, seed=3), policy, tiny.cfg.ppo)
    group = torch.arange(len(batch))
    samples = [Sample(batch.decisions[i], 1, 1.0) for i in (0, 5, 9)]
    past = Drawn(samples, torch.tensor([1, 1, 1]), torch.tensor([0.3, 0.1, 0.2]), weight=1.0)
    new, both = gradient_of(tiny, batch, group), gradient_of(tiny, batch, group, past)
    learner.actor.zero_grad(set_to_none=True)
    scale = batch.advantages.std(correction=0).item() + tiny.cfg.ppo.advantage_floor
    for index, log_probs in policy.evaluate_actions([s.decision for s in samples]):
        past.loss(torch.tensor(index), log_probs, scale).backward()
    alone = flat_gradient(policy)
    assert alone.norm() > 0.05 * new.norm()  # a lost part would show
    torch.testing.assert_close(both, new + alone, atol=1e-5 * both.norm().item(), rtol=1e-3)


# Steps ----------------------------------------------------------------------------------------------------------------


def test_an_incomplete_last_group_is_an_optimiser_step_too():
    made = setup("method=mlp", "ppo.actor.epochs=1", "ppo.target_kl=null")
    rollout = play(made)
    rollout.is_real[0, :4] = False  # four samples spoilt: 60 are left, 32 + 28
    assert made.learner.update(rollout, 0.0)["policy/steps"] == 2


def test_the_kl_guard_drops_the_pending_step():
    made = setup("method=mlp", "ppo.target_kl=1e-6", "ppo.actor.minibatch=64", "ppo.actor.epochs=5")
    rollout = play(made)
    metrics = made.learner.update(rollout, 0.0)
    assert (metrics["policy/steps"], metrics["policy/kl_stop"]) == (1, 1)  # at the first step old and new are equal
    one = setup("method=mlp", "ppo.target_kl=null", "ppo.actor.minibatch=64", "ppo.actor.epochs=1")
    one.learner.update(rollout, 0.0)
    assert all_equal(made.policy.actor_parameters(), one.policy.actor_parameters())


def moved(kl, rate=0.001):
    """How far an update takes a decided policy towards an action that nobody plays and an old sample praises: KL."""
    made = setup(
        "method=mlp",
        "ppo=default",
        f"ppo.kl={kl}",
        f"ppo.actor={{warmup_updates:0,epochs:90,learning_rate:{rate}}}",
        "ppo.count_bonus=0",
    )
    with torch.no_grad():
        made.policy.network[-1].bias.copy_(torch.tensor([8.0, 0.0, 0.0, 0.0]))
    rollout = play(made)
    rollout.rewards.fill_(1.0)  # all is as good as can be
    before = made.policy.log_probs([d for row in rollout.decisions for d in row])
    assert all(row[0].exp() > 0.99 for row in before)
    past = [Sample(d, 1, 9.0) for d in {d for row in rollout.decisions for d in row}]
    made.learner.self_imitation.rollouts.append(past)
    metrics = made.learner.update(rollout, 0.0)
    after = made.policy.log_probs([d for row in rollout.decisions for d in row])
    played = rollout.actions.flatten().bincount(minlength=4)
    assert played[1] == 0
    kl = losses.kl(torch.stack(before), torch.stack(after)).mean().item()
    return kl, metrics["policy/kl_stop"]


def test_the_kl_guard_sees_an_action_grow_that_nobody_plays():
    """Estimated from the played actions it is far smaller than it is: so solved policies collapsed."""
    target = setup("method=mlp", "ppo=default").cfg.ppo.target_kl
    kl, stopped = moved("menu")
    assert stopped
    assert 0.3 * target < kl < 2 * target
    kl, stopped = moved("actions")
    assert stopped
    assert kl > 5 * target


def test_a_step_that_led_beyond_the_kl_target_is_shortened_to_it():
    """One step of a decided policy can overthrow it, after which it is too late to stop."""
    target = setup("method=mlp", "ppo=default").cfg.ppo.target_kl
    kl, stopped = moved("menu", rate=0.03)
    assert stopped
    assert 0.3 * target < kl < 2 * target


@pytest.mark.parametrize("before", [0.0, -1e-9])
@pytest.mark.parametrize(("kl", "left"), [(0.2, 0.5), (0.05, 1.0), (5.0, 0.1)])
def test_the_share_of_a_shortened_step(kl, left, before):
    """From where old and new are equal: the KL is quadratic in the step, so a fourth of it is half of the step."""
    parameter = torch.nn.Parameter(torch.zeros(3))
    last = LastStep(torch.optim.SGD([parameter], lr=1.0))
    last.shorten(kl, 0.05)  # before any step there is nothing to shorten
    last.keep(before)
    with torch.no_grad():
        parameter.fill_(1.0)
    last.shorten(kl, 0.05)
    torch.testing.assert_close(parameter.detach(), torch.full((3,), left))


def test_warm_up_teaches_the_critic_alone():
    made = setup("method=mlp", "ppo.actor.warmup_updates=1")
    before = copied(made.policy.actor_parameters())
    metrics = made.learner.update(play(made), 0.0)
    assert all_equal(before, made.policy.actor_parameters())
    assert "loss/value" in metrics
    assert "loss/policy" not in metrics
    made.learner.update(play(made), 0.0)
    assert not all_equal(before, made.policy.actor_parameters())


def test_rates_and_entropy_follow_their_schedules():
    made = setup("method=mlp")
    rollout = play(made)
    first, last = (made.learner.update(rollout, p)["learning_rate/actor"] for p in (0.0, 1.0))
    assert first == pytest.approx(made.cfg.ppo.actor.learning_rate)
    assert last == pytest.approx(made.cfg.ppo.actor.learning_rate * made.cfg.ppo.learning_rate_end)


def test_published_normalisation_is_within_the_minibatch():
    made = setup("method=mlp", "ppo.advantage_normalization=minibatch", "ppo.actor.minibatch=4")
    advantages = torch.randn(64, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
    batch = SimpleNamespace(learnt=SimpleNamespace(advantages=advantages), rows_of=lambda index: index)
    normalized = made.learner._normalized(batch, order)
    for index in order.split(4):
        assert normalized[index].mean().abs() < 1e-6
        torch.testing.assert_close(normalized[index].std(correction=0), torch.tensor(1.0), atol=1e-4, rtol=0)


# Coming back ----------------------------------------------------------------------------------------------------------

KEPT = ("updates", "actor", "critic", "self_imitation", "count_bonus")
FULL = ["method=mlp_full", "ppo.actor.warmup_updates=1", "ppo.critic.warmup_updates=0", "ppo.actor.epochs=2"]


@pytest.fixture(scope="module")
def stopped():
    """A learner after two updates, as a checkpoint would keep it; the next rollout, and what learning from it gives."""
    made = setup(*FULL)
    for seed in range(2):
        made.learner.update(play(made, seed), 0.1)
    rollout = play(made, 2)
    saved = copy.deepcopy((made.policy.weights(), made.learner.state_dict(), made.generator.get_state()))
    return saved, rollout, continued(made, rollout)


def continued(made, rollout):
    """The metrics, the weights and the state after one more update."""
    metrics = made.learner.update(rollout, 0.2)
    weights = [*made.policy.actor_parameters(), *made.policy.value_head.parameters()]
    return metrics, [w.flatten().tolist() for w in weights], nested(made.learner.state_dict())


def nested(state):
    """A state whose tensors are lists, so that two can be compared."""
    if isinstance(state, dict):
        return {key: nested(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, torch.Tensor) else state


def brought_back(saved, without=None):
    """A new learner with the saved state; `without` one of its parts, which is then as at the start."""
    weights, state, random = copy.deepcopy(saved)
    made = setup(*FULL)
    made.policy.set_weights(weights)
    made.generator.set_state(random)
    if without is not None:
        state[without] = made.learner.state_dict()[without]
    made.learner.load_state_dict(state)
    return made


def test_a_learner_brought_back_continues_exactly(stopped):
    saved, rollout, expected = stopped
    assert continued(brought_back(saved), rollout) == expected


@pytest.mark.parametrize("part", KEPT)
def test_no_part_of_what_is_kept_can_be_left_out(stopped, part):
    saved, rollout, (metrics, weights, _) = stopped
    other_metrics, other_weights, _ = continued(brought_back(saved, without=part), rollout)
    assert (other_metrics, other_weights) != (metrics, weights)


def test_the_counter_of_skipped_updates_comes_back(stopped):
    made = setup(*FULL)
    made.learner.load_state_dict(copy.deepcopy(stopped[0][1]) | {"bad_updates": 3})
    assert made.learner.bad_updates == 3


def actor(state, **changes):
    """The state with other entries of the actor's first parameter."""
    first = next(iter(state["actor"]))
    return state | {"actor": {first: state["actor"][first] | changes}}


FORGERIES = {
    "nothing": lambda state: None,
    "a negative counter": lambda state: state | {"updates": -1},
    "a counter that is text": lambda state: state | {"updates": "2"},
    "a counter that is a bool": lambda state: state | {"bad_updates": True},
    "moments of another shape": lambda state: actor(state, exp_avg=torch.zeros(3, 3, 3)),
    "a NaN": lambda state: actor(state, exp_avg=torch.tensor(torch.nan)),
    "moments that are no tensors": lambda state: actor(state, exp_avg=1.0),
    "another optimiser's": lambda state: actor(state, momentum_buffer=torch.zeros(())),
    "a missing moment": lambda state: state | {"critic": {"0": {"step": torch.zeros(())}}},
    "an unknown parameter": lambda state: state | {"actor": {"999": state["actor"]["0"]}},
    "a parameter without a number": lambda state: state | {"actor": {"first": state["actor"]["0"]}},
    "counts": lambda state: state | {"count_bonus": {"counts": {"x": -1}}},
    "samples": lambda state: state | {"self_imitation": {"rollouts": [[["s", None, ["a"], [], 5, 1.0]]]}},
    **{f"no {name}": lambda state, name=name: {k: v for k, v in state.items() if k != name} for name in KEPT},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_state_is_refused(stopped, forgery):
    forged = FORGERIES[forgery](copy.deepcopy(stopped[0][1]))
    learner = setup(*FULL).learner
    with pytest.raises(INVALID_CONTENT):
        learner.load_state_dict(forged)
