"""A state in the words of another task: one word for one, there and back, and only where tasks are alike."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twosome.memory.translation import Translation, translation

PANCAKE, CLOTHES = "Heat up the pancake in the microwave.", "Wash up the clothes in the washing machine."
words = st.lists(st.sampled_from(["red", "blue", "lamp", "chair", "tin", "pot", "two"]), min_size=1, max_size=6).map(
    " ".join
)


def test_what_stands_at_the_same_place_of_two_goals_stands_for_each_other():
    told = translation(CLOTHES, PANCAKE, 0.5)
    assert told("You are near the washing machine. The clothes are clean.") == (
        "You are near the microwave. The pancake are clean."
    )
    assert told("put the clothes in the washing machine") == "put the pancake in the microwave"


def test_a_word_of_the_other_task_that_stands_here_too_changes_places():
    """Else two things of a scene would become one."""
    told = translation("Buy a red lamp.", "Buy a blue lamp.", 0.5)
    assert told("a red lamp and a blue lamp, redder than blueberries") == (
        "a blue lamp and a red lamp, redder than blueberries"
    )


def test_plurals_follow():
    assert translation("Buy a chair.", "Buy a lamp.", 0.5)("search for chairs") == "search for lamps"


@pytest.mark.parametrize("alike", [0.8, 1.0])
def test_goals_that_have_too_little_in_common_translate_nothing(alike):
    assert translation("Buy a red lamp.", "Buy a blue tin.", alike).words == {}
    assert translation("Buy a red lamp.", "Buy a blue tin.", 0.5).words != {}


@given(words, words, words)
@settings(max_examples=200, deadline=None)
def test_a_translation_is_one_for_one(goal, other, scene):
    told = translation(goal, other, 0.0).words
    assert set(told) == set(told.values())
    assert len(set(told.values())) == len(told)
    assume(
        not any(" " in word for word in told)
    )  # where two words stand for one, a text may be cut otherwise on the way back
    back = Translation({new: old for old, new in told.items()})
    assert back(Translation(told)(scene)) == scene


@given(words)
@settings(max_examples=50, deadline=None)
def test_a_task_in_its_own_words_is_itself(goal):
    assert translation(goal, goal, 0.0).words == {}
