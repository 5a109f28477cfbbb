"""Laws of what the best play in the toolbox earns: its table, an exhaustive search through the world, play itself."""

import functools
import re
from collections import defaultdict
from statistics import fmean, mean, stdev

import numpy as np
import pytest
from twosome_envs.agent import AgentSnapshot
from twosome_envs.base import NO_STEP, Snapshot
from twosome_envs.toolbox import optimum, player
from twosome_envs.toolbox.env import ToolboxEnv
from twosome_envs.toolbox.optimum import Plan, Rules, always, annotated, best, best_plan, other_plan
from twosome_envs.toolbox.questions import SHARES, Kind, Question, Session
from twosome_envs.toolbox.world import State

from tests.envs.desks import random_play

TABLE = {0: (1.0, 1.0), 1: (0.92, 1.0), 4: (0.73, 0.4), 8: (0.62, 0.2), 16: (0.55, 0.0)}
"""Level: return and calls per question of the best play."""


def test_the_table_of_optima():
    for level, (value, calls) in TABLE.items():
        found = best(Rules(), level)
        assert (found.value, found.calls) == pytest.approx((value, calls))
    never = sum(SHARES[kind] * (1 if kind in player.KNOWN else 0.25) for kind in Kind)
    assert best(Rules(), 1e9).value == pytest.approx(never) == pytest.approx(0.55)
    assert always(Rules(), 1)[:2] == pytest.approx((0.76, 1.4)), "rumours mislead, habits need none"


def test_what_is_dropped_when():
    """Each kind is played with all its calls up to a level, and with none above; at the level itself with none."""
    for kind, level in {Kind.NESTED: 3.0, Kind.FRESH: 7.5, Kind.SUM: 15.0}.items():
        needed = optimum.needed(Rules(), kind)
        below, at, above = (best_plan(Rules(), kind, it) for it in (level - 0.01, level, level + 0.01))
        assert (below, at[:2], above) == (Plan(*needed, 1.0), (0, 0), Plan(0, 0, 0.25))
    for kind in player.KNOWN:
        assert not best_plan(Rules(), kind, 0.0).calls
    assert best(Rules(nesting=3), 1.0).value == pytest.approx(0.92 - 0.2 * (2 * 0.1 + 2 * 0.05))
    values = [best(Rules(), level).value for level in range(20)]
    assert values == sorted(values, reverse=True)


# Through the world ----------------------------------------------------------------------------------------------------


def sessions_of(kind, level, nesting):
    """Sessions of one question of a kind, with every truth; all are equally likely."""
    found = []
    for right in range(4):
        answers = ("600", "610", "620", "630")
        if kind == Kind.SUM:
            words, facts, expression = ("200", str(400 + 10 * right)), (), f"200 + {400 + 10 * right}"
        elif kind == Kind.NESTED:
            words = ("lamp", "cup")
            names = [f"price of the {it}" for it in ("lamp", "cup", "box", "jar")]
            facts, expression = [(names[0], "200"), (names[1], str(400 + 10 * right))], f"{names[0]} + {names[1]}"
            for k in range(1, nesting):
                left = int(facts[-1][1]) - 5
                facts[-1] = (facts[-1][0], f"{names[k + 1]} + 5")
                facts.append((names[k + 1], str(left)))
        else:
            answers, expression = ("red", "blue", "green", "white"), ""
            words, facts = ("colour", "lamp"), [("colour of the lamp", answers[right])]
        question = Question(kind, -1, words, expression, tuple(facts), answers, right, f"{kind} {right} {nesting}")
        found.append(Session(level, (question,)))
    return found


def plain(snapshot):
    """The situation without what was earned and counted on the way to it."""
    inner, own = snapshot
    kept = own.kept and own.kept._replace(searched=(0,) * 5, calculated=(0,) * 5)
    inner = Snapshot(inner.state._replace(right=(0,) * 5), 0, 0.0, False, NO_STEP)
    own = own._replace(steps=0, discounted_return=0.0, last=NO_STEP, over=False, was_internal=False, kept=kept)
    return AgentSnapshot(inner, own)


def without_adding(scene, menu):
    """What is seen by somebody who adds nothing in the head: the numbers of sums and prices are as good as unread."""
    scene = re.sub(r"(What is |To calculate: |is |\+ )\d+", r"\1#", re.sub(r"\d+ \+ \d+", "# + #", scene))
    return scene, tuple(re.sub(r"(: |\+ )\d+", r"\1#", phrase) for phrase in menu)


