"""A menu larger than the token budget: equal to one pass and to separate sequences, values and gradients."""

import gc
import weakref

import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import learnt, relative, slow, slow_batch, worst

import twosome
from twosome.lm import normalize, pieces
from twosome.lm.pieces import cut_menu, row_tokens
from twosome.lm.scorers import SCORERS
from twosome.types import Decision

EXACT = 1e-5  # nats, and relative norm of the gradient, in float32
TOKENIZER = zoo.word_tokenizer()
PROMPT = "w20 w21 w22 w23 w24 w25 w26 w27"  # with BOS 9 tokens
LONG = " ".join(f"w{30 + i}" for i in range(40))
MENUS = {
    "shared beginnings": [f"w{a} w{b} w{c} w9" for a in (4, 5) for b in (4, 5) for c in range(10, 14)],
    "nested": [" ".join(["w4", "w5", "w6", "w7", "w8", "w9"][: n + 1]) for n in range(6)] + ["w9 w9"],
    "single tokens": [f"w{a}" for a in range(4, 16)],
    "very long": [LONG, LONG + " w4 w5", "w4", "w5 " + LONG, "w5 w6"],
    "one action": ["w4 w5 w6 w7 w8"],
}
SHARED = MENUS["shared beginnings"]


def scored(lm, menus, budget, scorer="trie", **options):
    """The log-probabilities of menus after the prompt, and the gradient of an uneven sum of them."""
    prompts = [PROMPT] * len(menus)
    rows = twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer=scorer, token_budget=budget, **options)
    return rows, zoo.gradient(lm, rows)


def watched(lm):
    """(tokens, whether with a graph) of every pass from now on."""
    seen = []
    lm.get_base_model().model.register_forward_pre_hook(
        lambda m, args, kwargs: seen.append((kwargs["input_ids"].numel(), torch.is_grad_enabled())), with_kwargs=True
    )
    return seen


@pytest.fixture(scope="module")
def llama():
    return zoo.with_lora(zoo.model("llama"))


# Values and gradients -------------------------------------------------------------------------------------------------

FAMILIES = [
    ("llama", "sdpa"),
    ("qwen2", "sdpa"),
    ("gemma2", "eager"),
    ("gemma3_short_window", "sdpa"),
    ("gpt2", "sdpa"),
]


@pytest.mark.parametrize(("family", "attention"), FAMILIES)
def test_equal_to_one_pass_and_to_separate_sequences(family, attention):
    lm, menus = zoo.with_lora(zoo.model(family, attention=attention)), list(MENUS.values())
    expected = slow_batch(lm, [PROMPT] * len(menus), menus)
    slope = zoo.gradient(lm, expected)
    one, slope_of_one = scored(lm, menus, 10**6)
    for budget in (20, 10) if family == "llama" else (20,):  # several actions; just above the prompt
        got, gradient = scored(lm, menus, budget)
        assert worst(got, one) < EXACT
        assert worst(got, expected) < EXACT
        assert relative(gradient, slope_of_one) < EXACT
        assert relative(gradient, slope) < EXACT


@pytest.mark.parametrize("normalization", ["sum", "unconditional"])
@pytest.mark.parametrize("scorer", SCORERS)
def test_every_scorer_and_normalization(llama, scorer, normalization):
    menus = [MENUS["shared beginnings"] + MENUS["nested"]]
    one, slope = scored(llama, menus, 10**6, scorer, normalization=normalization)
    got, gradient = scored(llama, menus, 60, scorer, normalization=normalization)
    assert worst(got, one) < EXACT
    assert relative(gradient, slope) < EXACT


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 60), st.sampled_from(list(SCORERS)))
def test_any_batch_under_any_budget(seed, budget, scorer):
    lm = _llama()
    prompts, menus = zoo.random_batch(seed, size=3, longest=9)
    whole, parts = (
        twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer=scorer, token_budget=b) for b in (10**6, budget)
    )
    assert worst(parts, whole) < EXACT
    assert relative(zoo.gradient(lm, parts), zoo.gradient(lm, whole)) < EXACT


_kept = []


def _llama():
    if not _kept:
        _kept.append(zoo.with_lora(zoo.model("llama")))
    return _kept[0]


def softmax_of_pieces(log_probs, cut):
    """A wrong one: every piece with a softmax of its own."""
    return torch.cat([part.log_softmax(0) for part in log_probs.split(cut)])


