"""Laws of the beam over many phrases: exact scores at any width, the k best at full width, passes that depth bounds."""

import functools
import random

import pytest
import torch
import zoo
from tokenizer_zoo import KINDS

from twosome.config.schema import PolicySettings
from twosome.errors import ConfigError, MenuError, NumericsError
from twosome.lm.adapter import adapter_off
from twosome.lm.candidates import best_candidates
from twosome.lm.engine import Engine
from twosome.types import Decision

PROMPT = "w20 w21 w22 w23"
EXACT = 1e-4  # nats, in float32
FAMILIES = ("llama", "qwen2", "gemma2", "gpt2", "mistral_short_window", "bloom")


def phrases(n=150, seed=0, words=8, longest=4):
    """Distinct phrases in a random order, many of which begin alike or go on where another ends."""
    rng, found = random.Random(seed), set()
    while len(found) < n:
        found.add(" ".join(f"w{rng.randrange(4, 4 + words)}" for _ in range(rng.randint(1, longest))))
    return tuple(rng.sample(sorted(found), n))


@functools.cache
def policy(family="llama", normalization="word"):
    made = zoo.policy(family, budget=10**5, normalization=normalization)
    zoo.shake(made.lm)
    made.lm.eval()  # gpt2 and bloom have dropouts of their own, which loading turns off
    return made


def exact_scores(engine, prompt, menu):
    """Every phrase by itself: its log-probability over its words, tokens or nothing."""
    pairs = [(prompt, phrase) for phrase in menu]
    sums = torch.stack(engine.complete(pairs, engine.continuation_passes))
    encoded = engine.encoder(prompt, tuple(menu))
    count = {"word": lambda s: len(s.words), "token": lambda s: len(s.continuation), "sum": lambda s: 1}
    return sums / torch.tensor([float(count[engine.settings.normalization](s)) for s in encoded])


def best_of(scores, k):
    """The positions of the k best, of equal ones the first, in the menu's order."""
    return sorted(sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k])


