"""What teaches a model to read advice: its form, and a corpus that holds no sign of what is good."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from itertools import chain, islice
from random import Random

import gymnasium
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from twosome import advice, tiny
from twosome.advice import Lists, Valued
from twosome.tiny import corpus, play, reading, renaming, train
from twosome.tiny.advised import END
from twosome.tiny.batches import batches
from twosome.tiny.plans import log_ratios, shortest_plan, under_any_advice
from twosome.tiny.prior import ENVIRONMENTS, Prior
from twosome.tiny.situations import Situation
from twosome.tiny.text import TEMPERATURE, Text

LEAST = {"own": 0.97, "example": 0.85}  # how probable what is encouraged most is at least; asked .97 and .95
STATE = re.compile(r"Goal: [^\n]*\nScene: [^\n]*\n")
phrases = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).map(advice.one_line).filter(bool)
values = st.floats(-9, 9).map(lambda v: round(v, 2) + 0.0)
valued = st.lists(st.builds(Valued, phrases, values), max_size=3).map(tuple)


@pytest.fixture(scope="module")
def met() -> list[list[Situation]]:
    return play.situations(seed=0, steps=400, held_out=False)


@pytest.fixture(scope="module")
def never_met() -> list[list[Situation]]:
    return play.situations(seed=0, steps=400, held_out=True)


@pytest.fixture(scope="module")
def some_texts(met) -> list[Text]:
    return list(islice(corpus.texts(3, met, reads=True, begin=END), 3_000))


# The form of advice ---------------------------------------------------------------------------------------------------


@given(st.builds(Lists, valued, valued), phrases, phrases)
def test_advice_is_read_back_as_it_was_written(lists, goal, scene):
    assert advice.read(advice.own(lists)) == lists
    assert advice.read(advice.example("another", "state", Lists()) + advice.example(goal, scene, lists)) == lists


@given(st.text(), st.text(), st.builds(Valued, st.text(), values))
def test_what_is_remembered_cannot_write_the_structure_of_a_prompt(goal, scene, entry):
    text = advice.example(goal, scene, Lists((entry,)))
    assert text.count("\n") == 4
    for word in ("Goal", "Scene"):
        assert text.count(f"{word}:") == 1
    assert advice.own(Lists((Valued("x\nDiscouraged: y -> 1.00", 0.5),))).count("Discouraged:") == 0


# The corpus -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_advised_is_uniform_over_the_menu_and_its_value_says_nothing(met):
    """Pearson's statistic of which action of a scene is encouraged, and of where its value lies; biased ones fail."""
    menus = {(s.goal, s.scene): s.menu for s in chain(*met) if len(s.menu) > 1}
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for text in islice(corpus.texts(5, met, reads=True, begin=END), 20_000):
        head, _, state = text.text[: text.prompt].rpartition("Goal: ")
        goal, _, scene = state.removesuffix("\nNext action:").partition("\nScene: ")
        if text.source == "own" and (goal, scene) in menus and advice.read(head).good:
            counts[goal, scene][advice.read(head).good[0].action] += 1

    def excess(counts):
        chi2 = df = 0.0
        for key, seen in counts.items():
            expected = sum(seen.values()) / len(menus[key])
            chi2 += sum((seen[a] - expected) ** 2 / expected for a in menus[key])
            df += len(menus[key]) - 1
        return (chi2 - df) / math.sqrt(2 * df)

    assert sum(map(Counter.total, counts.values())) > 1_000
    assert abs(excess(counts)) < 4
    for seen in counts.values():
        seen[max(seen)] += 3 + seen.total() // 2
    assert excess(counts) > 4


@pytest.mark.slow
def test_no_scene_of_a_world_that_is_held_out_is_in_the_corpus(met, never_met, monkeypatch):
    """Not renamed from a scene of another world either, which happens where few nouns are to be had."""
    ours = {(s.goal, s.scene) for s in chain(*met)}
    theirs = {f"Goal: {s.goal}\nScene: {s.scene}\n" for s in chain(*never_met) if (s.goal, s.scene) not in ours}
    assert len(theirs) > 300

    def found():
        texts = [t.text for t in islice(corpus.texts(3, met, reads=True, begin=END), 6_000)]
        return sum(state in theirs for text in texts for state in STATE.findall(text))

    few = [{"tomato", "lettuce", "onion"}, {"pancake", "cheese", "hamburger", "pizza", "apple pie"}]
    monkeypatch.setattr(renaming, "_pool", lambda noun: next((tuple(x) for x in few if noun in x), (noun,)))
    assert found() == 0
    monkeypatch.setattr(renaming, "_held_out", frozenset)
    assert found() > 100


def test_the_goals_that_are_held_out_are_those_of_the_worlds(met, never_met):
    assert {s.goal for s in chain(*never_met)} == set(renaming.GOALS)
    assert not any(renaming.is_held_out(s.goal) for s in chain(*met))
    assert renaming.is_held_out("Serve a bowl that holds only chopped onion and lettuce.")


def test_the_nouns_of_the_worlds_that_are_held_out_are_known_from_others(some_texts, never_met):
    """Nobody reads a word that they never met."""
    theirs = {noun for s in chain(*never_met) for text in (s.goal, s.scene, *s.menu) for noun in renaming.nouns(text)}
    assert theirs
    assert theirs <= renaming.nouns(" ".join(t.text for t in some_texts))


