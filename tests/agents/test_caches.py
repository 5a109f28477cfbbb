"""Reuse: no number changes, nothing stale is given, memory is bounded, eviction breaks nothing."""

import pytest
import torch
import zoo
from zoo import ALL, decisions, slow, worst
from zoo import policy as make

from twosome.lm.adapter import adapter_off


@pytest.mark.parametrize("reuse", [[], ["distributions"], ["decisions"], ["features"], ALL])
def test_reuse_changes_no_number(reuse):
    policy, some = make(reuse=reuse), decisions()
    zoo.shake(policy.lm)
    for _ in range(2):
        assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
        with torch.no_grad(), adapter_off(policy.lm):
            expected = [_feature(policy, d.prompt) for d in some]
        assert worst(policy.features([d.prompt for d in some]), expected) < 1e-4
    distinct = len(set(some))
    computed = {False: 2 * distinct, True: distinct}["distributions" in reuse]
    if "decisions" in reuse:
        assert policy.counts["decisions_computed"] == computed
        assert policy.counts["decisions"] == 2 * len(some)
    if not reuse:
        assert policy.counts["decisions_computed"] == policy.counts["decisions"] == 2 * len(some)
        assert policy.counts["prompts_computed"] == policy.counts["prompts"]


def _feature(policy, prompt):
    ids = zoo.word_tokenizer()(prompt, return_tensors="pt").input_ids
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
    policy, some = make(), [d.prompt for d in decisions()]
    first = policy.features(some)
    n = policy.counts["prompts_computed"]
    zoo.shake(policy.lm)
    assert torch.equal(policy.features(some), first)
    assert policy.counts["prompts_computed"] == n
    fresh = make()
    zoo.shake(fresh.lm)
    torch.testing.assert_close(fresh.features(some), first, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("capacity", [1, 3])
def test_memory_is_bounded_and_eviction_breaks_no_call(capacity):
    policy, some = make(capacity=capacity), decisions(size=8)
    for order in (some, some[::-1], some[3:] + some[:3]):
        assert worst(policy.log_probs(order), slow(policy, order)) < 1e-5
        features = policy.features([d.prompt for d in order])
        assert features.shape == (len(order), 32)
        assert len(policy._distributions) <= capacity
        assert len(policy.feature_cache()) <= capacity
    for index, log_probs in policy.evaluate_actions(some):
        assert log_probs.shape[0] == len(index)


def test_what_is_returned_is_the_callers():
    """Writing into an answer must not change the next one."""
    policy, some = make(), decisions()
    first = [x.clone() for x in policy.log_probs(some)]
    policy.log_probs(some)[0].fill_(7.0)
    assert worst(policy.log_probs(some), first) < 1e-6