@pytest.mark.parametrize("normalization", ["word", "token", "sum"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_beam_as_wide_as_the_menu_finds_the_k_best(family, normalization):
    made, menu = policy(family, normalization), phrases(60)
    found = best_candidates(made.engine, PROMPT, menu, 8, len(menu))
    scores = exact_scores(made.engine, PROMPT, menu)
    assert [c.position for c in found] == best_of(scores.tolist(), 8)
    assert max(abs(c.score - scores[c.position]) for c in found) < EXACT
    [row] = made.log_probs([Decision.plain(PROMPT, menu)])
    assert [c.position for c in found] == best_of(row.tolist(), 8), "as the policy orders them"


@pytest.mark.parametrize("kind", [*KINDS])
def test_so_it_does_with_every_kind_of_tokenizer(kind):
    tokenizer = KINDS[kind]()
    lm = zoo.model("llama", vocab_size=max(len(tokenizer), 400), max_position_embeddings=256)
    settings = PolicySettings(
        normalization="word", prompt="{scene}", scorer="auto", token_budget=4096, menus_per_row=8, reuse=[],
        reuse_capacity=9,
    )  # fmt: skip
    engine, prompt = Engine(lm, tokenizer, settings), "You see a tomato. Next action:"
    things = ("the tomato", "the lettuce", "a plate", "one pomme")
    menu = ("chop", "wait", *(f"{verb} {thing}" for verb in ("chop", "walk to", "pick up") for thing in things))
    scores = exact_scores(engine, prompt, menu)
    found = best_candidates(engine, prompt, menu, 4, len(menu))
    assert [c.position for c in found] == best_of(scores.tolist(), 4)
    for c in best_candidates(engine, prompt, menu, 2, 2):
        assert abs(c.score - scores[c.position]) < EXACT


@pytest.mark.parametrize("width", [1, 2, 5, 20])
def test_any_width_gives_exact_scores_in_passes_that_depth_bounds(width):
    made, menu = policy(), phrases()
    scores = exact_scores(made.engine, PROMPT, menu)
    before = made.counts["passes"]
    found = best_candidates(made.engine, PROMPT, menu, width, width)
    assert made.counts["passes"] - before <= 4, "the longest has four tokens"
    assert len(found) == width
    assert [c.position for c in found] == sorted(c.position for c in found)
    assert max(abs(c.score - scores[c.position]) for c in found) < EXACT


def slow_beam(engine, menu, k, width):
    """The k best of what a beam leaves that scores every prefix by itself, as a phrase of its own; at every depth."""
    live, ended = [tuple(phrase.split()) for phrase in menu], []
    for depth in range(1, 5):
        ended += [path for path in live if len(path) == depth]
        prefixes = sorted({path[:depth] for path in live if len(path) > depth})
        if not prefixes:
            break
        scores = exact_scores(engine, PROMPT, [" ".join(prefix) for prefix in prefixes])
        kept = {prefixes[i] for i in best_of(scores.tolist(), width)}
        live = [path for path in live if path[:depth] in kept]
    left = [" ".join(path) for path in ended]
    return {left[i] for i in best_of(exact_scores(engine, PROMPT, left).tolist(), k)}


@pytest.mark.parametrize("normalization", ["word", "sum"])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_what_it_drops_is_what_scores_worst_at_its_depth(width, normalization):
    made, menu = policy(normalization=normalization), phrases()
    found = {menu[c.position] for c in best_candidates(made.engine, PROMPT, menu, width, width)}
    assert found == slow_beam(made.engine, menu, width, width)


def test_a_pass_holds_the_prompt_and_the_width():
    """No pass grows with the menu: a prefix that was dropped is never fed again."""
    made, seen = policy(), []
    handle = made.lm.get_base_model().model.register_forward_pre_hook(
        lambda m, args, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    menu = phrases(3000, words=60, longest=3)
    best_candidates(made.engine, PROMPT, menu, 4, 4)
    handle.remove()
    assert max(seen) <= 5 + 4 * (1 + 2)  # the prompt with BOS, and at two depths at most four prefixes
    assert len(seen) <= 3


def test_a_phrase_that_others_go_on_from_is_one_of_them():
    """A chain is one prefix at every depth, so the narrowest beam loses nothing of it."""
    made, menu = policy(), ("w4 w5 w6", "w4", "w4 w5 w6 w7 w8", "w4 w5")
    for k, width in ((1, 1), (2, 2), (4, 4)):
        found = best_candidates(made.engine, PROMPT, menu, k, width)
        assert [c.position for c in found] == best_of(exact_scores(made.engine, PROMPT, menu).tolist(), k)


def test_the_order_of_the_menu_changes_nothing():
    made, menu = policy(), phrases()
    first = {menu[c.position]: c.score for c in best_candidates(made.engine, PROMPT, menu, 5, 6)}
    for seed in range(3):
        other = tuple(random.Random(seed).sample(menu, len(menu)))
        assert {other[c.position]: c.score for c in best_candidates(made.engine, PROMPT, other, 5, 6)} == first


@pytest.fixture(scope="module")
def even():
    """Every token is as likely as any other."""
    made = zoo.policy()
    with torch.no_grad():
        made.lm.get_output_embeddings().weight.zero_()
    return made


def test_nor_does_it_where_beginnings_are_equal(even):
    menu = tuple(f"w{i} w9" for i in range(10, 20))
    found = [best_candidates(even.engine, PROMPT, some, 3, 3) for some in (menu, menu[::-1])]
    assert {menu[c.position] for c in found[0]} == {menu[::-1][c.position] for c in found[1]}


def test_of_equal_ones_the_first_are_taken(even):
    menu = tuple(f"w{i} w{j}" for i in (9, 5, 7) for j in (8, 4))
    assert [c.position for c in best_candidates(even.engine, PROMPT, menu, 3, 6)] == [0, 1, 2]


def test_the_frozen_model_is_asked_without_its_adapter():
    made, menu = policy(), phrases(40)
    with adapter_off(made.lm):
        frozen = exact_scores(made.engine, PROMPT, menu)
    learnt = exact_scores(made.engine, PROMPT, menu)
    assert (frozen - learnt).abs().max() > 0.1
    for is_on, scores in ((False, frozen), (True, learnt)):
        found = best_candidates(made.engine, PROMPT, menu, 5, 40, adapter=is_on)
        assert max(abs(c.score - scores[c.position]) for c in found) < EXACT


def test_the_equivalence_check_is_made_as_it_learns():
    """It may be the first that is asked; what it finds must hold for gradients of the adapter too."""
    made = zoo.policy()
    best_candidates(made.engine, PROMPT, phrases(40), 2, 4, adapter=False)
    assert made.describe_scorer()["gradient_error"] is not None


def test_pieces_and_an_out_of_memory_error_change_nothing():
    menu = phrases(60)
    expected = best_candidates(zoo.policy(budget=10**5).engine, PROMPT, menu, 5, 40)
    for budget, times in ((20, 0), (4096, 2)):
        made = zoo.policy(budget=budget)
        made.log_probs([Decision.plain(PROMPT, menu[:3])])
        zoo.OutOfMemory(made, times)
        found = best_candidates(made.engine, PROMPT, menu, 5, 40)
        assert [c.position for c in found] == [c.position for c in expected]
        assert max(abs(a.score - b.score) for a, b in zip(found, expected, strict=True)) < EXACT


def test_what_cannot_work_is_refused():
    made = policy()
    for k, width in ((0, 4), (5, 4)):
        with pytest.raises(ConfigError, match=f"got {k} and {width}"):
            best_candidates(made.engine, PROMPT, ("w4", "w5"), k, width)
    with pytest.raises(MenuError, match="Duplicate"):
        best_candidates(made.engine, PROMPT, ("w4", "w4"), 1, 4)
    with pytest.raises(ConfigError, match=r"policy\.normalization=unconditional"):
        best_candidates(policy("llama", "unconditional").engine, PROMPT, ("w4", "w5"), 1, 4)


def test_a_model_that_gives_no_numbers_is_told():
    made = zoo.policy(scorer="trie")
    with torch.no_grad():
        made.lm.get_output_embeddings().weight[4:].fill_(torch.nan)
    with pytest.raises(NumericsError, match="shortlist"):
        best_candidates(made.engine, PROMPT, ("w4", "w5"), 1, 4)
