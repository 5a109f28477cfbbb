"""Laws of the search: SQLite's full text search is the judge."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twosome_envs.agent.bm25 import Index, words

WORDS = ["the", "lamp", "price", "of", "red", "box", "cost", "is", "12", "Anna"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=12)


def by_sqlite(texts, query):
    """(position, score) of the texts that hold a word, the best first."""
    base = sqlite3.connect(":memory:")
    base.execute("CREATE VIRTUAL TABLE texts USING fts5(words)")
    base.executemany("INSERT INTO texts VALUES (?)", [(text,) for text in texts])
    wanted = " OR ".join(f'"{word}"' for word in dict.fromkeys(words(query)))
    asked = "SELECT rowid - 1, bm25(texts) FROM texts WHERE texts MATCH ?"
    found = base.execute(asked, (wanted,)).fetchall()
    base.close()
    return sorted(found, key=lambda row: (round(row[1], 9), row[0]))


@settings(max_examples=60)
@given(TEXTS, st.lists(st.sampled_from([*WORDS, "none"]), min_size=1, max_size=4))
def test_the_order_is_that_of_sqlite(texts, query):
    expected = by_sqlite(texts, " ".join(query))
    found = Index(texts).search(" ".join(query), most=len(texts))
    assert {*found} == {position for position, _ in expected}
    scores = dict(expected)
    assert [scores[k] for k in found] == pytest.approx([score for _, score in expected], abs=1e-9)


def test_nothing_is_found_where_no_word_is_shared():
    index = Index(["The lamp is red.", "The box costs 12."])
    assert index.search("window 347 + 268", 5) == ()
    assert index.search("", 5) == ()
    assert index.search("LAMP!", 5) == (0,)
    assert index.search("the", 1) == (0,), "of equal ones the first"
    assert Index([]).search("lamp") == Index([""]).search("lamp") == ()
