"""gymnasium's toy-text worlds in words: the same worlds as gymnasium's, legal actions, the figures of conf/."""

from collections import Counter
from functools import cache
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twosome_envs  # registers the ids  # noqa: F401
import yaml
from gymnasium.envs.toy_text.blackjack import sum_hand, usable_ace

CONF = Path(__file__).parents[2] / "conf" / "env"
VARIANTS = [
    ("FrozenLake", "FrozenLake-v1", {"is_slippery": True}),
    ("FrozenLake", "FrozenLake-v1", {"map_name": "8x8", "is_slippery": False}),
    ("CliffWalking", "CliffWalking-v1", {}),
    ("CliffWalking", "CliffWalking-v1", {"is_slippery": True}),
    ("Taxi", "Taxi-v4", {}),
    ("Taxi", "Taxi-v4", {"is_rainy": True, "fickle_passenger": True}),
    ("Blackjack", "Blackjack-v1", {"sab": True}),
    ("Blackjack", "Blackjack-v1", {"sab": False, "natural": True}),
]


def toy(name, **kwargs):
    return gymnasium.make(f"twosome/{name}-v0", **kwargs).unwrapped


def shown(env):
    """What gymnasium's own world would show in this state: a number, or what a player sees of the cards."""
    first, *others = env.snapshot().state.values
    if not isinstance(first, tuple):
        return first
    player, dealer = list(first), others[0]
    return sum_hand(player), dealer[0], usable_ace(player)


@pytest.mark.parametrize(("name", "own", "kwargs"), VARIANTS)
def test_it_is_gymnasiums_own_world(name, own, kwargs):
    """The same states, rewards and ends from the same seed and actions; a look ahead and back changes none of them."""
    env, twin, rng = toy(name, **kwargs), gymnasium.make(own, **kwargs), np.random.default_rng(0)
    for seed in range(3 if name in ("Taxi", "CliffWalking") else 30):  # those have long episodes
        _, info = env.reset(seed=seed)
        state, _ = twin.reset(seed=seed)
        assert shown(env) == state
        over = False
        while not over:
            before = env.snapshot()
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            env.step(int(rng.choice(np.flatnonzero(info["action_mask"]))))
            env.clear_cache()
            env.restore(before)
            _, reward, terminated, truncated, info = env.step(action)
            state, own_reward, own_end, cut, _ = twin.step(action)
            assert (shown(env), reward, terminated) == (state, own_reward, own_end)
            over = terminated or truncated
            if name in ("FrozenLake", "Taxi"):  # the others have no limit in gymnasium
                assert truncated == (cut and not own_end)


@pytest.mark.parametrize(("name", "own", "kwargs"), VARIANTS[:6])
def test_what_changes_nothing_is_not_legal(name, own, kwargs):
    """By the world's own table; in Taxi by its own mask. A fall from the start leads back to it, and stays legal."""
    env, rng = toy(name, **kwargs), np.random.default_rng(0)
    table = env._world.P
    for seed in range(3):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            here = shown(env)
            stays = [all(s == here and r in (0, -1, -10) for _, s, r, _ in table[here][a]) for a in table[here]]
            assert info["action_mask"].tolist() == [not same for same in stays]
            if name == "Taxi":
                assert info["action_mask"].tolist() == env._world.action_mask(here).astype(bool).tolist()
            _, _, *ends, info = env.step(int(rng.choice(np.flatnonzero(info["action_mask"]))))
            over = any(ends)


def test_words():
    env = toy("FrozenLake")
    observation, _ = env.reset(seed=0)
    sides = "To the north is the bank, to the east ice, to the south ice, to the west the bank."
    assert observation["scene"] == f"You stand in row 1, column 1. {sides}"
    observation, info = toy("CliffWalking").reset(seed=0)
    assert observation["scene"] == "You stand in row 4, column 1. The cliff is right to the east."
    assert [p for p, legal in zip(info["actions"], info["action_mask"], strict=True) if legal] == [
        "go north",
        "go east",
    ]


def test_episodes_without_a_seed_share_no_chance():
    """The streams of two that follow each other do not overlap, whether or not the first was played."""
    one, two = toy("Blackjack"), toy("Blackjack")
    for env in (one, two):
        env.reset(seed=5)
    two.step(1)
    first = one.snapshot().state.stream
    assert one.reset()[0]["scene"] == two.reset()[0]["scene"]
    ahead = np.random.PCG64()
    ahead.state = {
        "bit_generator": "PCG64",
        "state": {"state": first[0], "inc": first[1]},
        "has_uint32": 0,
        "uinteger": 0,
    }
    draws = {ahead.advance(1).state["state"]["state"] for _ in range(1000)}
    assert not draws & {env.snapshot().state.stream[0] for env in (one, two)}


