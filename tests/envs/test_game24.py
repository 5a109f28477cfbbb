"""Laws of the game of 24: the rules against exhaustive search, exact figures, splits, the episode."""

import functools
from fractions import Fraction
from itertools import combinations_with_replacement, permutations
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.game24 import hands
from twosome_envs.game24.drawing import characters, picture
from twosome_envs.game24.env import Game24Env
from twosome_envs.game24.rules import MOST_MOVES, TARGET, moves

CONF = Path(__file__).parents[2] / "conf" / "env"
ALL_HANDS = list(combinations_with_replacement(range(1, 10), 4))


def exact(hand):
    return tuple(map(Fraction, hand))


@functools.cache
def wins(numbers):
    """Whether 24 can be made from here."""
    return numbers == (TARGET,) if len(numbers) == 1 else any(wins(move.left) for move in moves(numbers))


@functools.cache
def chance(numbers):
    """The exact probability that random play makes 24."""
    if len(numbers) == 1:
        return Fraction(numbers == (TARGET,))
    found = moves(numbers)
    return sum(chance(move.left) for move in found) / len(found)


def makes_24(numbers):
    """The slow judge: every order of the numbers, every operation on neighbours, negative numbers allowed."""
    if len(numbers) == 1:
        return numbers[0] == TARGET
    for a, b, *rest in set(permutations(numbers)):
        results = {a + b, a - b, a * b} | ({a / b} if b else set())
        if any(makes_24((result, *rest)) for result in results):
            return True
    return False


def test_404_of_495_hands_are_solvable():
    assert len(ALL_HANDS) == 495
    assert [hand for hand in ALL_HANDS if wins(exact(hand))] == list(hands.solvable())
    assert len(hands.solvable()) == 404


def test_negative_numbers_make_no_other_hand_solvable():
    for hand in ALL_HANDS:
        assert makes_24(exact(hand)) == (hand in hands.solvable()), hand


def test_figures():
    """First moves, those of them that are no dead end, and random play: exact averages over hands."""
    good = hands.solvable()
    first = [len(moves(exact(hand))) for hand in ALL_HANDS]
    assert max(first) == MOST_MOVES == 30
    assert min(first) == 3, "four ones: 2, 0 and 1"
    n_moves = sum(len(moves(exact(hand))) for hand in good)
    n_good = sum(wins(move.left) for hand in good for move in moves(exact(hand)))
    assert (n_moves, n_good) == (7795, 1905), "19.29 and 4.72 per hand"
    found = {
        name: float(sum(chance(exact(hand)) for hand in hands.split(name)) / len(hands.split(name)))
        for name in hands.SPLITS
    }
    assert found == pytest.approx(
        {"train": 0.008225418008326157, "test": 0.008920800260406307, "all": 0.008363117464183611}, rel=1e-12
    )
    config = yaml.safe_load((CONF / "game24.yaml").read_text())
    assert config["optimum"] == 1 == min(wins(exact(hand)) for hand in good)


def test_the_splits_are_disjoint_and_complete():
    train, test = hands.split("train"), hands.split("test")
    assert (len(train), len(test)) == (324, 80)
    assert not set(train) & set(test)
    assert sorted(train + test) == list(hands.split("all")) == list(hands.solvable())
    assert (test[0], test[1], test[-1]) == ((1, 1, 3, 6), (1, 1, 4, 4), (6, 8, 8, 9)), (
        "the rule must never change: trained policies depend on it"
    )


def test_every_move_is_right_and_every_result_is_there():
    """A move is true arithmetic, uses up two numbers, and equal numbers left are one action."""
    for hand in ALL_HANDS[::7]:
        numbers = exact(hand)
        found = moves(numbers)
        lefts = [move.left for move in found]
        assert len(set(lefts)) == len(lefts) <= MOST_MOVES
        assert all(min(left) >= 0 and list(left) == sorted(left) for left in lefts)
        for first, sign, second, result, left in found:
            assert eval("a" + sign + "b", {"a": first, "b": second}) == result
            pool = [*numbers, result]
            for used in (first, second, *left):
                pool.remove(used)
            assert not pool
        for a, b, c, d in set(permutations(numbers)):
            for result in {a + b, a * b, abs(a - b), *([a / b] if b else [])}:
                assert tuple(sorted((c, d, result))) in lefts


