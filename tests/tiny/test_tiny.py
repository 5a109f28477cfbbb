"""The embedded model: it loads, it is small, its corpus is reproducible, it has not seen the solutions."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import chain, islice
from random import Random

import gymnasium
import pytest

from twosome import tiny
from twosome.tiny import corpus, play, prose
from twosome.tiny.plans import log_ratios, shortest_plan
from twosome.tiny.prior import ENVIRONMENTS, Prior
from twosome.tiny.situations import Situation

STEPS = 400  # random steps a world: fewer than the corpus used, enough for the laws


def make(name: str) -> gymnasium.Env:
    return gymnasium.make(f"twosome_envs:twosome/{name}-v0", disable_env_checker=True)


def prompt_of(s: Situation) -> str:
    return corpus.PROMPT.format(goal=s.goal, scene=s.scene)


@pytest.fixture(scope="module")
def worlds() -> list[list[Situation]]:
    return play.situations(seed=0, steps=STEPS)


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior()


# The package ----------------------------------------------------------------------------------------------------------


def test_the_weights_are_small_and_complete():
    names = {f.name for f in tiny.path().iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert sum(f.stat().st_size for f in tiny.path().iterdir()) < 8_000_000
    assert 30_000 < tiny.heldout().stat().st_size < 60_000


def test_the_model_has_one_to_two_million_parameters(prior):
    assert 1_000_000 <= sum(p.numel() for p in prior.model.parameters()) <= 2_000_000
    assert prior.model.config.model_type == "llama"
    assert prior.model.config.vocab_size == len(prior.tokenizer)


def test_importing_the_package_loads_no_torch():
    code = "import sys, twosome.tiny; twosome.tiny.path(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "text", ["Goal: rest\nScene: You sit.\nNext action:", "  two  blanks ", "naïve café, 7½ €", "<a> 漢字"]
)
def test_the_tokenizer_loses_nothing(prior, text):
    ids = prior.tokenizer(text)["input_ids"]
    assert ids[0] == prior.tokenizer.bos_token_id
    assert prior.tokenizer.decode(ids, skip_special_tokens=True) == text


def test_an_action_never_merges_with_its_prompt(prior, worlds):
    def encode(text):
        return prior.tokenizer(text, add_special_tokens=False)["input_ids"]

    for s in chain(*worlds):
        prompt = prompt_of(s)
        for action in s.menu:
            assert encode(f"{prompt} {action}") == encode(prompt) + encode(f" {action}")


def test_prompts_are_short_in_tokens(prior, worlds):
    prompts = [prompt_of(s) for s in chain(*worlds)]
    lengths = [len(prior.tokenizer(p)["input_ids"]) for p in prompts]
    words = [len(re.findall(r"\w+|[^\w\s]", p)) for p in prompts]
    assert sum(lengths) < 1.15 * sum(words)
    assert max(lengths) < 160


# The corpus -----------------------------------------------------------------------------------------------------------


def test_the_corpus_is_a_function_of_its_seed(worlds):
    def head(seed):
        return list(islice(corpus.texts(seed, worlds), 300))

    assert head(3) == head(3)
    assert head(3) != head(4)
    assert play.situations(seed=0, steps=STEPS) == worlds
    assert corpus.heldout() == tiny.heldout().read_text()


def test_actions_in_the_corpus_are_uniform_given_the_scene(worlds):
    """Pearson's statistic, pooled over scenes, is within 4 deviations; with a preference it is not."""
    menus = {prompt_of(s): s.menu for s in chain(*worlds)}
    doubtful = {p for p, n in Counter(prompt_of(s) for s in chain(*worlds)).items() if n > 1}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text in islice(corpus.texts(7, worlds), 60_000):
        prompt = text.text[: text.prompt]
        if text.source == "play" and prompt in menus and prompt not in doubtful:
            counts[prompt][text.text[text.prompt + 1 :]] += 1

    def excess(counts):
        chi2 = df = 0.0
        for prompt, seen in counts.items():
            expected, distinct = sum(seen.values()) / len(menus[prompt]), Counter(menus[prompt])
            assert seen.keys() <= distinct.keys()
            chi2 += sum((seen[a] - m * expected) ** 2 / (m * expected) for a, m in distinct.items())
            df += len(distinct) - 1
        return (chi2 - df) / math.sqrt(2 * df)

    assert sum(sum(c.values()) for c in counts.values()) > 5_000
    assert abs(excess(counts)) < 4
    for seen in counts.values():
        seen[max(seen)] += 3 + sum(seen.values()) // 2
    assert excess(counts) > 4