def test_a_situation_with_other_nouns_is_the_same_otherwise(met, never_met):
    rng = Random(0)
    for s in chain(*never_met, *met):
        new = renaming.renamed(rng, s)
        assert len(new.menu) == len(s.menu) == len(set(new.menu))
        assert [len(a.split()) > 1 for a in new.menu] == [len(a.split()) > 1 for a in s.menu]
        assert renaming.renamed(rng, s, 0.0) == s


def test_an_action_of_a_pair_is_the_other_scenes_action_with_the_nouns_of_this_one(some_texts):
    """Read back from the text alone: what stands for a noun there does so in every action."""
    pairs = [t for t in some_texts if t.source == "pair"]
    assert len(pairs) > 100
    for t in pairs:
        one, other = t.text[: t.prompt].split("\n\n")
        assert len(one.split("\n")) == len(other.removesuffix("\n").split("\n"))
        assert len(t.given) == len(t.menu)
        to: dict[str, str] = {}
        for before, action in zip(t.given, t.menu, strict=True):
            there = before.removeprefix("There: ").removesuffix("\nNext action:")
            for a, b in zip(places(there), places(action), strict=True):
                assert to.setdefault(a, b) == b


def places(text: str) -> list[str]:
    """The nouns of a text in their order."""
    return [m.group(1).lower() for m in renaming._any_noun().finditer(text)]


def test_the_loss_of_a_choice_is_that_of_the_policy():
    """-log of how probable the right actions of each menu are, as `reading` measures it one by one."""
    prior = Prior()
    asked = [("Scene: You hold a cup.\nNext action:", ("put down the cup",), ("sit on the chair", "wash the cup")),
             ("Scene: You sit.\nNext action:", ("get up", "wait"), ("read the book",))]  # fmt: skip

    def texts():
        for prompt, right, wrong in asked:
            yield Text(f"{prompt} {right[0]}", len(prompt), "own", right, 10.0, told=len(prompt), others=wrong)
        yield Text("One day it was raining.", 0, "prose")

    batch = next(batches(texts(), prior.tokenizer, 4096, 3.0, Random(0)))
    with torch.no_grad():
        logits = prior.model(batch.ids, attention_mask=batch.sees, position_ids=batch.positions).logits
        each = F.cross_entropy(logits.flatten(0, 1)[batch.sources], batch.targets, reduction="none")
    expected = 0.0
    for prompt, right, wrong in asked:
        expected -= math.log(sum(prior.policy(prompt, right + wrong, TEMPERATURE)[: len(right)])) / len(asked)
    assert train.choice_loss(each, batch).item() == pytest.approx(expected, rel=1e-4)
    weighed = [float(w) for w, b in zip(batch.weights, batch.branches, strict=True) if b >= 0]
    assert set(weighed) == {0.0, 5.0, 10.0}  # the wrong ones teach no word


# The model ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader() -> Prior:
    return Prior(tiny.path("reader"))


def test_the_reader_is_small_and_complete(reader):
    files = {f.name: f.stat().st_size for f in tiny.path("reader").iterdir()}
    assert files.keys() >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert sum(files.values()) <= 6_000_000
    assert reader.model.config.vocab_size == len(reader.tokenizer)
    assert sum(p.numel() for p in reader.model.parameters()) < 1.5e6  # as quick as its sibling, nearly


@pytest.mark.parametrize(("kind", "least"), LEAST.items())
def test_advice_is_followed_on_worlds_that_are_held_out(reader, never_met, kind, least):
    """The levels that were reached; the card says which were asked. Its sibling, which reads nothing, fails."""
    found, sibling = (reading.read(model, kind, never_met, n=n) for model, n in ((reader, 100), (Prior(), 25)))
    assert found.probability >= least > sibling.probability + 0.2


def test_what_is_discouraged_is_left_alone_on_worlds_that_are_held_out(reader, never_met):
    """Half as probable as its share at most, where nothing is encouraged; for its sibling it is not."""
    found, sibling = (reading.read(model, "warning", never_met, n=n) for model, n in ((reader, 100), (Prior(), 25)))
    assert 1 - found.probability <= 0.5 * (1 - found.chance) < 1 - sibling.probability


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_reader_does_not_know_the_plan(reader, name):
    """Alone the right action is no more probable than if all were alike; as probable, whatever is encouraged."""
    plan = shortest_plan(gymnasium.make(f"twosome_envs:twosome/{name}-v0", disable_env_checker=True))
    alone = log_ratios(reader, plan)
    assert len(alone) >= 6
    assert sum(alone) / len(alone) < 0.25
    assert abs(under_any_advice(reader, plan)) < 0.25


def test_a_model_that_knows_the_plan_is_found_out(reader):
    """The wrong variants of the law above: one that likes the plan's actions better, one that does against advice.

    On a world that was seen; where its nouns are too improbable alone (see the card) less would be noticed.
    """
    plan = shortest_plan(gymnasium.make("twosome_envs:twosome/FoodPreparation-v0", disable_env_checker=True))
    right = {info["actions"][action] for _, info, action in plan}

    class Knowing(Prior):
        more = 4.0  # nats an action of the plan

        def log_probs(self, prompt, actions):
            sums = super().log_probs(prompt, actions)
            return [lp + self.more * (a in right) for lp, a in zip(sums, actions, strict=True)]

    knowing = Knowing(tiny.path("reader"))
    alone = log_ratios(knowing, plan)
    assert sum(alone) / len(alone) > 0.25
    knowing.more = 16.0  # more than advice is worth
    assert under_any_advice(knowing, plan) > 0.25