def test_nothing_is_divided_by_zero():
    assert {move.sign for move in moves((Fraction(0), Fraction(0)))} == {"+"}
    assert [move.result for move in moves(exact((0, 3)))] == [3, 0]


def test_a_way_through_fractions():
    env = Game24Env(hand=[8, 3, 8, 3])
    _, info = env.reset()
    for phrase in ("8 / 3 = 8/3 (left: 8/3 3 8)", "3 - (8/3) = 1/3 (left: 1/3 8)", "8 / (1/3) = 24 (left: 24)"):
        _, reward, terminated, truncated, info = env.step(info["actions"].index(phrase))
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)
    assert info["episode"] == {"r": 1.0, "l": 3}


def test_a_hand_played_out_is_lost_and_not_cut_off():
    """A bootstrapped value would make a lost hand worth something; a hand not played out in three steps is cut off."""
    env = Game24Env(hand=(1, 1, 1, 1))
    env.reset()
    steps = [env.step(0) for _ in range(3)]
    assert [step[2:4] for step in steps] == [(False, False), (False, False), (True, False)]
    assert steps[-1][1] == 0
    assert not steps[-1][4]["success"]
    env.reset()
    before = env.snapshot().state
    steps = [env.step(29) for _ in range(3)]
    assert [step[2:4] for step in steps] == [(False, False), (False, False), (False, True)]
    assert env.snapshot().state == before


def test_a_reset_draws_every_hand_of_the_split():
    env = Game24Env(split="test")
    env.reset(seed=0)
    drawn = {tuple(map(int, env.reset()[0]["vector"][:4])) for _ in range(1500)}
    assert drawn == set(hands.split("test"))


def test_different_ways_meet():
    """The state is the numbers left, whichever way and hand they come from."""
    states = []
    for hand, phrase in (((2, 2, 5, 7), "2 + 2 = 4 (left: 4 5 7)"), ((1, 4, 5, 7), "4 * 1 = 4 (left: 4 5 7)")):
        env = Game24Env(hand=hand)
        _, info = env.reset()
        env.step(info["actions"].index(phrase))
        states.append(env.snapshot().state)
    assert states[0] == states[1]


def test_no_number_is_too_large_for_the_vector():
    env = Game24Env(hand=(9, 9, 9, 9))
    env.reset()
    for start in ((9, 9, 9, 9), (1, 9, 9, 9), (1, 1, 9, 9)):
        todo = {exact(start)}
        while todo:
            assert all(env.observation_space["vector"].contains(env._vector(numbers)) for numbers in todo)
            todo = {move.left for numbers in todo for move in moves(numbers)}


@pytest.mark.parametrize("wrong", [(1, 2, 3), (0, 1, 2, 3), (1, 2, 3, 10), 24, (1, 2, 3, 4.5), "1234"])
def test_a_wrong_hand_is_named(wrong):
    with pytest.raises(ValueError, match="hand must be 4 whole numbers from 1 to 9"):
        Game24Env(hand=wrong)


def test_a_wrong_split_is_named():
    with pytest.raises(ValueError, match=r"Unknown split 'tests'\. Did you mean 'test'"):
        Game24Env(split="tests")


@pytest.mark.parametrize("name", ["game24", "game24_test"])
def test_conf(name):
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.gamma == config["gamma"]
    assert env.hands == hands.split("train" if name == "game24" else "test")


def test_pictures():
    """Numbers of any length stay on their card, and every state looks different."""
    shown = [
        exact((1, 2, 3, 4)),
        (Fraction(6561, 1),),
        (Fraction(7, 729), Fraction(24)),
        (Fraction(24),),
        (Fraction(23),),
    ]
    frames = [picture(numbers) for numbers in shown]
    assert {frame.shape for frame in frames} == {(200, 520, 3)}
    assert len({frame.tobytes() for frame in frames}) == len(frames)
    assert all(np.array_equal(frame[:8], frames[0][:8]) for frame in frames)
    assert characters(shown[2]).splitlines()[2] == "|  7/729  | |   24  |"
