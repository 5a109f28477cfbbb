"""The policy: acting and learning are one function, no number that is none, and its state comes back."""

import json
from types import SimpleNamespace

import pytest
import torch
import zoo
from zoo import ALL, OutOfMemory, decisions, forward_everywhere, learner_and_rollout, learnt, relative, slow, worst
from zoo import policy as make

import twosome
from twosome.agents.llm_policy import LLMPolicy
from twosome.errors import INVALID_CONTENT, CheckpointError, MenuError, NumericsError
from twosome.lm.value_head import ValueHead

# Acting and learning are the same function ------------------------------------------------------------------


@pytest.mark.parametrize("reuse", [[], ALL])
@pytest.mark.parametrize(
    ("family", "checkpointing"), [("llama", False), ("llama", True), ("gemma2", False), ("bloom", False)]
)
def test_learning_equals_acting(family, checkpointing, reuse):
    policy = make(family, reuse=reuse, checkpointing=checkpointing, budget=60)
    some = [*decisions(), *decisions()]
    zoo.shake(policy.lm)
    acted = policy.log_probs(some)
    assert worst(learnt(policy, some)[0], acted) < 1e-5
    assert all(p.grad is not None and p.grad.any() for p in policy.actor_parameters())


@pytest.mark.parametrize("budget", [4096, 40])
def test_the_first_ratio_is_one(budget):
    policy = make(budget=budget)
    zoo.shake(policy.lm)
    learner, rollout = learner_and_rollout(policy)
    metrics = learner.update(rollout, 0.0)
    assert metrics["policy/ratio_deviation_first"] < 1e-5
    assert metrics["policy/steps"] == 2


@pytest.mark.parametrize("times", [1, 2])
def test_learning_repeats_the_step_with_the_same_result_when_memory_runs_out(times):
    results = []
    for failing in (0, times):
        policy = make(budget=256)
        zoo.shake(policy.lm)
        learner, rollout = learner_and_rollout(policy)
        OutOfMemory(policy, failing, above=100)
        metrics = learner.update(rollout, 0.0)
        assert metrics["policy/ratio_deviation_first"] < 1e-5
        results.append([p.detach().clone() for p in policy.actor_parameters()])
    assert policy.token_budget < 256
    assert worst(*results) < 1e-5


def test_adapters_stay_trainable_after_every_call():
    """PEFT's own switch unfreezes the base (PEFT issue 3447)."""
    policy, some = make(), decisions()
    trainable = [p.requires_grad for p in policy.lm.parameters()]
    policy.values([d.state for d in some])
    policy.log_probs(some)
    list(policy.evaluate_actions(some))
    policy.inspect(some[0].prompt, some[0].menu)
    policy.inspect(some[0].prompt, some[0].menu, adapter=False)
    assert [p.requires_grad for p in policy.lm.parameters()] == trainable
    assert sum(trainable) == len(policy.actor_parameters())


def test_dropout_is_on_only_while_learning():
    policy, some = make(dropout=0.5), decisions()
    zoo.shake(policy.lm)
    assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
    rows = [row for _, rows in policy.evaluate_actions(some) for row in rows]
    assert len(rows) == len(some)
    policy.clear_cache()
    assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5


def test_values_do_not_depend_on_the_scorer_or_company():
    policy = make()
    states = [d.state for d in decisions()]
    before = policy.values(states)
    policy = make(scorer="separate")
    alone = torch.cat([policy.values([s]) for s in states])
    torch.testing.assert_close(before, alone, atol=1e-5, rtol=1e-4)
    policy = make(reuse=[])
    policy.log_probs(decisions())
    torch.testing.assert_close(policy.values(states), alone, atol=1e-5, rtol=1e-4)


def test_an_empty_batch():
    policy = make()
    assert policy.log_probs([]) == []
    assert list(policy.evaluate_actions([])) == []


# Numbers that are none --------------------------------------------------------------------------------------


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


# How the model is run ---------------------------------------------------------------------------------------


def test_a_forward_that_runs_the_head_everywhere_gives_equal_numbers():
    calls = []

    def counted(*args, **cache):
        calls.append(args)
        return forward_everywhere(*args, **cache)

    some = decisions()
    states = [d.state for d in some]
    ours, other = make(), make(forward=counted)
    for policy in (ours, other):
        zoo.shake(policy.lm)
    assert worst(other.log_probs(some), ours.log_probs(some)) < 1e-5
    n = len(calls)
    assert n
    torch.testing.assert_close(other.features(states), ours.features(states), atol=1e-5, rtol=1e-5)
    assert len(calls) > n, "features too"
    n = len(calls)
    (rows, gradient), (expected, of_ours) = learnt(other, some), learnt(ours, some)
    assert worst(rows, expected) < 1e-5
    assert relative(gradient, of_ours) < 1e-4
    assert len(calls) > n, "learning too"
    n = len(calls)
    seen = [p.inspect(some[0].prompt, some[0].menu).log_probs for p in (ours, other)]
    assert abs(seen[0] - seen[1]).max() < 1e-5
    assert len(calls) > n, "inspection too"


