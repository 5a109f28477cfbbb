"""The experience memory against tabular Q-learning, the Monte Carlo mean, the return as written, and bad input."""

import dataclasses
import json
import math
from collections import deque

import gymnasium
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.config.compose import compose
from twosome.errors import INVALID_CONTENT
from twosome.memory.records import Known, Record, Records, Step
from twosome.rl.q_learning import QLearner
from twosome.types import Decision, Rollout, Situation

DEFAULTS = compose([])
PLAIN = dataclasses.replace(DEFAULTS.memory, n=1, alpha=0.3, power=1.0, bonus=0.0, bonus_alpha=0.3, capacity=1000)
TABULAR = dataclasses.replace(DEFAULTS.baseline, step_size=0.3, backward=True)
GAMMA = 0.9


def of(**changes):
    return dataclasses.replace(PLAIN, **changes)


def at(name):
    return Situation("goal", str(name))


steps = st.builds(
    lambda s, a, r, d: Step(at(s), a, r, GAMMA**d),
    st.integers(0, 4),
    st.sampled_from(["left", "right"]),
    st.floats(-1, 1).map(lambda r: round(r, 3)),
    st.integers(1, 3),
)
episodes = st.lists(
    st.tuples(st.lists(steps, min_size=1, max_size=8), st.one_of(st.none(), st.integers(0, 6).map(at))), max_size=5
)


def values(records):
    return {(s, a): known.q for s in records.situations() for a, known in records[s].actions.items()}


# The update -----------------------------------------------------------------------------------------------------------


class Table:
    """What `QLearner` learns."""

    def __init__(self):
        from collections import defaultdict

        self.q = defaultdict(dict)
        self.epsilon = 0.0


def rollout(steps, after):
    n = len(steps)
    decisions = [Decision.plain(s.situation.scene, ("left", "right")) for s in steps]
    ahead = [d.state for d in decisions[1:]] + [decisions[-1].state if after is None else after.scene]
    is_last = torch.zeros(n, 1, dtype=torch.bool)
    is_last[-1] = True
    return Rollout(
        [[d] for d in decisions],
        [[state] for state in ahead],
        [[torch.zeros(2)] for _ in steps],
        torch.tensor([[("left", "right").index(s.action)] for s in steps]),
        torch.zeros(n, 1),
        torch.tensor([[s.reward] for s in steps], dtype=torch.float64),
        torch.tensor([[s.discount] for s in steps], dtype=torch.float64),
        is_last & (after is None),
        is_last & (after is not None),
        torch.ones(n, 1, dtype=torch.bool),
        [],
    )


@given(episodes)
@settings(max_examples=25, deadline=None)
def test_one_step_with_a_constant_rate_is_tabular_q_learning(episodes):
    records, table = Records(PLAIN), Table()
    learner = QLearner(table, TABULAR)
    for steps, after in episodes:
        records.learn(steps, after)
        learner.update(rollout(steps, after), 0.0)
    known = {(at(s), a): q for s, row in table.q.items() for a, q in row.items()}
    assert values(records) == pytest.approx(known, abs=1e-12)


@given(episodes)
@settings(max_examples=60, deadline=None)
def test_whole_returns_at_the_rate_of_the_count_are_their_mean(episodes):
    records, seen = Records(of(n=None, alpha=None)), {}
    for steps, _ in episodes:
        records.learn(steps, None)
        for t in range(len(steps) - 1, -1, -1):
            returned = sum(s.reward * math.prod(x.discount for x in steps[t:i]) for i, s in enumerate(steps) if i >= t)
            seen.setdefault((steps[t].situation, steps[t].action), []).append(returned)
    assert values(records) == pytest.approx({key: sum(g) / len(g) for key, g in seen.items()}, abs=1e-9)


numbers = st.sampled_from([1, 2, 3, None])


rates = st.sampled_from([0.5, None])


@given(episodes, numbers, numbers, rates, rates, st.sampled_from([1.0, 0.5]), st.sampled_from([0.0, 0.4]))
@settings(max_examples=80, deadline=None)
def test_n_step_returns_with_durations_cut_offs_and_bonuses_are_as_written(
    episodes, n, bonus_n, alpha, bonus_alpha, power, bonus
):
    """Against the definition, written out with plain dicts."""
    records = Records(of(n=n, bonus_n=bonus_n, alpha=alpha, bonus_alpha=bonus_alpha, power=power, bonus=bonus))
    q, u, count, visits = {}, {}, {}, {}

    def best(table, situation):
        return max((v for (s, _), v in table.items() if s == situation), default=0.0)

    for steps, after in episodes:
        records.learn(steps, after)
        reached = [s.situation for s in steps] + ([after] if after else [])
        paid = []
        for k, situation in enumerate(reached):
            visits[situation] = visits.get(situation, 0) + 1
            if k:
                paid.append(bonus / visits[situation])
        paid += [] if after else [0.0]
        for t in reversed(range(len(steps))):
            key = steps[t].situation, steps[t].action
            count[key] = count.get(key, 0) + 1
            for table, extra, many, constant in ((q, [0.0] * len(steps), n, alpha), (u, paid, bonus_n, bonus_alpha)):
                rate = constant or count[key] ** -power
                end = len(steps) if many is None else min(t + many, len(steps))
                ahead = steps[end].situation if end < len(steps) else after
                total = sum(
                    math.prod(s.discount for s in steps[t:i]) * (steps[i].reward + extra[i]) for i in range(t, end)
                )
                if ahead is not None:
                    total += math.prod(s.discount for s in steps[t:end]) * best(table, ahead)
                table[key] = table.get(key, 0.0) + rate * (total - table.get(key, 0.0))
    assert values(records) == pytest.approx(q, abs=1e-9)
    explored = {(s, a): k.u for s in records.situations() for a, k in records[s].actions.items()}
    assert explored == pytest.approx(u, abs=1e-9)
    assert {s: records[s].visits for s in records.situations()} == visits


