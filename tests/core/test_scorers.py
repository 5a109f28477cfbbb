"""Every scorer equals the slow obvious one, value and gradient, on every family; the wrong variants do not."""

import itertools
import random
from contextlib import nullcontext

import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st

import twosome
from twosome.lm import scorers
from twosome.lm import tokens
from twosome.systems.load import _choices
from twosome.lm.microbatch import cut
from twosome.lm.equivalence import attention_window, exceeds_window, probe
from twosome.lm.scorers import SCORERS
from twosome.types import Decision

VALUE = 1e-5  # nats, float32
GRADIENT = 1e-4  # relative
EAGER_ONLY = ("gemma2",)
TOKENIZER = zoo.word_tokenizer()


def slow(lm, prompts, menus, normalization="word"):
    return [zoo.slow_log_probs(lm, TOKENIZER, p, m, normalization) for p, m in zip(prompts, menus, strict=True)]


def worst(a, b):
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def chosen(lm):
    """The scorers that the probes of a model found."""
    choices = _choices[lm].values()
    return {p.scorer for c in choices for p in (c.inside, c.beyond) if p is not None}


def check(lm, seed, **options):
    prompts, menus = zoo.random_batch(seed)
    got = twosome.score_actions(lm, TOKENIZER, prompts, menus, **options)
    expected = slow(lm, prompts, menus, options.get("normalization", "word"))
    errors = worst(got, expected), relative(zoo.gradient(lm, got), zoo.gradient(lm, expected))
    assert errors[0] < VALUE, errors
    assert errors[1] < GRADIENT, errors
    return errors


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_equals_separate_sequences(family, attention, record_property):
    if family in EAGER_ONLY and attention == "sdpa":
        with pytest.raises(ValueError, match="scaled_dot_product_attention"):
            zoo.model(family, attention=attention)
        return
    lm = zoo.with_lora(zoo.model(family, attention=attention))
    errors = check(lm, seed=len(family))
    record_property("errors", errors)
    assert chosen(lm) == {"forest"}


