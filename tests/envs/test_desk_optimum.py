"""Laws of what the best play at the desk earns: its table, an exhaustive search through the world, play itself."""

import functools
import itertools
from collections import defaultdict
from statistics import fmean, mean, stdev

import pytest
from twosome_envs.agent import AgentSnapshot
from twosome_envs.base import NO_STEP, Snapshot
from twosome_envs.desk import player, text
from twosome_envs.desk.desk import State
from twosome_envs.desk.env import DeskEnv
from twosome_envs.desk.groups import Group
from twosome_envs.desk.optimum import Rules, best, choice
from twosome_envs.desk.questions import N_PAIRS, N_RULES, Kind, Question, Session

FULL = {
    0.1: (23.06, 0.220),
    0.3: (22.01, 0.219),
    0.5: (20.96, 0.219),
    0.75: (19.64, 0.216),
    1.0: (18.38, 0.202),
    1.5: (16.20, 0.154),
    2.0: (14.84, 0.057),
    3.0: (14.69, 0.0),
}
"""Return and share of questions at which is asked, by the price of asking; sessions of 24."""
OTHERS = {
    "notes": {"notes": False},
    "memory": {"memory": False},
    "advice": {"advice": False},
    "table": {"table": False},
    "credit": {"credit": "question"},
}
WITHOUT = {
    "notes": (22.92, 21.38, 19.85, 17.93, 16.24, 14.69, 14.69, 14.69),
    "memory": (22.49, 20.09, 17.69, 14.69, 14.69, 14.69, 14.69, 14.69),
    "advice": (14.69,) * 8,
    "table": (22.17, 18.72, 15.27, 10.95, 9.69, 7.51, 6.15, 6.00),
    "credit": (23.06, 22.01, 20.96, 14.69, 14.69, 14.69, 14.69, 14.69),
}
ASKING = ".50 .46 .42 .39 .35 .32 .30 .27 .25 .23 .21 .19 .18 .16 .15 .14 .12 .11 .10 .10 .09 .08 .07 .07"


def test_the_table_of_optima():
    for number, (cost, (value, rate)) in enumerate(FULL.items()):
        found = best(Rules(), 24, cost)
        assert found.value == pytest.approx(value, abs=0.0051)
        assert found.asked / 24 == pytest.approx(rate, abs=0.00051)
        for what, values in WITHOUT.items():
            assert best(Rules(**OTHERS[what]), 24, cost).value == pytest.approx(values[number], abs=0.0051), (
                what,
                cost,
            )
    assert " ".join(f"{p:.2f}"[1:] for p in best(Rules(), 24, 0.3).asking) == ASKING


def test_in_closed_form():
    """Where asking always pays: every rule asked once, N (1 - (1 - 1/2N)^n) of N; nothing asked where it never does."""
    for n, (keys, rules) in itertools.product((4, 24, 96), ((N_RULES, Rules(note=0.0)), (N_PAIRS, Rules(notes=False)))):
        met = keys * (1 - (1 - 0.5 / keys) ** n)
        found = best(rules, n, 0.3)
        assert found.asked == pytest.approx(met)
        assert found.value == pytest.approx(n * (0.5 * (1 - 1.3 * 0.02) + 0.5) - 0.3 * met)
        assert best(rules, n, 3.0 if n < 96 else 30.0).value == pytest.approx(n * (0.5 * (1 - 1.3 * 0.02) + 0.125))
        assert best(rules, n, 0.0).value == pytest.approx(n), "asked even what the table knows"


def test_asking_falls_with_its_price_and_with_what_is_left():
    rates = [best(Rules(), 24, cost).asked for cost in (0.1, 0.5, 0.75, 1, 1.5, 2, 3)]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) > 4
    for known in range(N_RULES):
        asks = [choice(Rules(), 24, 1.0, left, known).ask for left in range(1, 25)]
        assert asks == sorted(asks), "whoever asks with few questions left asks with more"
        assert {True, False} == set(asks)
    assert not choice(Rules(), 24, 0.3, 1, 0).note, "nobody notes at the last question"


