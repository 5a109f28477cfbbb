"""Every scorer equals the slow obvious one, value and gradient, on every family and in every mode."""

from contextlib import nullcontext

import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import forward_everywhere, relative, slow_batch, worst

import twosome
from twosome.lm.score_actions import _choices
from twosome.lm.scorers import SCORERS, prompt_features

VALUE = 1e-5  # nats, float32
GRADIENT = 1e-4  # relative
EAGER_ONLY = ("gemma2",)
TOKENIZER = zoo.word_tokenizer()


def chosen(lm):
    """The scorers that the equivalence checks of a model found."""
    choices = _choices[lm].values()
    return {e.scorer for c in choices for e in (c.inside, c.beyond) if e is not None}


def check(lm, seed, **options):
    prompts, menus = zoo.random_batch(seed)
    got = twosome.score_actions(lm, TOKENIZER, prompts, menus, **options)
    expected = slow_batch(lm, prompts, menus, options.get("normalization", "word"))
    errors = worst(got, expected), relative(zoo.gradient(lm, got), zoo.gradient(lm, expected))
    assert errors[0] < VALUE, errors
    assert errors[1] < GRADIENT, errors
    return errors


EAGER = ("llama", *EAGER_ONLY, "gemma3_short_window", "gpt2", "gpt_neox", "falcon")  # the others in the long form
BOTH = [(family, "sdpa") for family in zoo.FAMILIES] + [
    pytest.param(family, "eager", marks=() if family in EAGER else pytest.mark.slow) for family in zoo.FAMILIES
]


@pytest.mark.parametrize(("family", "attention"), BOTH)
def test_equals_separate_sequences(family, attention, record_property):
    if family in EAGER_ONLY and attention == "sdpa":
        with pytest.raises(ValueError, match="scaled_dot_product_attention"):
            zoo.model(family, attention=attention)
        return
    lm = zoo.with_lora(zoo.model(family, attention=attention))
    errors = check(lm, seed=len(family))
    record_property("errors", errors)
    assert chosen(lm) == {"trie"}


@pytest.mark.parametrize("family", zoo.UNFIT)
def test_models_that_cannot_take_the_mask_fall_back_and_stay_exact(family):
    targets = ["in_proj", "x_proj"] if family == "mamba" else "all-linear"
    lm = zoo.with_lora(zoo.model(family, attention="eager"), targets)
    check(lm, seed=5)
    found = chosen(lm)
    assert found <= {"prompt_cache", "separate"}
    assert found


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
    expected = slow_batch(lm, prompts, menus)
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
    assert chosen(lm) == {"trie"}
    assert worst(got, expected) < tolerance
    if mode in ("no_grad", "inference"):
        assert not any(x.requires_grad for x in got)
    else:
        assert relative(zoo.gradient(lm, got).float(), gradient) < slope


def test_leaves_are_not_fed_and_only_predicting_nodes_reach_the_head(llama):
    """One prompt of 3 tokens and BOS, two actions `w7 w8` and `w7 w9`: fed are 4 + 1 nodes, 2 rows reach the head."""
    fed, rows = [], []
    base = llama.get_base_model()

    def count(_module, _args, kwargs):
        fed.append(kwargs["input_ids"].numel())

    hooks = [
        base.model.register_forward_pre_hook(count, with_kwargs=True),
        base.lm_head.register_forward_hook(lambda m, args, out: rows.append(out.shape[-2])),
    ]
    try:
        twosome.score_actions(llama, TOKENIZER, ["w4 w5 w6"], [["w7 w8", "w7 w9"]], scorer="trie")
    finally:
        for hook in hooks:
            hook.remove()
    assert fed == [5]
    assert rows == [2]


# How the model is run ---------------------------------------------------------------------------------------


def misplaced(lm, ids, mask, positions, index, **cache):
    """A wrong one: it reads one position too early."""
    return forward_everywhere(lm, ids, mask, positions, index - 1, **cache)


@pytest.mark.parametrize("scorer", SCORERS)
def test_the_head_at_every_position_gives_the_same_numbers(llama, scorer):
    menus = zoo.encoded(*zoo.random_batch(4))
    rows = [menus[:4], menus[4:]]
    expected, got, wrong = (
        SCORERS[scorer](llama, rows, *forward) for forward in ((), (forward_everywhere,), (misplaced,))
    )
    torch.testing.assert_close(got, expected, atol=VALUE, rtol=0)
    assert relative(zoo.gradient(llama, [got]), zoo.gradient(llama, [expected])) < GRADIENT
    assert (wrong - expected).abs().max() > 0.1, "it is the given forward that is read"


@pytest.mark.parametrize("scorer", ["trie", "separate"])
def test_a_mean_over_a_prompt_is_the_mean_of_its_states(scorer):
    """Whatever stands beside it in a pass; the state at its end is another number."""
    lm = zoo.model("llama").eval()
    prompts = [(1, 5, 7, 9), (1, 5, 8), (1, 6, 7, 9, 11, 12), (1,)]
    found = prompt_features(lm, scorer, [list(prompts[:3]), list(prompts[3:])], pooling="mean")
    for prompt, row in zip(prompts, found, strict=True):
        with torch.no_grad():
            states = lm(torch.tensor([prompt]), output_hidden_states=True).hidden_states[-1][0]
        torch.testing.assert_close(row, states.mean(0), atol=1e-5, rtol=1e-5)
        last = prompt_features(lm, scorer, [[prompt]])[0]
        torch.testing.assert_close(last, states[-1], atol=1e-5, rtol=1e-5)
        assert len(prompt) == 1 or not torch.allclose(row, last, atol=1e-3)
