"""The policy: acting and learning are one function, nothing is lost when memory runs out, no number that is none."""

import logging

import pytest
import torch
import zoo
from zoo import ALL, decisions, slow, worst
from zoo import policy as make

from twosome.rl.ppo import PPO
from twosome.errors import NumericsError
from twosome.types import Rollout

# Acting and learning are the same function --------------------------------------------------------------------


@pytest.mark.parametrize("reuse", [[], ALL])
@pytest.mark.parametrize(("family", "checkpointing"), [("llama", False), ("llama", True), ("gemma2", False), ("bloom", False)])
def test_evaluate_equals_acting(family, checkpointing, reuse):
    policy = make(family, reuse=reuse, checkpointing=checkpointing, budget=60)
    some = [*decisions(), *decisions()]
    zoo.shake(policy.lm)
    acted = policy.log_probs(some)
    seen = {}
    for index, log_probs in policy.evaluate_actions(some):
        log_probs[:, 0].sum().backward()
        seen |= {i: row[: len(some[i].menu)].detach() for i, row in zip(index, log_probs, strict=True)}
    assert sorted(seen) == list(range(len(some)))
    assert worst([seen[i] for i in range(len(some))], acted) < 1e-5
    assert all(p.grad is not None and p.grad.any() for p in policy.actor_parameters())


def learner_and_rollout(policy, steps=4, worlds=4):
    pool = decisions(3, size=steps * worlds)[: steps * worlds]
    grid = [pool[t * worlds : (t + 1) * worlds] for t in range(steps)]
    chosen = policy.log_probs(pool)
    actions = torch.tensor([k % len(d.menu) for k, d in enumerate(pool)])
    taken = torch.stack([row[a] for row, a in zip(chosen, actions, strict=True)])
    shape = (steps, worlds)
    zeros = torch.zeros(shape)
    rollout = Rollout(
        decisions=grid,
        next_states=[[d.prompt + " w4" for d in row] for row in grid],
        actions=actions.view(shape),
        log_probs=taken.view(shape),
        rewards=torch.randn(shape, generator=torch.Generator().manual_seed(0)),
        discounts=zeros + 0.9,
        terminated=zeros.bool(),
        truncated=zeros.bool(),
        is_real=~zeros.bool(),
        episodes=[],
    )
    from twosome.config.compose import compose

    cfg = compose(["ppo.actor.minibatch=8", "ppo.critic.minibatch=8", "ppo.actor.epochs=1", "ppo.actor.warmup_updates=0"])
    return PPO(policy, cfg.ppo, torch.Generator().manual_seed(0)), rollout


@pytest.mark.parametrize("budget", [4096, 40])
def test_the_first_ratio_is_one(budget):
    policy = make(budget=budget)
    zoo.shake(policy.lm)
    learner, rollout = learner_and_rollout(policy)
    metrics = learner.update(rollout, 0.0)
    assert metrics["policy/ratio_deviation_first"] < 1e-5
    assert metrics["policy/steps"] == 2


# Out of memory ------------------------------------------------------------------------------------------------


class Failing:
    """Makes the model run out of memory for the first `times` passes of more than `above` tokens."""

    def __init__(self, policy, times, above=0):
        self.left, self.above = times, above
        self.hook = policy.lm.get_base_model().model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, module, args, kwargs):
        if self.left and kwargs["input_ids"].numel() > self.above:
            self.left -= 1
            raise torch.OutOfMemoryError("CUDA out of memory (as a test)")


@pytest.mark.parametrize("times", [1, 2])
def test_acting_loses_nothing_when_memory_runs_out(times, caplog):
    some = decisions(size=10)
    expected, features = make().log_probs(some), make().features([d.prompt for d in some])
    policy = make(budget=4096)
    policy.log_probs(some[:1])
    Failing(policy, times, above=30)
    with caplog.at_level(logging.WARNING):
        assert worst(policy.log_probs(some), expected) < 1e-5
    assert policy.token_budget == 4096 // 2**times
    assert caplog.text.count("Out of memory") == times
    Failing(policy, times, above=30)
    torch.testing.assert_close(policy.features([d.prompt for d in some]), features, atol=1e-5, rtol=1e-5)
    assert policy.token_budget == 4096 // 4**times


@pytest.mark.parametrize("times", [1, 3])
def test_the_probe_survives_it_too(times):
    policy, some = make(), decisions()
    Failing(policy, times)
    assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
    assert policy.describe_scorer()["scorer"] == "trie"


@pytest.mark.parametrize("times", [1, 2])
def test_learning_repeats_the_step_with_the_same_result(times):
    results = []
    for failing in (0, times):
        policy = make(budget=256)
        zoo.shake(policy.lm)
        learner, rollout = learner_and_rollout(policy)
        Failing(policy, failing, above=100)
        metrics = learner.update(rollout, 0.0)
        assert metrics["policy/ratio_deviation_first"] < 1e-5
        results.append([p.detach().clone() for p in policy.actor_parameters()])
    assert policy.token_budget < 256
    assert worst(*results) < 1e-5


