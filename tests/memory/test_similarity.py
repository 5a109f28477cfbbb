"""Whom a situation is like: itself most, whatever the scenes of a task have in common; the twin, not the neighbour."""

import dataclasses
import itertools
import math
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.config.compose import compose
from twosome.memory.records import Records, Step
from twosome.memory.similarity import Choice, Features, Words, exact, recall, views
from twosome.types import Situation

SETTINGS = dataclasses.replace(compose([]).memory, n=1, bonus=0.0, capacity=200_000)


def vector(text):
    """Of a text, the same whenever it is asked for."""
    return np.random.default_rng(list(text.encode())).normal(size=16)


def embed(texts):
    return np.stack([vector(text) for text in texts])


def records_of(*situations):
    records = Records(SETTINGS)
    for situation in situations:
        records.learn([Step(situation, "on", 1.0, 0.9)], None)
    return records


def similar(similarity, situation, records, alike=1.0):
    return similarity(views(situation, records, alike), records)


def nearest(k):
    return Choice(k, alike=1.0)


def kinds():
    return {"exact": exact, "words": Words(), "raw": Features(embed, 0.3, raw=True), "features": Features(embed, 0.3)}


names = st.sampled_from(["red", "blue", "green lamp", "the door", "a bowl of soup"])
situations = st.lists(st.builds(Situation, names, names), min_size=2, max_size=8, unique=True)


@given(situations)
@settings(max_examples=40, deadline=None)
def test_it_is_symmetric_and_a_situation_is_most_like_itself(found):
    records = records_of(*found)
    for name, similarity in kinds().items():
        table = np.stack([similar(similarity, s, records) for s in records.told()])
        assert table == pytest.approx(table.T, abs=1e-9), name
        assert table.max() <= 1 + 1e-9, name
        is_lone = [sum(x.goal == s.goal for x in found) == 1 for s in records.told()]
        for k, lone in enumerate(is_lone):  # centred, the only scene of a task has nothing left that is its own
            if not (lone and name == "features"):
                assert table[k, k] == pytest.approx(1.0), name


@given(situations, st.floats(-3, 3))
@settings(max_examples=40, deadline=None)
def test_what_all_scenes_of_a_task_have_in_common_does_not_count(found, shift):
    """A constant vector added to every scene of a task changes nothing; raw, it does."""
    moved_goal = found[0].goal
    scenes = {s.scene for s in found}

    def embed_moved(texts):
        # a scene belongs to one task here, so that it can be moved with it
        return np.stack([vector(t) + shift * 5 * t.startswith(f"{moved_goal}:") for t in texts])

    own = [Situation(s.goal, f"{s.goal}:{s.scene}") for s in found]
    assert scenes
    records = records_of(*own)
    still, moved = Features(embed, 0.0), Features(embed_moved, 0.0)
    for s in own:
        assert similar(moved, s, records) == pytest.approx(similar(still, s, records), abs=1e-6)


def test_raw_vectors_do_depend_on_what_scenes_have_in_common():
    own = [Situation("a", f"{k}") for k in range(4)]
    records = records_of(*own)
    plain = similar(Features(embed, 0.0, raw=True), own[0], records)
    moved = similar(Features(lambda texts: embed(texts) + 5, 0.0, raw=True), own[0], records)
    assert np.abs(plain - moved).max() > 0.1


def test_centred_the_twin_in_another_task_is_found_and_raw_the_neighbour():
    """Scenes are where in a task they are, plus what their task is, which is the larger part.

    Of the other task nothing is known but where it begins; asked in that order, from its first question on.
    """
    places, tasks = np.eye(16)[:6], 4 * np.random.default_rng(0).normal(size=(2, 16))

    def embed_places(texts):
        found = []
        for text in texts:
            task, _, place = text.partition(" ")
            found.append(tasks[int(task)] + (places[int(place)] if place else 0))
        return np.stack(found)

    known = [Situation("0", f"0 {k}") for k in range(6)]
    records = records_of(*known)
    centred, raw = Features(embed_places, 0.0), Features(embed_places, 0.0, raw=True)
    asked = [Situation("1", f"1 {k}") for k in range(6)]
    twins = [int(similar(centred, s, records).argmax()) == k for k, s in enumerate(asked)]
    assert all(twins)
    assert not all(int(similar(raw, s, records).argmax()) == k for k, s in enumerate(asked))


def test_the_most_similar_come_last_and_equals_by_how_often_they_were_met():
    a, b, c, d = (Situation("g", name) for name in ("a", "b", "c", "d"))
    records = records_of(a, b, c, b)
    records.learn([Step(c, "on", 1.0, 0.9)], d)  # d is met, but nothing is known of it
    assert [r.situation for r in recall(a, records, exact, nearest(3))] == [b, c, a]
    assert [r.situation for r in recall(d, records, exact, nearest(2))] == [b, c]
    assert recall(a, records, exact, nearest(1))[0].similarity == 1.0
    assert recall(a, Records(SETTINGS), exact, nearest(2)) == []
    assert recall(a, Records(SETTINGS), Features(embed, 0.5), nearest(2)) == []