def best_by_the_scene(env, n_sessions, seen):
    """The best return of a policy that goes by what is seen, by trying every action wherever one can come to.

    Situations that look the same are one to the policy: it does the same in all of them, and the mean counts.
    """
    env.reset()
    start = plain(env.snapshot())
    starts = [start._replace(inner=start.inner._replace(state=State(number))) for number in range(n_sessions)]
    shows, ways = {}, {}
    for snapshot in (waiting := list(starts)):
        observation, info = env.restore(snapshot)
        look = seen(observation["scene"], info["actions"])
        shows[snapshot] = (*look, tuple(info["action_mask"]))
        ways[snapshot] = {}
        for action in range(len(info["actions"])) if env.view.question else ():
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


CASES = [(kind, level, 1) for kind in (Kind.FRESH, Kind.SUM, Kind.NESTED) for level in (1, 4, 8, 16)]
CASES += [(Kind.NESTED, level, nesting) for nesting in (2, 3) for level in (1, 2)]


@pytest.mark.parametrize(("kind", "level", "nesting"), CASES, ids=str)
def test_against_an_exhaustive_search_through_the_world(monkeypatch, kind, level, nesting):
    """Every way to play one question, frames, giving up and useless calls among them, by scene and menu alone."""
    sessions = sessions_of(kind, level, nesting)
    monkeypatch.setattr("twosome_envs.toolbox.world.session", lambda plan, number: sessions[number])
    env = ToolboxEnv(questions=1, level=level, nesting=nesting, session=0)
    expected = best_plan(env.rules, kind, level).value(env.rules, level)
    assert best_by_the_scene(env, len(sessions), without_adding) == pytest.approx(expected, abs=1e-12)


def test_whoever_adds_in_the_head_earns_more(monkeypatch):
    """The wrong variant, that reads the numbers too: then sums need no calculator, and the optimum is none."""
    for kind, gain in ((Kind.SUM, 0.05), (Kind.NESTED, 0.05)):
        sessions = sessions_of(kind, 1.0, 1)
        monkeypatch.setattr("twosome_envs.toolbox.world.session", lambda plan, number, s=sessions: s[number])
        env = ToolboxEnv(questions=1, session=0)
        found = best_by_the_scene(env, len(sessions), lambda scene, menu: (scene, menu))
        assert found >= best_plan(env.rules, kind, 1.0).value(env.rules, 1.0) + gain - 1e-9


# Played -----------------------------------------------------------------------------------------------------------


def played(env, sessions, act):
    """Returns and tallies of drawn sessions."""
    env.reset(seed=1)
    returns, tallies = [], []
    for number in range(sessions):
        _, info = env.reset()
        while "episode" not in info:
            action = act(env, number)
            assert info["action_mask"][action]
            _, _, _, _, info = env.step(action)
        returns.append(info["episode"]["r"])
        tallies.append(info["tally"])
    return returns, tallies


SESSIONS = 40
PLAYED = [
    {"level": 1},
    {"level": 4},
    {"level": 8, "split": "test"},
    {"level": 16},
    {"level": 1, "nesting": 3},
    {"level": 0, "nesting": 2, "split": "test"},
    {"level": 1, "search_cost": 0.8},
    {"level": 1, "multiplicative": 8.0},
    {"level": 4, "multiplicative": 8.0},
]


@pytest.mark.parametrize("kwargs", PLAYED, ids=str)
def test_the_best_play_earns_the_optimum(kwargs):
    """Within four standard errors; and its calls are those of its plans, kind by kind, to the last."""
    env = ToolboxEnv(**kwargs)
    returns, tallies = played(env, SESSIONS, lambda env, number: player.action(env))
    found = best(env.rules, kwargs["level"])
    assert mean(returns) == pytest.approx(10 * found.value, abs=4 * stdev(returns) / SESSIONS**0.5 + 1e-9)
    for kind, plan in found.plans:
        name = kind.name.lower()
        for tally in tallies:
            assert tally[f"{name}_calls"] == plan.calls * tally[name]
            assert tally[f"{name}_right"] == tally[name] or plan.right < 1


@pytest.mark.parametrize(("noise", "level"), [(0.0, 1), (0.25, 1), (0.25, 4), (1.0, 16)])
def test_annotators_are_wrong_as_often_as_they_are_told_to_be(noise, level):
    """At a question from its first action to its last; their return is that of the enumeration."""
    env = ToolboxEnv(demonstrates="noisy", noise=noise, level=level)
    wrong = [player.errs("noisy", noise, seed, left, None) for seed in range(40) for left in range(10)]
    assert mean(wrong) == pytest.approx(noise, abs=4 * (noise * (1 - noise) / 400) ** 0.5)
    assert not player.errs("clean", 1.0, 0, 1, None)
    returns, _ = played(env, SESSIONS, lambda env, number: env.demonstrate(number))
    expected = 10 * annotated(env.rules, level, noise)
    assert mean(returns) == pytest.approx(expected, abs=4 * stdev(returns) / SESSIONS**0.5)


