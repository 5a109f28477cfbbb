"""Laws of replayed transitions: what an n-step return is, what is left out, and that drawing repeats itself."""

import dataclasses
import json

import pytest
import torch

from twosome.errors import INVALID_CONTENT
from twosome.rl.replay import Replay, Transition, transitions
from twosome.types import Decision, Rollout

MENU = ("go left", "go right", "stay")


def random_rollout(seed, length=9, worlds=3):
    """Durations, both kinds of ends, dropped steps, and truncations of which no menu is known."""
    g = torch.Generator().manual_seed(seed)
    shape = (length, worlds)
    kind = torch.randint(0, 8, shape, generator=g)
    terminated, truncated, is_real = kind == 0, (kind == 1) | (kind == 2) | (kind == 3), kind != 3
    names_none = kind == 2
    states = [[f"s{t} {b}" for b in range(worlds)] for t in range(length)]
    after = [[f"after {t} {b}" for b in range(worlds)] for t in range(length)]
    gone = terminated | ~is_real | names_none
    return Rollout(
        decisions=[[Decision.plain(s, MENU) for s in row] for row in states],
        next_states=after,
        distributions=[[torch.zeros(3)] * worlds] * length,
        actions=torch.randint(0, 3, shape, generator=g),
        log_probs=torch.zeros(shape),
        rewards=torch.randn(shape, generator=g),
        discounts=0.9 ** torch.randint(1, 5, shape, generator=g).float(),
        terminated=terminated,
        truncated=truncated,
        is_real=is_real,
        episodes=[],
        next_menus=[[() if gone[t, b] else MENU[: 1 + t % 3] for b in range(worlds)] for t in range(length)],
    )


def slow(rollout, n, t, b):
    """The definition, by recursion: (reward, discount, where it stops); None where it has not even one step."""
    if t == len(rollout.rewards) or not rollout.is_real[t, b]:
        return None
    reward, discount = float(rollout.rewards[t, b]), float(rollout.discounts[t, b])
    if rollout.terminated[t, b]:
        return reward, 0.0, t
    rest = None if n == 1 or rollout.truncated[t, b] else slow(rollout, n - 1, t + 1, b)
    return (reward, discount, t) if rest is None else (reward + discount * rest[0], discount * rest[1], rest[2])


def test_to_a_question_credited_alone_its_end_is_the_end():
    rollout = random_rollout(0)
    closes = torch.rand(rollout.rewards.shape, generator=torch.Generator().manual_seed(1)) < 0.4
    ended = dataclasses.replace(rollout, terminated=rollout.terminated | closes)
    session = dataclasses.replace(rollout, closes=closes)
    assert transitions(session, 3, by_question=True) == transitions(ended, 3)
    assert transitions(session, 3) == transitions(rollout, 3) != transitions(ended, 3)
    assert transitions(rollout, 3, by_question=True) == transitions(rollout, 3), "a world that has no questions"


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_returns_of_n_steps_are_the_slow_sum(n):
    lengths = set()
    for seed in range(20):
        rollout = random_rollout(seed)
        expected = {}
        for t in range(9):
            for b in range(3):
                found = slow(rollout, n, t, b)
                if found is not None and (found[1] == 0 or rollout.next_menus[found[2]][b]):
                    expected[f"s{t} {b}"] = (found, b)
        made = transitions(rollout, n)
        assert [m.state for m in made] == list(expected), "in the order of time, none twice, none left out"
        for m in made:
            (reward, discount, last), b = expected[m.state]
            assert m.reward == pytest.approx(reward, abs=1e-5)
            assert m.discount == pytest.approx(discount, rel=1e-5)
            is_over = bool(rollout.terminated[last, b])
            lengths.add(last - int(m.state.split()[0][1:]) + 1)
            assert (m.next_state, m.next_menu) == (("", ()) if is_over else (f"after {last} {b}", MENU[: 1 + last % 3]))
    assert lengths >= set(range(1, min(n, 4) + 1))


def test_a_timeout_is_followed_by_its_last_state_and_an_end_by_nothing():
    """The wrong variants, both alike, would make the same of both."""
    rollout = random_rollout(0, length=1, worlds=2)
    no, menus = torch.zeros(1, 2, dtype=torch.bool), [[(), MENU]]
    ends = {"terminated": no.clone(), "truncated": no.clone(), "is_real": ~no, "next_menus": menus}
    ends["terminated"][0, 0] = ends["truncated"][0, 1] = True
    over, cut = transitions(dataclasses.replace(rollout, **ends), 3)
    assert (over.discount, over.next_menu) == (0.0, ())
    assert (cut.discount, cut.next_menu) == (pytest.approx(float(rollout.discounts[0, 1])), MENU)
    ends["next_menus"] = [[(), ()]]
    assert transitions(dataclasses.replace(rollout, **ends), 3) == [over], "where nothing is known nothing is learnt"


def filled(capacity=12):
    replay = Replay(capacity)
    for seed in range(3):
        replay.add(transitions(random_rollout(seed), 2))
    return replay


def test_the_oldest_leave_first():
    everything = [t for seed in range(3) for t in transitions(random_rollout(seed), 2)]
    assert list(filled().kept) == everything[-12:]
    assert filled().newest(5) == everything[-5:]
    assert filled().newest(100) == everything[-12:]


def test_a_replay_brought_back_from_a_file_draws_the_same():
    replay, again = filled(), Replay(12)
    again.load_state_dict(json.loads(json.dumps(replay.state_dict())))
    assert again.kept == replay.kept
    draws = [r.draw(50, torch.Generator().manual_seed(1)) for r in (replay, again)]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 8
    assert replay.draw(50, torch.Generator().manual_seed(2)) != draws[0]
    assert replay.state_dict()["menus"].count(list(MENU)) == 1, "every menu once"


GOOD = {"states": ["a", "b"], "menus": [["x", "y"], []], "rows": [[0, 0, 1, 0.5, 0.9, 1, 0]]}


@pytest.mark.parametrize(
    "change",
    [
        {"states": [3, "b"]},
        {"states": ["\ud800", "b"]},
        {"menus": [["x", "x"], []]},
        {"menus": [["x", ""], []]},
        {"menus": ["xy", []]},
        {"rows": [[0, 0, 2, 0.5, 0.9, 1, 0]]},
        {"rows": [[0, 0, 1, float("nan"), 0.9, 1, 0]]},
        {"rows": [[0, 0, 1, 0.5, 1.1, 1, 0]]},
        {"rows": [[0, 0, 1, 0.5, 0.9, 1, 1]]},
        {"rows": [[-1, 0, 1, 0.5, 0.9, 1, 0]]},
        {"rows": [[9, 0, 1, 0.5, 0.9, 1, 0]]},
        {"rows": [[0, 0, 1]]},
        {"rows": [3]},
    ],
)
def test_what_cannot_be_a_replay_is_refused(change):
    replay = Replay(4)
    replay.load_state_dict(GOOD)
    assert list(replay.kept) == [Transition("a", ("x", "y"), 1, 0.5, 0.9, "b", ("x", "y"))]
    with pytest.raises(INVALID_CONTENT):
        replay.load_state_dict(GOOD | change)
