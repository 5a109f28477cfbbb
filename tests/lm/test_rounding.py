"""What rounding does in coarse arithmetic is told by rounding otherwise; float32 with the same weights is the judge."""

import copy
from contextlib import nullcontext

import pytest
import torch
import zoo

from twosome.lm import equivalence
from twosome.lm.equivalence import check_equivalence
from twosome.lm.rounding import rounded_otherwise, unit
from twosome.lm.scorers import SCORERS, by_separate, by_trie

HALF = [torch.bfloat16, torch.float16]


def evaluate(lm, menus, scorer=by_separate):
    """Token log-probabilities and a gradient, as the equivalence check computes them."""
    weights = equivalence._sampled([p for p in lm.parameters() if p.requires_grad])
    rows = [menus] if scorer is by_trie else [[[s for menu in menus for s in menu]]]
    return equivalence._evaluate(lm, scorer, [(rows, list(range(sum(map(len, menus)))))], weights)


def apart(a, b):
    """The largest difference of values, and the relative one of gradients."""
    return equivalence._largest([(a[0][i] - b[0][i]).abs() for i in b[0]]), equivalence._relative(a[1], b[1])


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "granite", "mistral_short_window"])
def test_the_tolerance_is_the_error_that_rounding_makes(family, dtype):
    """Half of it covers the true distance of separate sequences from the exact result, and is no more than 8 times it.

    And the trie is as near to the exact result as separate sequences are.
    """
    lm = zoo.with_lora(zoo.model(family, seed=3)).to(dtype)
    menus = zoo.encoded(*zoo.random_batch(3))[:2]
    exact = evaluate(copy.deepcopy(lm).float(), menus)
    separate = evaluate(lm, menus)
    allowed = equivalence.tolerances(lm, separate, lambda: evaluate(lm, menus))
    trie = apart(evaluate(lm, menus, by_trie), exact)
    for most, true, of_trie in zip(allowed, apart(separate, exact), trie, strict=True):
        assert true < most / 2 < 8 * true
        assert of_trie < 2 * true


@pytest.mark.parametrize("mode", ["bfloat16", "float16", "autocast", "checkpointing"])
def test_the_right_scorers_pass(mode):
    lm = zoo.with_lora(zoo.model("qwen3", seed=1))
    if mode == "checkpointing":
        lm.train().activation_checkpointing_enable({"use_reentrant": False})
    if mode != "autocast":
        lm = lm.to(torch.float16 if mode == "float16" else torch.bfloat16)
    menus = zoo.encoded(*zoo.random_batch(1))
    with torch.autocast("cpu", torch.bfloat16) if mode == "autocast" else nullcontext():
        for name in ("trie",) if mode == "checkpointing" else ("trie", "prompt_cache"):
            assert check_equivalence(lm, menus, (name,)).scorer == name


def test_errors_that_a_fixed_tolerance_would_pass_are_refused(monkeypatch):
    """In float16 rounding makes thousandths of a nat here; a scorer that is .05 off is wrong, though .15 would pass."""
    lm, menus = zoo.with_lora(zoo.model("gemma3")).to(torch.float16), zoo.encoded(*zoo.random_batch(3))
    assert check_equivalence(lm, menus, ("trie",)).scorer == "trie"

    def off(lm, rows):
        found = by_trie(lm, rows)
        return found + 0.05 * (torch.arange(len(found)) % 2)

    monkeypatch.setitem(SCORERS, "trie", off)
    assert "differs" in check_equivalence(lm, menus, ("trie",)).refused["trie"]


def test_a_model_that_overflows_allows_nothing(monkeypatch):
    """Where rounding otherwise gives no number, only what float32 allows is left, and a wrong scorer is refused."""
    lm, menus = zoo.with_lora(zoo.model("llama")).to(torch.float16), zoo.encoded(*zoo.random_batch(3))
    monkeypatch.setattr("twosome.lm.rounding.unit", lambda lm: float("inf"))
    found = evaluate(lm, menus)
    infinite = {i: torch.full_like(values, -torch.inf) for i, values in found[0].items()}, found[1]
    for moved in (evaluate, lambda *_: infinite):
        got = equivalence.tolerances(lm, found, lambda moved=moved: moved(lm, menus))
        assert got == equivalence.TOLERANCES[torch.float32]


def test_units():
    lm = zoo.model("llama")
    assert unit(lm) == 2**-24
    with torch.autocast("cpu", torch.bfloat16):
        assert unit(lm) == 2**-8
    assert unit(lm.to(torch.float16)) == 2**-11
    lm.is_loaded_in_8bit = True
    assert unit(lm) == 2**-8


def test_it_leaves_no_trace():
    lm, menus = zoo.with_lora(zoo.model("llama")).to(torch.bfloat16), zoo.encoded(*zoo.random_batch(3))
    before, state = evaluate(lm, menus)[0], torch.get_rng_state()
    with rounded_otherwise(lm, 0):
        moved = evaluate(lm, menus)[0]
    with rounded_otherwise(lm, 0):
        again = evaluate(lm, menus)[0]
    after = evaluate(lm, menus)[0]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(after[i], before[i]) and torch.equal(again[i], moved[i]) for i in before)
    assert not all(torch.equal(moved[i], before[i]) for i in before)