# The slow way, by what is told alone ------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", [0.05, 0.3, 0.8, 1.1])
@pytest.mark.parametrize("notes", [True, False])
def test_against_a_search_that_counts_nothing(cost, notes):
    """Four questions: every product of every topic by itself, what is known as a set, every action tried."""
    note = 0.02 if notes else 0.0

    @functools.cache
    def value(left, known):
        if not left:
            return 0.0
        total = 0.5 * (1 - 1.3 * 0.02 + value(left - 1, known))
        for topic, product in itertools.product(range(2), range(6)):
            key = (topic, product // 2 if notes else product)
            ways = [0.25 + value(left - 1, known), 1 - cost + value(left - 1, known)]
            ways.append(1 - cost - note + value(left - 1, known | {key}))
            if key in known:
                ways.append(1 + value(left - 1, known))
            total += 0.5 / 12 * max(ways)
        return total

    assert best(Rules(notes=notes), 4, cost).value == pytest.approx(value(4, frozenset()), abs=1e-12)


# Through the world ------------------------------------------------------------------------------------------------


COST = 0.6


def sessions_of(products, n):
    """Every session of n questions about the care of these products, with every truth; all are equally likely."""
    colours = ("red", "blue", "green", "white", "black", "grey")
    names, materials = ("lamp", "bowl", "box", "tray", "clock", "jar"), ("steel", "oak", "tin")
    group = Group(names, materials, (0, 1, 2, 0, 1, 2), ("colour",), tuple((it,) for it in colours), (colours,))
    found, used = [], {group.material_of[product] for product in products}
    for asked in itertools.product(products, repeat=n):
        for truth in itertools.product(range(4), repeat=len(used)):
            rights = [truth[group.material_of[product]] for product in asked]
            answers = ("soap", "oil", "wax", "tea")
            questions = (Question(Kind.CARE, (p,), -1, 0, answers, it, it) for p, it in zip(asked, rights, strict=True))
            found.append(Session(group, ("clean", "dry"), COST, tuple(questions)))
    return found


def plain(snapshot):
    """The situation without what was earned and counted on the way to it."""
    inner, own = snapshot
    kept = own.kept and own.kept._replace(looked_up=0, asked=0, noted=0)
    inner = Snapshot(inner.state._replace(right=0), 0, 0.0, False, NO_STEP)
    return AgentSnapshot(inner, own._replace(steps=0, discounted_return=0.0, last=NO_STEP, over=False, kept=kept))


def best_by_the_scene(env, n_sessions):
    """The best return of a policy that goes by scene and menu, by trying every action wherever one can come to.

    Situations that show the same are one to the policy: it does the same in all of them, and the mean counts.
    """
    env.reset()
    start = plain(env.snapshot())
    starts = [start._replace(inner=start.inner._replace(state=State(number))) for number in range(n_sessions)]
    shows, ways = {}, {}
    for snapshot in (waiting := list(starts)):
        observation, info = env.restore(snapshot)
        shows[snapshot] = (env.desk.left, observation["scene"], info["actions"], tuple(info["action_mask"]))
        ways[snapshot] = {}
        for action in range(len(info["actions"])) if env.desk.left else ():
            if info["action_mask"][action]:
                env.restore(snapshot)
                reward = env.step(action)[1]
                after = plain(env.snapshot())
                ways[snapshot][action] = reward, after
                if after not in shows:
                    shows[after] = None
                    waiting.append(after)
    alike = defaultdict(list)
    for snapshot, shown in shows.items():
        alike[shown].append(snapshot)

    @functools.cache
    def value(shown):
        here = alike[shown]
        gains = ([ways[one][a][0] + value(shows[ways[one][a][1]]) for one in here] for a in ways[here[0]])
        return max(map(fmean, gains), default=0.0)

    return fmean(value(shows[one]) for one in starts)


@pytest.mark.parametrize(("products", "notes", "keys"), [((0, 1), False, 2), ((0, 3), True, 1), ((0, 3), False, 2)])
def test_against_an_exhaustive_search_through_the_world(monkeypatch, products, notes, keys):
    """Sessions of four care questions about two products: of two materials, or of one, which share a rule if noted.

    Without notes nothing can be concluded from one product to another, even where all know that they are alike.
    """
    n = 4
    sessions = sessions_of(products, n)
    monkeypatch.setattr("twosome_envs.desk.desk.session", lambda plan, number: sessions[number])
    env = DeskEnv(questions=n, cost=COST, table=False, notes=notes, session=0)
    rules = Rules(table=False, notes=notes, care=1.0, keys=keys)
    expected = best(rules, n, COST).value
    assert best_by_the_scene(env, len(sessions)) == pytest.approx(expected, abs=1e-12)
    assert expected > n * 0.25, "asking pays"
    for other in {1, 2, 3} - {keys}:
        assert expected != pytest.approx(best(rules._replace(keys=other), n, COST).value, abs=0.01)


def test_if_all_that_is_remembered_stood_in_the_scene_products_would_tell_of_each_other(monkeypatch):
    """The wrong variant, which lists what was advised of all products: two of one material give each other away."""

    def listed(env):
        told = [text.advice(env.session, *entry) for entry in env.kept.memory]
        return " ".join([text.remembered(told), env._seen["scene"], *env._now.notes])

    sessions = sessions_of((0, 3), 3)
    monkeypatch.setattr("twosome_envs.desk.desk.session", lambda plan, number: sessions[number])
    monkeypatch.setattr(DeskEnv, "_scene", listed)
    env = DeskEnv(questions=3, cost=COST, table=False, notes=False, session=0)
    expected = best(Rules(table=False, notes=False, care=1.0, keys=2), 3, COST).value
    assert best_by_the_scene(env, len(sessions)) > expected + 0.1


# Played -----------------------------------------------------------------------------------------------------------


def played(env, sessions, seed, **kwargs):
    """Returns of the best play in drawn sessions, and how often it asked."""
    env.reset(seed=seed)
    returns, asked = [], []
    for _ in range(sessions):
        _, info = env.reset()
        while "episode" not in info:
            action = player.action(env, **kwargs)
            assert info["action_mask"][action]
            _, _, _, _, info = env.step(action)
        returns.append(info["episode"]["r"])
        asked.append(info["tally"]["asked"])
    return returns, asked


SESSIONS = 60

PLAYED = [
    {"cost": 0.3},
    {"cost": 1.0},
    {"cost": 2.0, "questions": 36},
    {"cost": 0.1, "questions": 12, "split": "test"},
    {"cost": 0.05, "look_up_cost": 0.1},
    {"cost": 0.5, "notes": False},
    {"cost": 0.3, "memory": False},
    {"cost": 0.3, "table": False},
    {"cost": 0.3, "look_up_cost": 0.6, "advice": False},
    {"cost": 0.3, "error": 0.2},
    {"cost": 0.3, "advice_answers": True},
]


@pytest.mark.parametrize("kwargs", PLAYED, ids=str)
def test_the_best_play_earns_the_optimum(kwargs):
    """Within four standard errors, in return and in asking."""
    env = DeskEnv(**kwargs)
    returns, asked = played(env, SESSIONS, seed=1)
    expected = best(env.rules, env.desk.plan.n, kwargs["cost"])
    assert mean(returns) == pytest.approx(expected.value, abs=4 * stdev(returns) / SESSIONS**0.5)
    assert mean(asked) == pytest.approx(expected.asked, abs=4 * stdev(asked) / SESSIONS**0.5 + 1e-9)


@pytest.mark.parametrize(("asks", "cost"), [(True, 2.0), (False, 1.0)])
def test_to_ask_always_or_never_earns_less(asks, cost):
    env = DeskEnv(cost=cost)
    returns, _ = played(env, SESSIONS, seed=1, asks=asks)
    assert mean(returns) < best(env.rules, 24, cost).value - 4 * stdev(returns) / SESSIONS**0.5