def without_the_normaliser(log_probs, cut):
    """A wrong one: right values, but a piece's gradient knows the normaliser as a constant."""
    return log_probs - log_probs.detach().logsumexp(0)


@pytest.mark.parametrize("wrong", [softmax_of_pieces, without_the_normaliser])
def test_the_wrong_variants_are_wrong(monkeypatch, llama, wrong):
    """What the laws above would see: one softmax over the whole menu, and its normaliser in every piece's gradient."""
    (one,), slope = scored(llama, [SHARED], 10**6)

    def padded(scores, sizes):
        return wrong(scores, [10, len(scores) - 10])[None]

    monkeypatch.setattr(normalize, "log_softmax_menus", padded)
    (got,), gradient = scored(llama, [SHARED], 20)
    if wrong is softmax_of_pieces:
        assert (got - one).abs().max() > 1000 * EXACT
    assert relative(gradient, slope) > 1000 * EXACT


# Memory ---------------------------------------------------------------------------------------------------------------


def test_scores_come_without_a_graph_and_each_piece_once_more_with_one():
    lm = zoo.with_lora(zoo.model("llama"))
    seen, alive, most = watched(lm), [], 0

    def keep(_module, _args, output):
        nonlocal most
        if torch.is_grad_enabled():
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))
            alive.append(weakref.ref(output))

    lm.get_base_model().model.layers[0].mlp.down_proj.register_forward_hook(keep)
    row = twosome.score_actions(lm, TOKENIZER, [PROMPT], [SHARED], scorer="trie", token_budget=15)[0]
    forward = list(seen)
    assert len(forward) == 4
    assert max(tokens for tokens, _ in forward) <= 15
    assert not any(with_graph for _, with_graph in forward)
    row[0].backward()
    assert sorted(seen[len(forward) :]) == sorted((tokens, True) for tokens, _ in forward)
    assert len(alive) == len(forward)
    assert most == 0, "a piece is let go before the next one begins"


def test_without_gradient_nothing_is_done_twice():
    lm = zoo.with_lora(zoo.model("llama"))
    seen = watched(lm)
    with torch.no_grad():
        row = twosome.score_actions(
            lm, TOKENIZER, [PROMPT], [MENUS["single tokens"]], scorer="separate", token_budget=30
        )
    assert len(seen) == 4
    assert not row[0].requires_grad


@pytest.mark.parametrize("scorer", SCORERS)
def test_a_menu_that_fits_is_not_cut(scorer):
    """So that nothing changes for it, to the bit."""
    menu = zoo.encoded([PROMPT], [SHARED])[0]
    largest = {"trie": 9 + 2 + 4 + 16, "separate": 16 * 12, "prompt_cache": 9 + 16 * (12 - 9 + 1)}[scorer]
    assert len(cut_menu(menu, scorer, largest, 32)) == 1
    assert len(cut_menu(menu, scorer, largest - 1, 32)) > 1


def test_rows_of_a_large_pass_repeat_the_prompt_at_the_least_cost():
    def cost(row, prompt, width):
        return row * (6 * width + row) / (row - prompt)

    for prompt, width in ((1, 32), (169, 512), (2000, 4096)):
        best = row_tokens(prompt, width)
        assert cost(best, prompt, width) <= min(cost(row, prompt, width) for row in range(prompt + 1, 8 * best)) * 1.01
    menu = zoo.encoded([PROMPT], [[f"w{a} w{b} w5" for a in range(4, 90) for b in (4, 6)]])[0]
    (rows, *_) = cut_menu(menu, "trie", 200, 32)
    assert len(rows) == 200 // row_tokens(9, 32)


# Modes ----------------------------------------------------------------------------------------------------------------


def test_dropout_is_the_same_in_both_passes(monkeypatch):
    """The gradient is that of the values given; with other random numbers it would not be."""
    lm = zoo.with_lora(zoo.model("llama"))
    from peft.tuners.lora import LoraLayer

    for module in lm.modules():
        if isinstance(module, LoraLayer):
            module.lora_dropout["default"] = torch.nn.Dropout(0.5)
    lm.train()

    def both():
        torch.manual_seed(3)
        return *scored(lm, [SHARED], 20), torch.rand(2)

    got, gradient, after = both()
    monkeypatch.setattr(pieces, "_twice", lambda lm, work: work())  # all graphs at once, each pass once
    expected, slope, after_once = both()
    assert torch.equal(*got, *expected)
    assert relative(gradient, slope) < EXACT
    assert torch.equal(after, after_once), "the backward pass takes no random numbers from those that follow"
    monkeypatch.undo()
    monkeypatch.setattr(pieces, "_set_random", lambda kind, states: None)
    assert relative(both()[1], slope) > 1000 * EXACT