@pytest.mark.parametrize("family", zoo.UNFIT)
def test_models_that_cannot_take_the_mask_fall_back_and_stay_exact(family):
    targets = ["in_proj", "x_proj"] if family == "mamba" else "all-linear"
    window = family.endswith("window")
    lm = zoo.with_lora(zoo.model(family, attention="sdpa" if window else "eager"), targets)
    check(lm, seed=5)
    found = chosen(lm)
    assert found <= {"prompt_cache", "separate"} | ({"forest"} if window else set())
    assert found & {"prompt_cache", "separate"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_equals_separate_sequences_long(family, seed):
    check(zoo.with_lora(zoo.model(family, attention="eager", seed=seed)), seed)


@pytest.mark.parametrize("normalization", ["word", "token", "sum", "unconditional"])
@pytest.mark.parametrize("scorer", SCORERS)
def test_every_scorer_and_normalization(scorer, normalization):
    check(zoo.with_lora(zoo.model("qwen2")), 3, scorer=scorer, normalization=normalization)


def test_an_adapter_on_the_head():
    """The hook that picks the predicting positions sits before the adapter too."""
    for tied in (False, True):
        targets = ["q_proj", "down_proj"] + ["lm_head"] * (not tied)
        check(zoo.with_lora(zoo.model("llama", tie_word_embeddings=tied), targets), 6)


@pytest.fixture(scope="module")
def llama():
    return zoo.with_lora(zoo.model("llama"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 9), st.randoms(use_true_random=False))
def test_permutation_budget_and_rows_change_nothing(seed, budget, per_row, rng):
    lm = _llama()
    prompts, menus = zoo.random_batch(seed)
    with torch.no_grad():
        expected = twosome.score_actions(lm, TOKENIZER, prompts, menus)
        order = list(range(len(prompts)))
        rng.shuffle(order)
        inside = [rng.sample(range(len(m)), len(m)) for m in menus]
        got = twosome.score_actions(
            lm,
            TOKENIZER,
            [prompts[i] for i in order],
            [[menus[i][k] for k in inside[i]] for i in order],
            token_budget=budget,
            menus_per_row=per_row,
        )
    for row, i in zip(got, order, strict=True):
        torch.testing.assert_close(row, expected[i][inside[i]], atol=VALUE, rtol=0)


_kept = []


def _llama():
    if not _kept:
        _kept.append(zoo.with_lora(zoo.model("llama")))
    return _kept[0]


def test_a_batch_is_its_decisions_one_by_one(llama):
    prompts, menus = zoo.random_batch(8)
    together = twosome.score_actions(llama, TOKENIZER, prompts, menus)
    alone = [twosome.score_actions(llama, TOKENIZER, [p], [m])[0] for p, m in zip(prompts, menus, strict=True)]
    assert worst(together, alone) < VALUE


@pytest.mark.parametrize("mode", ["checkpointing", "autocast", "no_grad", "train", "inference", "bfloat16", "plain"])
def test_modes(mode):
    lm = zoo.model("llama") if mode == "plain" else zoo.with_lora(zoo.model("llama"))
    prompts, menus = zoo.random_batch(2)
    expected = slow(lm, prompts, menus)
    gradient = zoo.gradient(lm, expected)
    tolerance, slope = VALUE, GRADIENT
    if mode in ("checkpointing", "train"):
        lm.train()
    if mode == "checkpointing":
        lm.activation_checkpointing_enable({"use_reentrant": False})
    context = {
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "no_grad": torch.no_grad,
        "inference": torch.inference_mode,
    }.get(mode, nullcontext)()
    if mode == "bfloat16":
        lm = lm.to(torch.bfloat16)
    if mode in ("autocast", "bfloat16"):
        tolerance, slope = 0.3, 0.3
    with context:
        got = twosome.score_actions(lm, TOKENIZER, prompts, menus)
    assert chosen(lm) == {"forest"}
    assert worst(got, expected) < tolerance
    if mode in ("no_grad", "inference"):
        assert not any(x.requires_grad for x in got)
    else:
        assert relative(zoo.gradient(lm, got).float(), gradient) < slope


# What must fail ---------------------------------------------------------------------------------------------


def variant(monkeypatch, change):
    """`_run` with the forest's mask and positions changed."""
    original = scorers._run

    def run(lm, ids, mask, positions, index, **cache):
        changed = change(ids, mask, positions) if mask.dim() == 4 else (mask, positions)
        return original(lm, ids, *changed, index, **cache)

    monkeypatch.setattr(scorers, "_run", run)


WRONG = {
    "bool mask under eager": ("eager", lambda ids, mask, at: (mask >= 0, at)),
    "no mask, tree positions": ("sdpa", lambda ids, mask, at: (None, at)),
    "mask without positions": ("sdpa", lambda ids, mask, at: (mask, torch.arange(ids.shape[1]).expand_as(ids))),
    "causal mask": ("sdpa", lambda ids, mask, at: (torch.ones_like(mask).tril(), at)),
    "stretched positions": ("sdpa", lambda ids, mask, at: (mask, at * 2)),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_wrong_variant_is_wrong_and_the_probe_refuses_it(monkeypatch, name):
    attention, change = WRONG[name]
    lm = zoo.with_lora(zoo.model("llama", attention=attention))
    prompts, menus = zoo.random_batch(4)
    expected = slow(lm, prompts, menus)
    variant(monkeypatch, change)
    wrong = twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer="forest")
    assert worst(wrong, expected) > 100 * VALUE
    sequences = [tokens.encode(TOKENIZER, Decision(p, tuple(m))) for p, m in zip(prompts, menus, strict=True)]
    assert "differs" in probe(lm, sequences, ("forest",)).refused["forest"]


def test_gradient_checkpointing_drops_the_cache_and_the_probe_sees_it():
    lm = zoo.with_lora(zoo.model("llama")).train()
    lm.activation_checkpointing_enable({"use_reentrant": False})
    sequences = [tokens.encode(TOKENIZER, Decision("w4 w5 w6 w7", ("w8 w9", "w8 w10")))]
    assert probe(lm, sequences, ("prompt_cache",)).scorer == "separate"
    assert probe(lm.eval(), sequences, ("prompt_cache",)).scorer == "prompt_cache"


def test_a_window_that_the_mask_would_override():
    """Forced over a path longer than the window, the forest is wrong in silence; so it is never taken there."""
    lm = zoo.model("mistral_short_window")
    prompts, menus = zoo.random_batch(4)
    sequences = [tokens.encode(TOKENIZER, Decision(p, tuple(m))) for p, m in zip(prompts, menus, strict=True)]
    forest, separate = (SCORERS[name](lm, [sequences]) for name in ("forest", "separate"))
    assert (forest - separate).abs().max() > 0.05
    got = twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer="forest")
    assert worst(got, slow(lm, prompts, menus)) < VALUE