def values(world, steps):
    """The values of all states within so many steps: of the best play, and of uniformly random legal play."""
    ways = [(k, a, *way) for k in world.P for a in world.P[k] for way in world.P[k][a]]
    here, action, share, after, reward, ends = (np.array(column) for column in zip(*ways, strict=True))
    n, n_actions = len(world.P), int(action.max()) + 1
    changes = np.bincount(here * n_actions + action, (after != here) | (reward == -100), n * n_actions) > 0
    legal = changes.reshape(n, n_actions) | ~changes.reshape(n, n_actions).any(1, keepdims=True)
    best, even = np.zeros(n), np.zeros(n)
    for _ in range(steps):
        q = [
            np.bincount(here * n_actions + action, share * (reward + v[after] * ~ends), n * n_actions)
            for v in (best, even)
        ]
        best = np.where(legal, q[0].reshape(n, n_actions), -np.inf).max(1)
        even = np.where(legal, q[1].reshape(n, n_actions), 0).sum(1) / legal.sum(1)
    return best, even


@pytest.mark.parametrize(("name", "kwargs", "figures"), [
    ("FrozenLake", {}, (0.7442, 0.0139)), ("FrozenLake", {"map_name": "8x8"}, (0.9132, 0.0019)),
    ("CliffWalking", {}, (-13.0, -2726.4129)), ("Taxi", {}, (7.93, -186.1795)),
])  # fmt: skip
def test_figures(name, kwargs, figures):
    """The means over all starts that conf/env tells, by dynamic programming backwards in time within the step limit."""
    env = toy(name, **kwargs)
    starts = env._world.initial_state_distrib
    assert [float(starts @ v) for v in values(env._world, env.max_steps)] == pytest.approx(figures, abs=5e-5)


DECK = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10)


def worth(total, has_ace):
    return total + 10 if has_ace and total + 10 <= 21 else total


@cache
def dealers(total, has_ace):
    """How probable the dealer's final sums are from two cards or more, 0 beyond 21."""
    if worth(total, has_ace) >= 17:
        return {worth(total, has_ace) if total <= 21 else 0: 1.0}
    odds = Counter()
    for card in DECK:
        for end, share in dealers(total + card, has_ace or card == 1).items():
            odds[end] += share / len(DECK)
    return odds


@cache
def stick(own, is_natural, shows):
    """The mean reward of sticking with a sum; an ace and a ten beat all but another."""
    mean = 0.0
    for card in DECK:
        is_sure = is_natural and {shows, card} != {1, 10}
        for end, share in dealers(shows + card, 1 in (shows, card)).items():
            mean += share * (1 if is_sure else (own > end) - (own < end)) / len(DECK)
    return mean


@cache
def hand(total, has_ace, shows, choose, is_natural=False):
    """The mean reward of a hand; `choose` makes one of the values of sticking and of taking a card."""
    more = [-1 if total + c > 21 else hand(total + c, has_ace or c == 1, shows, choose) for c in DECK]
    return choose((stick(worth(total, has_ace), is_natural, shows), sum(more) / len(DECK)))


@pytest.mark.parametrize(("choose", "figure"), [(max, -0.0431), (np.mean, -0.3942)])
def test_figures_of_blackjack(choose, figure):
    deals = [hand(a + b, 1 in (a, b), s, choose, {a, b} == {1, 10}) for a in DECK for b in DECK for s in DECK]
    assert float(np.mean(deals)) == pytest.approx(figure, abs=5e-5)


@pytest.mark.parametrize("name", ["frozen_lake", "cliff_walking", "taxi", "blackjack"])
def test_the_settings_make_a_world_that_counts_as_they_say(name):
    settings = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(settings["id"], **settings["kwargs"]).unwrapped
    assert env.gamma == settings["gamma"]
    assert settings["optimum"] == (-13.0 if name == "cliff_walking" else None)


def test_what_it_does_not_know():
    with pytest.raises(ValueError, match=r"Unknown map_name '4x5'\. Did you mean '4x4'"):
        toy("FrozenLake", map_name="4x5")