@pytest.mark.parametrize("mode", ["checkpointing", "autocast", "bfloat16"])
def test_modes(mode):
    lm = zoo.with_lora(zoo.model("llama"))
    if mode == "checkpointing":
        lm.train()
        lm.activation_checkpointing_enable({"use_reentrant": False})
    if mode == "bfloat16":
        lm = lm.to(torch.bfloat16)
    tolerance = EXACT if mode == "checkpointing" else 0.1
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
        one, slope = scored(lm, [SHARED], 10**6)
        got, gradient = scored(lm, [SHARED], 20)
        assert worst(got, one) < tolerance
        assert relative(gradient, slope) < tolerance, "inside autocast"
        row = twosome.score_actions(lm, TOKENIZER, [PROMPT], [SHARED], scorer="trie", token_budget=20)
    assert relative(zoo.gradient(lm, row), slope) < tolerance, "outside"


def test_weights_changed_in_between_are_an_error(llama):
    row = twosome.score_actions(llama, TOKENIZER, [PROMPT], [SHARED], token_budget=20)[0]
    with torch.no_grad():
        next(p for p in llama.parameters() if p.requires_grad).add_(0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        row[0].backward()


# The policy -----------------------------------------------------------------------------------------------------------


LARGE = tuple(f"w{a} w{b} w9" for a in range(4, 14) for b in range(4, 14))  # 119 tokens with the prompt
MENU = LARGE[:24]


def decisions():
    """A large menu among small ones, twice."""
    large = Decision.plain(PROMPT, MENU)
    return [large, *zoo.decisions(2)[:3], Decision.plain("w5 w6", MENU[:20]), large]


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_a_policy_acts_learns_and_looks_with_large_menus(family):
    whole, parts = zoo.policy(family, budget=10**6), zoo.policy(family, budget=20)
    for policy in (whole, parts):
        zoo.shake(policy.lm)
    assert worst(parts.log_probs(decisions()), whole.log_probs(decisions())) < EXACT
    assert worst(parts.log_probs(decisions()[:1]), slow(whole, decisions()[:1])) < EXACT
    (rows, gradient), (expected, slope) = learnt(parts, decisions()), learnt(whole, decisions())
    assert worst(rows, expected) < EXACT
    assert relative(gradient, slope) < EXACT
    seen = [p.inspect(PROMPT, MENU).log_probs for p in (whole, parts)]
    assert abs(seen[0] - seen[1]).max() < EXACT


@pytest.mark.parametrize("when", ["acting", "learning"])
def test_out_of_memory_the_pieces_become_smaller(when):
    """Also where the memory runs out in the second pass of a piece, inside the backward pass."""
    some = [Decision.plain(PROMPT, LARGE)]
    whole, policy = zoo.policy(budget=4096), zoo.policy(budget=110)
    for p in (whole, policy):
        zoo.shake(p.lm)
        p.log_probs(zoo.decisions(2)[:1])  # the equivalence check
    failed = []

    def fail(_module, _args, kwargs):
        if kwargs["input_ids"].numel() > 60 and torch.is_grad_enabled() == (when == "learning"):
            failed.append(kwargs["input_ids"].numel())
            raise torch.OutOfMemoryError("CUDA out of memory (as a test)")

    policy.lm.get_base_model().model.register_forward_pre_hook(fail, with_kwargs=True)
    if when == "acting":
        assert worst(policy.log_probs(some), whole.log_probs(some)) < EXACT
    else:
        with pytest.raises(torch.OutOfMemoryError) as error:
            learnt(policy, some)
        policy.halve_budget(error.value)
        (rows, gradient), (expected, slope) = learnt(policy, some), learnt(whole, some)
        assert worst(rows, expected) < EXACT
        assert relative(gradient, slope) < EXACT
    assert len(failed) == 1
    assert policy.token_budget == 55