def test_memory_that_never_suffices_is_an_error():
    policy = make()
    Failing(policy, 10**6)
    with pytest.raises(torch.OutOfMemoryError):
        policy.log_probs(decisions())


def test_the_failed_pass_is_let_go():
    """The frames of the failed pass hold its tensors; they must be free before the next one begins."""
    import gc
    import weakref

    policy = make()
    alive = []

    def work(items):
        tensor = torch.zeros(10)
        alive.append(weakref.ref(tensor))
        if len(alive) == 1:
            raise torch.OutOfMemoryError
        gc.collect()
        assert alive[0]() is None
        yield list(range(len(items))), tensor[: len(items)]

    assert len(policy._complete([1, 2], work)) == 2


# The probe ----------------------------------------------------------------------------------------------------


def test_the_outcome_of_the_probe(caplog):
    policy = make()
    assert policy.describe_scorer() == {"scorer": "not probed yet", "token_budget": 512}
    with caplog.at_level(logging.INFO):
        policy.log_probs(decisions())
    assert caplog.text.count("Scorer: forest") == 1
    found = policy.describe_scorer()
    assert found["scorer"] == "trie"
    assert found["value_error"] < 5e-5
    assert 0 <= found["gradient_error"] < 1e-3
    assert found["refused"] == {}


def test_it_is_run_as_the_model_is_used_later(monkeypatch):
    """In train mode, with gradients, the adapters trainable, and on the environment's own prompts."""
    import twosome.lm.microbatch

    seen = []
    original = twosome.lm.microbatch.probe

    def spy(lm, menus, **options):
        seen.append((lm.training, sum(p.requires_grad for p in lm.parameters()), options["with_gradient"], menus[0][0].ids))
        return original(lm, menus, **options)

    monkeypatch.setattr(twosome.lm.microbatch, "probe", spy)
    policy, some = make(), decisions()
    policy.log_probs(some)
    policy.log_probs(decisions(5))
    list(policy.evaluate_actions(some))
    assert [s[:3] for s in seen] == [(True, len(policy.actor_parameters()), True)]
    assert seen[0][3] == policy.encoder(some[0])[0].ids


@pytest.mark.parametrize("family", ["bloom", "mistral_short_window"])
def test_a_fallback_is_said_once(family, caplog):
    policy, some = make(family), decisions()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            policy.clear_cache()
            assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
    assert caplog.text.count("forest refused") == 1


def test_adapters_stay_trainable_after_every_call():
    """PEFT's own switch unfreezes the base (PEFT issue 3447)."""
    policy, some = make(), decisions()
    trainable = [p.requires_grad for p in policy.lm.parameters()]
    policy.values([d.prompt for d in some])
    policy.log_probs(some)
    list(policy.evaluate_actions(some))
    policy.inspect(some[0].prompt, some[0].menu)
    assert [p.requires_grad for p in policy.lm.parameters()] == trainable
    assert sum(trainable) == len(policy.actor_parameters())


def test_dropout_is_on_only_while_learning():
    policy, some = make(dropout=0.5), decisions()
    zoo.shake(policy.lm)
    assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
    learnt = [row for _, rows in policy.evaluate_actions(some) for row in rows]
    assert len(learnt) == len(some)
    policy.clear_cache()
    assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5


# Numbers that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_nan_is_never_returned(value):
    policy, some = make(), decisions()
    policy.log_probs(some)
    policy.actor_parameters()[0].data.fill_(value)
    with pytest.raises(NumericsError, match=r"log-probability nan to action 'w.*after the prompt 'w") as error:
        policy.log_probs(some)
    assert any(repr(a) in str(error.value) for d in some for a in d.menu)


def test_a_broken_backbone_is_named_too():
    policy = make()
    policy.lm.get_base_model().lm_head.register_forward_pre_hook(lambda m, args: (args[0] * torch.nan,))
    with pytest.raises(NumericsError, match="after 'w4 w5'"):
        policy.values(["w4 w5"])


def test_values_do_not_depend_on_the_scorer_or_company():
    policy = make()
    prompts = [d.prompt for d in decisions()]
    before = policy.values(prompts)
    policy = make(scorer="separate")
    alone = torch.cat([policy.values([p]) for p in prompts])
    torch.testing.assert_close(before, alone, atol=1e-5, rtol=1e-4)
    policy = make(reuse=[])
    policy.log_probs(decisions())
    torch.testing.assert_close(policy.values(prompts), alone, atol=1e-5, rtol=1e-4)


def test_an_empty_batch():
    policy = make()
    assert policy.log_probs([]) == []
    assert list(policy.evaluate_actions([])) == []
