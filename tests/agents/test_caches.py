"""Caches: no number changes, nothing stale is given, memory is bounded, eviction breaks nothing."""

import pytest
import torch
import zoo
from zoo import ALL, decisions, slow, worst
from zoo import policy as make

from twosome.agents.caches import Cache, WeightsVersion
from twosome.agents.llm_policy import LLMPolicy
from twosome.lm.adapter import adapter_off


@pytest.mark.parametrize("reuse", [[], ["distributions"], ["decisions"], ["features"], ALL])
def test_reuse_changes_no_number(reuse):
    policy, some = make(reuse=reuse), decisions()
    zoo.shake(policy.lm)
    for _ in range(2):
        assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
        with torch.no_grad(), adapter_off(policy.lm):
            expected = [_feature(policy, d.state) for d in some]
        assert worst(policy.features([d.state for d in some]), expected) < 1e-4
    distinct = len(set(some))
    computed = {False: 2 * distinct, True: distinct}["distributions" in reuse]
    if "decisions" in reuse:
        assert policy.counts["decisions_computed"] == computed
        assert policy.counts["decisions"] == 2 * len(some)
    if not reuse:
        assert policy.counts["decisions_computed"] == policy.counts["decisions"] == 2 * len(some)
        assert policy.counts["states_computed"] == policy.counts["states"]


def _feature(policy, state):
    ids = zoo.word_tokenizer()(state, return_tensors="pt").input_ids
    return policy.lm(input_ids=ids, output_hidden_states=True).hidden_states[-1][0, -1]


def _in_place(w):
    with torch.no_grad():
        w.view(-1)[3] += 1e-4


def _through_data(w):
    w.data.view(-1)[3] += 1e-4


def _swapped(w):
    """Two entries change places: the norm stays."""
    w.data.view(-1)[:2] = w.data.view(-1)[:2].flip(0)


@pytest.mark.parametrize("change", [_in_place, _through_data, _swapped])
def test_one_changed_adapter_weight_is_seen(change):
    policy, some = make(), decisions()
    zoo.shake(policy.lm)
    before = policy.log_probs(some)
    n = policy.counts["decisions_computed"]
    policy.log_probs(some)
    assert policy.counts["decisions_computed"] == n, "nothing changed, nothing computed"
    change(policy.actor_parameters()[-1])
    after = policy.log_probs(some)
    assert policy.counts["decisions_computed"] > n
    assert worst(after, slow(policy, some)) < 1e-5
    assert worst(after, before) > 0


def test_an_optimiser_step_and_a_loaded_state_are_seen():
    policy, some = make(), decisions()
    first = policy.log_probs(some)
    saved = {k: v.clone() for k, v in policy.lm.state_dict().items()}
    optimizer = torch.optim.AdamW(policy.actor_parameters(), lr=0.05)
    for _, log_probs in policy.evaluate_actions(some):
        log_probs[:, 0].sum().backward()
    optimizer.step()
    second = policy.log_probs(some)
    assert worst(first, second) > 1e-3
    assert worst(second, slow(policy, some)) < 1e-5
    policy.lm.load_state_dict(saved)
    assert worst(policy.log_probs(some), first) < 1e-6


def test_the_adapter_switched_off_is_another_policy():
    policy, some = make(), decisions()
    zoo.shake(policy.lm)
    on = policy.log_probs(some)
    with adapter_off(policy.lm):
        off = policy.log_probs(some)
        assert worst(off, slow(policy, some)) < 1e-5
    assert worst(on, off) > 1e-2
    assert worst(policy.log_probs(some), on) < 1e-6


def test_features_outlive_every_change_of_the_adapter():
    policy, some = make(), [d.state for d in decisions()]
    first = policy.features(some)
    n = policy.counts["states_computed"]
    zoo.shake(policy.lm)
    assert torch.equal(policy.features(some), first)
    assert policy.counts["states_computed"] == n
    fresh = make()
    zoo.shake(fresh.lm)
    torch.testing.assert_close(fresh.features(some), first, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("capacity", [1, 3])
def test_memory_is_bounded_and_eviction_breaks_no_call(capacity):
    policy, some = make(capacity=capacity), decisions(size=8)
    for order in (some, some[::-1], some[3:] + some[:3]):
        assert worst(policy.log_probs(order), slow(policy, order)) < 1e-5
        features = policy.features([d.state for d in order])
        assert features.shape == (len(order), 32)
        assert len(policy._distributions) <= capacity
        assert len(policy.state_dict()["states"]) <= capacity
    for index, log_probs in policy.evaluate_actions(some):
        assert log_probs.shape[0] == len(index)


def test_what_is_returned_is_the_callers():
    """Writing into an answer must not change the next one."""
    policy, some = make(), decisions()
    first = [x.clone() for x in policy.log_probs(some)]
    policy.log_probs(some)[0].fill_(7.0)
    assert worst(policy.log_probs(some), first) < 1e-6


def test_a_trainable_model_without_an_adapter_is_watched_too():
    adapted, some = make(), decisions()
    lm = zoo.model("llama")
    policy = LLMPolicy(lm, zoo.word_tokenizer(), adapted.value_head, adapted.settings)
    before = policy.log_probs(some)
    lm.get_output_embeddings().weight.data[5:9] += 1.0
    after = policy.log_probs(some)
    assert worst(after, before) > 1e-2
    assert worst(after, slow(policy, some)) < 1e-5


@pytest.mark.parametrize("switches", [None, (("default",), False)])
def test_a_version_is_weights_and_switches(switches):
    weights = [torch.zeros(3), torch.ones(2)]
    version = WeightsVersion(weights)
    version.has_changed(switches)
    assert not version.has_changed(switches)
    weights[1].data[0] = 2.0
    assert version.has_changed(switches)
    assert not version.has_changed(switches)
    assert version.has_changed((("default",), True))
    assert version.has_changed(switches)


def test_the_oldest_entries_leave_first():
    cache = Cache(2)
    for key in "abab":
        cache.keep(key, key)
    cache.keep("c", "c")
    assert list(cache) == ["b", "c"]