def test_the_twin_in_another_task_is_exactly_like_it_in_the_words_of_that_task():
    records = records_of(Situation("Wash the cup.", "The cup is full."), Situation("Wash the cup.", "You stand."))
    asked = Situation("Wash the bowl.", "The bowl is full.")
    for name, similarity in kinds().items():
        assert similar(similarity, asked, records, alike=0.5)[0] == pytest.approx(1.0), name
        assert similar(similarity, asked, records, alike=1.0)[0] < 0.99, name


def test_words_agree_with_counting_them():
    known = [Situation("a b", "b c"), Situation("a", ""), Situation("", "x x y")]
    records = records_of(*known)
    asked = Situation("x", "a b b")

    def counts(s):
        words = f"{s.goal} {s.scene}".split()
        return Counter([*words, *itertools.pairwise(words)])

    def product(a, b):
        return sum(n * b[word] for word, n in a.items())

    expected = [
        product(counts(s), counts(asked))
        / math.sqrt(product(counts(s), counts(s)) * product(counts(asked), counts(asked)))
        for s in known
    ]
    assert similar(Words(), asked, records) == pytest.approx(expected)


def test_the_order_of_words_counts():
    asked, other = Situation("g", "a red cup, a blue lid"), Situation("g", "a blue cup, a red lid")
    assert similar(Words(), asked, records_of(other))[0] < 0.95


def test_of_what_is_similar_the_valuable_is_recalled():
    known = [Situation("g", f"s{k}") for k in range(4)]
    records = records_of(*known)
    likeness, worth = [0.9, 0.8, 0.7, 0.0], [0.0, 0.1, 1.0, 9.0]

    def similarity(views, records):
        return np.array([likeness[known.index(s)] for s in records.told()])

    def value(situation):
        return worth[known.index(situation)]

    def found(**how):
        return [r.situation.scene for r in recall(known[0], records, similarity, Choice(1, 1.0, **how), value)]

    assert found() == ["s0"]
    assert found(candidates=3, similarity_weight=0.0) == ["s2"], "the most valuable of those that are similar"
    assert found(candidates=3, similarity_weight=1.0) == ["s0"]
    assert found(candidates=1, similarity_weight=0.0) == ["s0"]
    both = recall(known[0], records, similarity, Choice(2, 1.0, candidates=3, similarity_weight=0.0), value)
    assert [r.situation.scene for r in both] == ["s2", "s1"], "the most similar last"


@given(situations, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_a_partial_order_finds_what_sorting_all_finds(found, k):
    records = records_of(*found, *found[:2])
    for similarity in kinds().values():
        table = similar(similarity, found[0], records)
        order = sorted(range(len(records)), key=lambda i: (table[i], records[records.told()[i]].visits, i))
        expected = [records.told()[i] for i in order[-k:]]
        assert [r.situation for r in recall(found[0], records, similarity, nearest(k))] == expected


def test_every_text_is_embedded_once_and_a_changed_memory_is_seen():
    asked = []

    def counting(texts):
        asked.extend(texts)
        return embed(texts)

    features = Features(counting, 0.5)
    records = records_of(Situation("g", "a"), Situation("g", "b"))
    for _ in range(3):
        similar(features, Situation("g", "a"), records)
    records.learn([Step(Situation("g", "c"), "on", 1.0, 0.9)], None)
    assert similar(features, Situation("g", "c"), records).argmax() == 2
    assert sorted(asked) == ["a", "b", "c", "g"]


def test_a_hundred_thousand_records_are_recalled_by_one_product():
    """No sorting of all, no loop over vectors: the time of a recall is that of a few products of that size."""
    records = Records(dataclasses.replace(SETTINGS))
    many = [Situation(f"g{k % 10}", f"s{k}") for k in range(100_000)]
    for start in range(0, len(many), 1000):
        records.learn([Step(s, "on", 1.0, 0.9) for s in many[start : start + 1000]], None)
    rng = np.random.default_rng(0)
    features = Features(lambda texts: rng.normal(size=(len(texts), 32)), 0.3)
    recall(many[0], records, features, nearest(2))
    took = []
    for s in many[:3]:
        begun = time.process_time()
        found = recall(s, records, features, nearest(2))
        took.append(time.process_time() - begun)
        assert found[-1].situation == s
    print(f"a recall among {len(records):,} records: {1000 * min(took):.0f} ms")