def test_the_given_forward_is_what_the_numbers_come_from():
    """One that drops the mask gives wrong numbers: nothing falls back to the usual one behind its back."""
    some = decisions()
    wrong = make(forward=lambda lm, ids, mask, *rest, **cache: forward_everywhere(lm, ids, None, *rest, **cache))
    assert worst(wrong.log_probs(some), slow(wrong, some)) > 1e-3


# Its state --------------------------------------------------------------------------------------------------


def states_of(some):
    return list(dict.fromkeys(d.state for d in some))


def used():
    """A policy that has acted, and its state as a checkpoint brings it back: JSON, and the features as they were."""
    policy = make()
    policy.log_probs(decisions())
    policy.features(states_of(decisions()))
    state = policy.state_dict()
    assert sorted(state) == ["engine", "features", "states"]
    features = state.pop("features")
    return policy, json.loads(json.dumps(state)) | {"features": features.clone()}


def test_the_state_comes_back_bit_for_bit_and_nothing_is_computed_again():
    policy, state = used()
    states = states_of(decisions())
    other = make()
    other.features(["w4 w5 w6", *states[:2]])
    other.load_state_dict(state)
    n = other.counts["states_computed"]
    assert torch.equal(other.features(states), policy.features(states))
    assert other.counts["states_computed"] == n
    assert other.state_dict()["states"] == states, "what was kept before is gone"
    assert torch.equal(other.state_dict()["features"], state["features"])
    assert other.describe_scorer() == policy.describe_scorer()
    other.features(["w4 w5 w6"])
    assert other.counts["states_computed"] == n + 1


def test_kept_features_are_those_of_the_state():
    """Not computed again in silence: in other company they would differ in their last bits."""
    _, state = used()
    state["features"] += 1.0
    policy = make()
    policy.load_state_dict(state)
    assert torch.equal(policy.features(states_of(decisions())), state["features"])


def test_a_fresh_policys_state_comes_back():
    policy, state = make(), make().state_dict()
    assert (state["states"], state["features"]) == ([], None)
    policy.features(["w4 w5"])
    policy.load_state_dict(state)
    assert policy.state_dict() == state


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("engine"),
        lambda state: state.pop("states"),
        lambda state: state.pop("features"),
        lambda state: state.update(features=None),
        lambda state: state.update(states=[]),
        lambda state: state["states"].pop(),
        lambda state: state["states"].append("w4"),
        lambda state: state.update(features=state["features"][:, :-1]),
        lambda state: state.update(features=state["features"][0]),
        lambda state: state.update(features=state["features"].tolist()),
        lambda state: state["features"][1].fill_(torch.nan),
        lambda state: state["engine"].update(token_budget=None),
    ],
)
def test_a_wrong_state_is_refused(change):
    _, state = used()
    make().load_state_dict(state)
    change(state)
    with pytest.raises(INVALID_CONTENT):
        make().load_state_dict(state)


def test_the_weights_come_back(tmp_path):
    policy, other, some = make(), make(), decisions()
    zoo.shake(policy.lm)
    torch.nn.init.ones_(policy.value_head.layers[-1].bias)
    policy.save_weights(tmp_path)
    before = other.log_probs(some), other.values(states_of(some))
    other.load_weights(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(other.log_probs(some), policy.log_probs(some), strict=True))
    assert torch.equal(other.values(states_of(some)), policy.values(states_of(some)))
    assert worst(other.log_probs(some), before[0]) > 1e-2
    assert worst([other.values(states_of(some))], [before[1]]) > 1e-2
    narrower = tmp_path / "narrower"
    narrower.mkdir()
    _narrower(policy).save_weights(narrower)
    with pytest.raises(CheckpointError, match="does not fit this model"):
        other.load_weights(narrower)


def _narrower(policy):
    head = ValueHead(32, SimpleNamespace(kind="mlp", widths=[4], layer_norm=True))
    return LLMPolicy(policy.lm, policy.tokenizer, head, policy.settings)


@pytest.mark.parametrize(("prompt", "menu"), [("x", "eat"), ("x", ["eat", 3]), (None, ["eat"])])
def test_a_menu_is_a_list_of_phrases(prompt, menu):
    with pytest.raises(MenuError, match="Expected a prompt and a list of phrases"):
        twosome.load("tiny").inspect(prompt, menu)
