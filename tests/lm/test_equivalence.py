"""The equivalence check takes what equals separate sequences and refuses the wrong variants, which are wrong indeed."""

import itertools

import pytest
import torch
import zoo
from zoo import slow_batch, worst

import twosome
from twosome.lm import scorers
from twosome.lm.equivalence import check_equivalence
from twosome.lm.scorers import SCORERS, by_trie, forward_at
from twosome.lm.windows import attention_window, exceeds_window

VALUE = 1e-5  # nats, float32
TOKENIZER = zoo.word_tokenizer()


def variant(monkeypatch, change):
    """The trie with its mask and positions changed."""

    def changed(lm, ids, mask, positions, index, **cache):
        return forward_at(lm, ids, *change(ids, mask, positions), index, **cache)

    monkeypatch.setitem(SCORERS, "trie", lambda lm, rows, forward=None: by_trie(lm, rows, changed))


WRONG = {
    "bool mask under eager": ("eager", lambda ids, mask, at: (mask >= 0, at)),
    "no mask, tree positions": ("sdpa", lambda ids, mask, at: (None, at)),
    "mask without positions": ("sdpa", lambda ids, mask, at: (mask, torch.arange(ids.shape[1]).expand_as(ids))),
    "causal mask": ("sdpa", lambda ids, mask, at: (torch.ones_like(mask).tril(), at)),
    "stretched positions": ("sdpa", lambda ids, mask, at: (mask, at * 2)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", WRONG)
def test_the_wrong_variant_is_wrong_and_refused(monkeypatch, name, dtype):
    attention, change = WRONG[name]
    lm = zoo.with_lora(zoo.model("llama", attention=attention)).to(dtype)
    prompts, menus = zoo.random_batch(4)
    expected = slow_batch(lm, prompts, menus)
    variant(monkeypatch, change)
    wrong = twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer="trie")
    assert worst(wrong, expected) > 100 * VALUE
    found = check_equivalence(lm, zoo.encoded(prompts, menus), ("trie",))
    assert found.scorer == "separate"
    assert "differs" in found.refused["trie"]
    monkeypatch.undo()
    assert check_equivalence(lm, zoo.encoded(prompts, menus), ("trie",)).scorer == "trie"


def test_gradient_checkpointing_drops_the_cache_and_the_check_sees_it():
    lm = zoo.with_lora(zoo.model("llama")).train()
    lm.activation_checkpointing_enable({"use_reentrant": False})
    menus = zoo.encoded(["w4 w5 w6 w7"], [["w8 w9", "w8 w10"]])
    assert check_equivalence(lm, menus, ("prompt_cache",)).scorer == "separate"
    assert check_equivalence(lm.eval(), menus, ("prompt_cache",)).scorer == "prompt_cache"


def test_beyond_a_sliding_window_one_mask_for_all_is_wrong_and_refused(monkeypatch):
    """Layers whose window is shorter than a path need a mask of their own; the check sees where they have none."""
    lm = zoo.model("gemma3_short_window")
    prompts, menus = zoo.random_batch(4)
    some = [m for m in zoo.encoded(prompts, menus) if max(len(s.ids) for s in m) > 9]
    right = SCORERS["separate"](lm, [some])
    torch.testing.assert_close(SCORERS["trie"](lm, [some]), right, atol=VALUE, rtol=0)
    assert check_equivalence(lm, some).scorer == "trie"
    monkeypatch.setattr("twosome.lm.scorers.masks", lambda lm, may_see, depth: may_see[:, None])
    assert (SCORERS["trie"](lm, [some]) - right).abs().max() > 0.05
    assert "differs from separate" in check_equivalence(lm, some).refused["trie"]


def test_a_window_that_is_no_sliding_one_keeps_the_trie_inside_it():
    lm = zoo.model("llama")
    lm.config.attention_chunk_size = 7
    prompts, menus = zoo.random_batch(4)
    some = [m for m in zoo.encoded(prompts, menus) if max(len(s.ids) for s in m) > 9]
    assert "no sliding one" in check_equivalence(lm, some).refused["trie"]
    got = twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer="trie")
    assert worst(got, slow_batch(lm, prompts, menus)) < VALUE


def test_windows():
    assert attention_window(zoo.model("mistral_short_window")) == 7
    assert not exceeds_window(zoo.model("mistral_short_window"), 8), "its masks know the window"
    chunked = zoo.model("llama")
    chunked.config.attention_chunk_size = 7
    assert exceeds_window(chunked, 8)
    assert not exceeds_window(chunked, 7)
    assert attention_window(zoo.model("llama")) is None
    assert attention_window(zoo.model("qwen2", sliding_window=9)) is None  # use_sliding_window is off
    assert attention_window(zoo.model("qwen2", sliding_window=9, use_sliding_window=True, max_window_layers=1)) == 9


def test_a_wrong_gradient_alone_is_refused(monkeypatch):
    lm = zoo.with_lora(zoo.model("llama"))

    def detached(lm, rows):
        values = scorers.by_trie(lm, rows)
        return values.detach() + 0.5 * (values - values.detach())

    monkeypatch.setitem(SCORERS, "trie", detached)
    found = check_equivalence(lm, zoo.encoded(["w4 w5 w6"], [["w7 w8", "w7 w9"]]))
    assert found.scorer == "prompt_cache"
    assert "gradient 5.0e-01" in found.refused["trie"]


def test_the_gradient_is_compared_although_an_adapter_starts_at_zero():
    """PEFT starts one half of LoRA at zero, so the other half has no gradient; the check looks at both halves."""
    from peft import LoraConfig, get_peft_model

    lm = zoo.model("llama")
    lm.requires_grad_(False)
    model = get_peft_model(lm, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    seen = []
    original = torch.autograd.grad

    def watched(total, weights, **options):
        found = original(total, weights, **options)
        seen.append([g is not None and bool(g.any()) for g in found])
        return found

    torch.autograd.grad = watched
    try:
        found = check_equivalence(model, zoo.encoded(["w4 w5"], [["w6 w7", "w6"]]))
    finally:
        torch.autograd.grad = original
    assert found.scorer == "trie"
    assert found.gradient_error is not None
    assert all(itertools.chain(*seen))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()), "the check leaves no trace"
