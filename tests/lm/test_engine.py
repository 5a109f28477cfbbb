"""A model at work on many menus: out of memory nothing is lost, the check is made once, the state comes back."""

import gc
import json
import logging
import weakref

import pytest
import torch
from zoo import OutOfMemory, decisions, slow, worst
from zoo import policy as make

from twosome.errors import INVALID_CONTENT
from twosome.lm import microbatch

# Out of memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_acting_loses_nothing_when_memory_runs_out(times, caplog):
    some = decisions(size=10)
    states = [d.state for d in some]
    expected, features = make().log_probs(some), make().features(states)
    policy = make(budget=4096)
    policy.log_probs(some[:1])
    OutOfMemory(policy, times, above=30)
    with caplog.at_level(logging.WARNING):
        assert worst(policy.log_probs(some), expected) < 1e-5
    assert policy.token_budget == 4096 // 2**times
    assert caplog.text.count("Out of memory") == times
    OutOfMemory(policy, times, above=30)
    torch.testing.assert_close(policy.features(states), features, atol=1e-5, rtol=1e-5)
    assert policy.token_budget == 4096 // 4**times
    assert policy.counts["out_of_memory"] == 2 * times


@pytest.mark.parametrize("times", [1, 3])
def test_the_equivalence_check_survives_it_too(times):
    policy, some = make(), decisions()
    OutOfMemory(policy, times)
    assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
    assert policy.describe_scorer()["scorer"] == "trie"


def test_memory_that_never_suffices_is_an_error():
    policy = make()
    OutOfMemory(policy, 10**6)
    with pytest.raises(torch.OutOfMemoryError):
        policy.log_probs(decisions())


def test_the_failed_pass_is_let_go():
    """The frames of the failed pass hold its tensors; they must be free before the next one begins."""
    alive = []

    def work(items):
        tensor = torch.zeros(10)
        alive.append(weakref.ref(tensor))
        if len(alive) == 1:
            raise torch.OutOfMemoryError
        gc.collect()
        assert alive[0]() is None
        yield list(range(len(items))), tensor[: len(items)]

    assert len(make().engine.complete([1, 2], work)) == 2


# The equivalence check --------------------------------------------------------------------------------------


def test_the_outcome_of_the_check(caplog):
    policy = make()
    assert policy.describe_scorer() == {"scorer": "not checked yet", "token_budget": 512}
    with caplog.at_level(logging.INFO):
        policy.log_probs(decisions())
    assert caplog.text.count("Scorer: trie") == 1
    found = policy.describe_scorer()
    assert found["scorer"] == "trie"
    assert found["value_error"] < 5e-5
    assert 0 <= found["gradient_error"] < 1e-3
    assert found["refused"] == {}


def watched_checks(monkeypatch):
    """The model's mode, trainable tensors, gradient and first ids of every check from now on."""
    seen = []
    original = microbatch.check_equivalence

    def check(lm, menus, **options):
        seen.append(
            (lm.training, sum(p.requires_grad for p in lm.parameters()), options["with_gradient"], menus[0][0].ids)
        )
        return original(lm, menus, **options)

    monkeypatch.setattr(microbatch, "check_equivalence", check)
    return seen


def test_it_is_made_as_the_model_is_used_later(monkeypatch):
    """In train mode, with gradients, the adapters trainable, and on the environment's own prompts."""
    seen = watched_checks(monkeypatch)
    policy, some = make(), decisions()
    policy.log_probs(some)
    policy.log_probs(decisions(5))
    list(policy.evaluate_actions(some))
    assert [s[:3] for s in seen] == [(True, len(policy.actor_parameters()), True)]
    assert seen[0][3] == policy.engine.encoder(some[0].prompt, some[0].menu)[0].ids


def test_a_fallback_is_said_once(caplog):
    policy, some = make("bloom"), decisions()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            policy.clear_cache()
            assert worst(policy.log_probs(some), slow(policy, some)) < 1e-5
    assert caplog.text.count("trie refused") == 1


# Its state --------------------------------------------------------------------------------------------------


def used(family="llama"):
    """An engine after its check and after running out of memory once, and its state as a checkpoint brings it back."""
    policy = make(family)
    policy.log_probs(decisions())
    policy.engine.halve_budget(torch.OutOfMemoryError())
    return policy.engine, json.loads(json.dumps(policy.engine.state_dict()))


@pytest.mark.parametrize("family", ["llama", "bloom", "mistral_short_window"])
def test_the_state_comes_back_and_nothing_is_checked_again(monkeypatch, family):
    engine, state = used(family)
    seen, policy = watched_checks(monkeypatch), make(family)
    policy.engine.load_state_dict(state)
    assert policy.engine.state_dict() == engine.state_dict()
    assert policy.describe_scorer() == engine.describe()
    assert policy.token_budget == 256
    assert worst(policy.log_probs(decisions()), slow(policy, decisions())) < 1e-5
    assert not seen
    make(family).log_probs(decisions())
    assert seen, "without the state the scorers are checked"


def test_a_fresh_engines_state_comes_back():
    state = json.loads(json.dumps(make().engine.state_dict()))
    policy = make(budget=128)
    policy.engine.load_state_dict(state)
    assert policy.engine.state_dict() == make().engine.state_dict()
    assert policy.describe_scorer()["scorer"] == "not checked yet"


@pytest.mark.parametrize("change", [{"device": "cuda"}, {"inside": {"scorer": "of tomorrow"}}])
def test_on_another_device_and_for_an_unknown_scorer_it_is_checked_again(monkeypatch, change):
    _, state = used()
    seen, policy = watched_checks(monkeypatch), make()
    policy.engine.load_state_dict(state | {"equivalence": state["equivalence"] | change})
    assert policy.token_budget == 256
    policy.log_probs(decisions())
    assert len(seen) == 1


def _without(name):
    return lambda state: state.pop(name)


def _budget(value):
    return lambda state: state.update(token_budget=value)


def _inside(value):
    return lambda state: state["equivalence"].update(inside=value)


@pytest.mark.parametrize(
    "spoil",
    [
        _without("token_budget"),
        _without("equivalence"),
        *map(_budget, ("512", 512.0, True, 0, -64, None)),
        lambda state: state.update(equivalence=None),
        lambda state: state["equivalence"].pop("device"),
        lambda state: state["equivalence"].pop("beyond"),
        _inside("trie"),
        _inside({"value_error": 0.0}),
        _inside({"scorer": ["trie"]}),
        _inside({"scorer": "trie", "of tomorrow": 1}),
        _inside({"scorer": "trie", "value_error": "small"}),
        _inside({"scorer": "trie", "refused": {"separate": 1}}),
    ],
)
def test_a_wrong_state_is_refused(spoil):
    _, state = used()
    make().engine.load_state_dict(state)
    spoil(state)
    with pytest.raises(INVALID_CONTENT):
        make().engine.load_state_dict(state)