def test_no_text_holds_two_benchmark_steps(worlds):
    phrases = {a for s in chain(*worlds) for a in s.menu}
    pattern = re.compile(r"\b(" + "|".join(sorted(map(re.escape, phrases), key=len, reverse=True)) + r")\b", re.I)
    assert len(pattern.findall("Walk to the kitchen. Then open the microwave.")) == 2
    for text in islice(corpus.texts(11, worlds), 20_000):
        steps = pattern.findall(text.text[text.prompt :])
        assert len(steps) <= 1, text.text
        assert text.text.count("Next action:") <= 1
        assert not (text.source in ("prose", "long") and steps), text.text


def test_ordered_prose_leaves_the_nouns_of_the_benchmark_alone():
    nouns = ["tomato", "lettuce", "onion", "pancake", "hamburger", "pizza", "microwave", "dishwasher", "chips", "milk"]
    nouns += ["washing machine", "cutting board", "salad", "TV", "sofa"]
    rng = Random(0)
    for _ in range(3_000):
        text = prose.story(rng, 4) + prose.instructions(rng) + prose.dialogue(rng, 2) + prose.description(rng, 3)
        assert not re.search(r"\b(" + "|".join(nouns) + r")\b", text), text


def test_a_row_of_branches_is_the_separate_texts(prior):
    """The weighted loss of a packed row equals the mean over the separate texts, action by action."""
    import torch
    from torch.nn import functional as F

    from twosome.tiny.batches import Action, branching, collate, plain

    def encode(text, special):
        return prior.tokenizer(text, add_special_tokens=special)["input_ids"]

    prompt, menu = "Scene: You hold a cup.\nNext action:", ["put down the cup", "sit on the chair", "wash the cup"]
    head, branches = encode(prompt, True), [encode(f" {a}", False) for a in menu]
    actions = [Action(ids, len(a.split()), True, []) for ids, a in zip(branches, menu, strict=True)]
    batch = collate([branching(head, actions, 1.0), plain(encode("One day it was raining.", True))])
    with torch.no_grad():
        hidden = prior.model(batch.ids, attention_mask=batch.sees, position_ids=batch.positions).logits
        each = F.cross_entropy(hidden.flatten(0, 1)[batch.sources], batch.targets, reduction="none")
        of_row = batch.sources < batch.ids.shape[1]
        packed = (each * batch.weights)[of_row].sum()
        separate = []
        for branch in branches:
            ids = torch.tensor([*head, *branch, 2])
            separate.append(F.cross_entropy(prior.model(ids[None]).logits[0, :-1], ids[1:], reduction="sum"))
    torch.testing.assert_close(packed, sum(separate) / len(separate), rtol=1e-4, atol=1e-3)


# What the model knows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_model_does_not_know_the_plan(prior, name):
    """Along a shortest plan the right action is as probable, on average, as if all were alike."""
    found = log_ratios(prior, shortest_plan(make(name)))
    assert len(found) >= 6
    assert abs(sum(found) / len(found)) < 0.25, found


@pytest.mark.parametrize("name", ["TomatoSalad", "Entertainment"])
def test_the_model_reads_scenes(prior, name):
    """Legal actions are far more probable than actions of the same world that the scene does not allow."""
    found = sorted(play.wander(make(name), 600, 1), key=str)
    known = {a for s in found for a in s.menu}
    right = total = 0
    for s in found:
        if others := tuple(sorted(known - set(s.menu))):
            prompt = prompt_of(s)
            legal, illegal = prior.log_probs(prompt, s.menu), prior.log_probs(prompt, others)
            right += sum(a > b for a in legal for b in illegal)
            total += len(legal) * len(illegal)
    assert right > 0.9 * total