def test_what_leads_to_the_unknown_is_worth_trying_from_afar():
    """A bonus that is paid where it is met alone would leave the beginning of a corridor as it was."""
    records = Records(of(bonus=1.0, alpha=0.5))
    corridor = [Step(at(k), "on", 0.0, GAMMA) for k in range(6)]
    for _ in range(30):
        records.learn(corridor[:3], at(3))  # the rest is never seen, the beginning often
    before = records[at(0)].actions["on"].u
    for _ in range(2):
        records.learn(corridor, at(6))
    assert records[at(0)].actions["on"].u > before + 0.1
    assert records.settings.bonus / records[at(1)].visits < 0.05  # what a bonus of its own would be
    assert records[at(0)].actions["on"].q == 0.0


def test_it_comes_to_the_exact_optimum_of_food_preparation():
    """Every transition of the world, over and over, as steps that are cut off after one: value iteration."""
    env = gymnasium.make("twosome_envs:twosome/FoodPreparation-v1", disable_env_checker=True)
    world, records = env.unwrapped, Records(of(alpha=1.0))
    observation, _ = env.reset()
    root, settings_of = world.snapshot(), compose(["env=food_preparation_v1"]).env
    steps, queue, seen = [], deque([(root, observation)]), {root.state}
    while queue:
        here, observation = queue.popleft()
        info = world.restore(here)[1]
        for action in [i for i, is_legal in enumerate(info["action_mask"]) if is_legal]:
            world.restore(here)
            after, reward, terminated, _, told = world.step(action)
            step = Step(
                Situation(observation["goal"], observation["scene"]),
                info["actions"][action],
                float(reward),
                settings_of.gamma ** told.get("duration", 1),
            )
            steps.append((step, None if terminated else Situation(after["goal"], after["scene"])))
            there = world.snapshot()
            if not terminated and there.state not in seen:
                seen.add(there.state)
                queue.append((there._replace(steps=0, over=False), after))
    for _ in range(30):
        for step, after in steps:
            records.learn([step], after)
    begin = world.restore(root)[0]
    found = records[Situation(begin["goal"], begin["scene"])].best("q")
    assert found == pytest.approx(settings_of.optimum, abs=1e-9)


# Capacity -------------------------------------------------------------------------------------------------------------


def test_a_full_memory_accepts_every_newcomer_and_lets_go_of_what_was_longest_not_met():
    records = Records(of(capacity=3))
    for name in "abc":
        records.learn([Step(at(name), "on", 1.0, GAMMA)], None)
    records.learn([Step(at("a"), "on", 1.0, GAMMA)], None)
    for newcomer, left in (("d", "b"), ("e", "c"), ("f", "a")):
        records.learn([Step(at(newcomer), "on", 0.0, GAMMA)], None)
        assert at(newcomer) in records
        assert at(left) not in records
        assert len(records) == 3
    long = [Step(at(k), "on", 0.0, GAMMA) for k in range(10)]
    records.learn(long, None)
    assert records.situations() == (at(7), at(8), at(9))


# Kept and brought back ------------------------------------------------------------------------------------------------


@given(episodes)
@settings(max_examples=30, deadline=None)
def test_it_goes_on_as_if_it_had_never_stopped(episodes):
    whole, half = Records(of(n=2, alpha=None, bonus=0.1)), Records(of(n=2, alpha=None, bonus=0.1))
    for k, (steps, after) in enumerate(episodes):
        whole.learn(steps, after)
        half.learn(steps, after)
        if k % 2:
            again = Records(half.settings)
            again.load_state_dict(json.loads(json.dumps(half.state_dict())))
            half = again
    assert half.state_dict() == whole.state_dict()


GOOD = ["goal", "scene", 1, [["on", 0.5, 0.5, 1]]]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        3,
        [GOOD, GOOD],
        [GOOD[:3]],
        [[*GOOD, 1]],
        [["goal", 3, 1, []]],
        [["goal", "x" * 1_000_001, 1, []]],
        [["goal", "scene", -1, []]],
        [["goal", "scene", True, []]],
        [["goal", "scene", 1, [["on", float("nan"), 0.0, 1]]]],
        [["goal", "scene", 1, [["on", 0.0, 10**400, 1]]]],
        [["goal", "scene", 1, [["on", 0.0, 0.0, 0]]]],
        [["goal", "scene", 1, [["on", 0.0, 0.0, 1], ["on", 0.0, 0.0, 1]]]],
        [["goal", "scene", 1, {"on": 1}]],
    ],
)
def test_what_is_no_memory_is_refused_and_changes_nothing(rows):
    records = Records(PLAIN)
    records.learn([Step(at(0), "on", 1.0, GAMMA)], None)
    before = records.state_dict()
    with pytest.raises(INVALID_CONTENT):
        records.load_state_dict({"records": rows, "begins": {}})
    assert records.state_dict() == before
    records.load_state_dict({"records": [GOOD], "begins": {"goal": "scene"}})
    assert records[Situation("goal", "scene")] == Record(1, {"on": Known(0.5, 0.5, 1)})
