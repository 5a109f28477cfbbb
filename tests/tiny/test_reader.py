"""What teaches a model to read advice: its form, and a corpus that holds no sign of what is good."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from itertools import chain, islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome import advice
from twosome.advice import Lists, Valued
from twosome.tiny import advised, corpus, play
from twosome.tiny.situations import Situation

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


def test_what_is_advised_is_uniform_over_the_menu_and_its_value_says_nothing(met):
    """Pearson's statistic of which action of a scene is encouraged, and of where its value lies; biased ones fail."""
    menus = {(s.goal, s.scene): s.menu for s in chain(*met) if len(s.menu) > 1}
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for text in islice(corpus.texts(5, met, reads=True), 40_000):
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


def test_no_scene_of_a_world_that_is_held_out_is_in_the_corpus(met, never_met, monkeypatch):
    """Not renamed from a scene of another world either: without care that is where they come from."""
    ours = {(s.goal, s.scene) for s in chain(*met)}
    theirs = {f"Goal: {s.goal}\nScene: {s.scene}\n" for s in chain(*never_met) if (s.goal, s.scene) not in ours}
    assert len(theirs) > 300

    def found():
        texts = [t.text for t in islice(corpus.texts(3, met, reads=True), 6_000)]
        return sum(state in theirs for text in texts for state in STATE.findall(text))

    assert found() == 0
    monkeypatch.setattr(advised, "HELD_OUT", frozenset())
    assert found() > 0


def test_a_situation_with_other_nouns_is_the_same_otherwise(met, never_met):
    rng = Random(0)
    for s in chain(*never_met, *met):
        new = advised.renamed(rng, s)
        assert len(new.menu) == len(s.menu) == len(set(new.menu))
        assert [len(a.split()) > 1 for a in new.menu] == [len(a.split()) > 1 for a in s.menu]
