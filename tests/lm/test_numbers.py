"""What a critic reads of the numbers in a text."""

import doctest

import pytest
import torch

from twosome.config.compose import compose
from twosome.lm import numbers as module
from twosome.lm.numbers import PLACES, numbers
from twosome.systems.build import build_policy


def test_the_example():
    assert doctest.testmod(module).failed == 0


def place(text):
    """Where the only number of a text stands, and what stands there."""
    row = numbers([text])[0]
    [at] = row.nonzero().flatten().tolist()
    return at, row[at].expm1().item()


def test_a_number_stands_under_the_word_beside_it_and_keeps_its_value():
    for value in (1, 7, 96, 0.3):
        at, found = place(f"You see {value} notes. Go on.")
        assert (at, found) == (place("1 note.")[0], pytest.approx(value, rel=1e-5))
    assert place("Asking costs 3.")[0] == place("It costs 5. Why?")[0]
    assert place("3 lamps")[0] != place("3 jars")[0]
    assert not numbers(["No notes.", "none", "", "no numbers at all"]).any()
    assert numbers(["9" * 400 + " notes"]).isfinite().all()


def test_a_policy_with_numbers_has_a_critic_of_their_width_and_the_same_actor():
    texts = ["Goal: a\nScene: 3 notes. 21 questions left.\nNext action:", "Goal: a\nScene: No notes.\nNext action:"]
    plain, wide = (build_policy(compose([f"policy.numbers={on}"]), adapter=False) for on in ("false", "true"))
    assert torch.equal(wide.features(texts)[:, :-PLACES], plain.features(texts))
    assert torch.equal(wide.features(texts)[:, -PLACES:], numbers(texts))
    assert wide.values(texts).shape == (2,)