@pytest.mark.parametrize("level", [1, 4])
def test_who_uses_every_tool_earns_what_the_enumeration_says(level):
    env = ToolboxEnv(demonstrates="always", level=level)
    returns, tallies = played(env, SESSIONS, lambda env, number: env.demonstrate(number))
    found, n = always(env.rules, level), 10 * SESSIONS
    assert mean(returns) == pytest.approx(10 * found.value, abs=4 * stdev(returns) / SESSIONS**0.5)
    asked = {kind: sum(t[kind.name.lower()] for t in tallies) for kind in Kind}
    calls = sum(optimum.plans(env.rules, kind)[-1].calls * count for kind, count in asked.items())
    assert sum(t["searched"] + t["calculated"] for t in tallies) == calls  # of every question all that there are
    assert env.exact["always"] == env.exact["annotator"] == found.value
    assert env.exact["best_calls"] == best(env.rules, level).calls
    assert n == sum(asked.values())


def test_a_share_of_the_answer_is_the_price_where_it_is_asked_for():
    """cos(m pi / (2 m + c)) of OTC-PO: 1 without a call, less with each, and nothing is paid for a wrong answer."""
    shares = [optimum.kept_share(2.0, 1, m) for m in range(5)]
    assert shares[:2] == [1.0, pytest.approx(2**-0.5)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0
    assert optimum.kept_share(2.0, 4, 1) < shares[1]
    env = ToolboxEnv(multiplicative=2.0, questions=1)
    for session in range(30):
        env = ToolboxEnv(multiplicative=2.0, questions=1, session=session)
        observation, info = env.reset(seed=0)
        first = env.snapshot()
        question = env.view.question
        total, calls = 0.0, 0
        while env.kept.stack.frames and (tool := _a_tool(env)) is not None:
            _, reward, *_ = env.step(tool)
            total, calls = total + reward, calls + 1
        assert total == 0  # tools have no price of their own
        _, reward, *_, info = env.step(question.right)
        assert reward == info["episode"]["r"] == pytest.approx(optimum.kept_share(2.0, 1, calls))
        env.restore(first)
        _, reward, *_ = env.step((question.right + 1) % 4)
        assert reward == 0
    assert "An answer is worth 0.71 after a tool, 0.50 after two." in observation["scene"]


def _a_tool(env):
    """A tool that can be used, frames finished first; None where an answer can be said and none is left."""
    menu = [k for k, legal in enumerate(env.menu.is_legal) if legal and k >= 4]
    return next((k for k in menu if env.menu.actions[k] != "give up"), None)


def test_mistaken_annotators_err_at_the_same_questions_again():
    env = ToolboxEnv(demonstrates="mistaken")
    seen = {}
    for seed in range(40):
        _, info = env.reset(seed=seed)
        while "episode" not in info:
            question = env.view.question
            if question.kind in (Kind.HABIT, Kind.RUMOUR, Kind.FRESH):
                is_wrong = env.demonstrate(seed) != player.action(env)
                assert seen.setdefault(question.words, is_wrong) == is_wrong
            _, _, _, _, info = env.step(0)
    assert np.mean([*seen.values()]) == pytest.approx(0.25, abs=0.15)


def test_a_wrong_decision_is_the_opposite():
    for level in (1, 4, 8, 16):
        for kind in Kind:
            right, wrong = best_plan(Rules(), kind, level), other_plan(Rules(), kind, level)
            assert bool(right.calls) != bool(wrong.calls)
            assert wrong.value(Rules(), level) < right.value(Rules(), level)


def test_the_player_knows_a_way_out_from_wherever_random_play_comes_to():
    """It gives a calculation up that does not pay, goes on with one that does, and believes no rumour."""
    env = ToolboxEnv(level=[1, 2, 5], nesting=2)
    for seed in range(12):
        for *_, info in random_play(env, seed):
            if "episode" in info:
                break
            here = env.snapshot()
            question, left = env.view.question, player.still_needed(env.view, env.kept)
            expected = 1.0 if question.kind in player.KNOWN else 0.25
            if question.kind not in player.KNOWN and left is not None:
                searches, calculations = left
                level = env.world_inside.level
                expected = max(expected, 1 - level * (0.1 * searches + 0.05 * calculations))
            total, closes = 0.0, False
            while not closes:
                _, reward, _, _, now = env.step(player.action(env))
                total, closes = total + reward, now["closes"]
            assert total == pytest.approx(expected) or (expected == 0.25 and total in (0.0, 1.0))
            env.restore(here)