def test_windows():
    assert attention_window(zoo.model("mistral_short_window")) == 7
    assert exceeds_window(zoo.model("mistral_short_window"), 8)
    assert not exceeds_window(zoo.model("mistral_short_window"), 7)
    assert attention_window(zoo.model("llama")) is None
    assert attention_window(zoo.model("qwen2", sliding_window=9)) is None  # use_sliding_window is off
    assert attention_window(zoo.model("qwen2", sliding_window=9, use_sliding_window=True, max_window_layers=1)) == 9


def test_a_wrong_gradient_alone_is_refused(monkeypatch):
    lm = zoo.with_lora(zoo.model("llama"))
    sequences = [tokens.encode(TOKENIZER, Decision("w4 w5 w6", ("w7 w8", "w7 w9")))]
    original = scorers.by_forest

    def detached(lm, rows):
        values = original(lm, rows)
        return values.detach() + 0.5 * (values - values.detach())

    monkeypatch.setitem(SCORERS, "forest", detached)
    found = probe(lm, sequences)
    assert found.scorer == "prompt_cache"
    assert "gradient 5.0e-01" in found.refused["forest"]


def test_the_gradient_is_compared_although_an_adapter_starts_at_zero():
    """PEFT starts one half of LoRA at zero, so the other half has no gradient; the probe looks at both halves."""
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
        found = probe(model, [tokens.encode(TOKENIZER, Decision("w4 w5", ("w6 w7", "w6")))])
    finally:
        torch.autograd.grad = original
    assert found.scorer == "forest"
    assert found.gradient_error is not None
    assert all(itertools.chain(*seen))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()), "the probe leaves no trace"


# Packing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [40, 90, 300])
@pytest.mark.parametrize("scorer", ["forest", "separate"])
def test_the_token_budget_bounds_every_pass(llama, scorer, budget):
    fed = []
    layers = llama.get_base_model().model
    hook = layers.register_forward_pre_hook(lambda m, args, kwargs: fed.append(kwargs["input_ids"].numel()), with_kwargs=True)
    prompts, menus = zoo.random_batch(11, size=12)
    try:
        with torch.no_grad():
            twosome.score_actions(llama, TOKENIZER, prompts, menus, scorer=scorer, token_budget=budget)
    finally:
        hook.remove()
    sequences = [tokens.encode(TOKENIZER, Decision(p, tuple(m))) for p, m in zip(prompts, menus, strict=True)]
    alone = max(sum(n for n in [_fed(menu, scorer)]) for menu in sequences)
    assert len(fed) > 1
    assert max(fed) <= max(budget, alone)


def _fed(menu, scorer):
    paths = [s.ids[:-1] for s in menu]
    if scorer == "separate":
        return len(paths) * max(map(len, paths))
    return len({p[: k + 1] for p in paths for k in range(len(p))})


def test_cut_splits_no_menu_and_loses_none():
    rng = random.Random(0)
    prompts, menus = zoo.random_batch(1)
    sequences = [tokens.encode(TOKENIZER, Decision(p, tuple(m))) for p, m in zip(prompts, menus, strict=True)]
    names = [rng.choice(list(SCORERS)) for _ in sequences]
    passes = cut(sequences, names, 60, 3)
    seen = [(name, i) for name, rows in passes for row in rows for i in row]
    assert sorted(i for _, i in seen) == list(range(len(sequences)))
    assert all(names[i] == name for name, i in seen)


def test_leaves_are_not_fed_and_only_predicting_nodes_reach_the_head(llama):
    """One prompt of 3 tokens and BOS, two actions `w7 w8` and `w7 w9`: fed are 4 + 1 nodes, 2 rows reach the head."""
    fed, rows = [], []
    base = llama.get_base_model()
    hooks = [
        base.model.register_forward_pre_hook(lambda m, args, kwargs: fed.append(kwargs["input_ids"].numel()), with_kwargs=True),
        base.lm_head.register_forward_hook(lambda m, args, out: rows.append(out.shape[-2])),
    ]
    try:
        twosome.score_actions(llama, TOKENIZER, ["w4 w5 w6"], [["w7 w8", "w7 w9"]], scorer="forest")
    finally:
        for hook in hooks:
            hook.remove()
    assert fed == [5]
    assert rows == [2]
