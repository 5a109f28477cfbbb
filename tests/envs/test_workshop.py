"""Laws of the workshop: what a stack of tasks does, exact optima against exhaustive search, splits, pictures."""

import functools
import hashlib
from pathlib import Path
from statistics import mean

import gymnasium
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from twosome_envs.workshop import rules, text
from twosome_envs.workshop.drawing import characters, nodes, picture
from twosome_envs.workshop.env import WorkshopEnv
from twosome_envs.workshop.instances import SPLITS, instance, least_price
from twosome_envs.workshop.optimum import COST, greedy, optimum
from twosome_envs.workshop.recipes import FIRST_JOB, INDEX, JOBS, PARTS, TASKS, THINGS
from twosome_envs.workshop.rules import GIVE_UP, advance, legal, start

CONF = Path(__file__).parents[2] / "conf" / "env"
SMALL = (4, 12, 20, 27, 39)
"""Instances of which every reachable state can be visited in no time."""

PLAYS = given(st.sampled_from(SPLITS["all"]), st.lists(st.integers(0, 3), min_size=1, max_size=60))


def played(number, choices):
    """The states and prices of a play that takes the legal actions that some numbers pick."""
    state, steps = start(number), []
    for choice in choices:
        if not state.stack:
            break
        actions = [a for a, ok in enumerate(legal(state)) if ok]
        after, price = advance(state, actions[choice % len(actions)])
        steps.append((state, price, after))
        state = after
    return steps


def used_by(number):
    """What of an instance its order can reach: names, ways, prices, and what is missing."""
    one, seen, todo = instance(number), set(), [instance(number).thing]
    while todo:
        task = todo.pop()
        if task not in seen:
            seen.add(task)
            todo += [part for way in one.ways[task] for part in way]
    return one.thing, tuple((task, one.ways[task], one.prices[task], task in one.lacking) for task in sorted(seen))


# The optimum ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SMALL)
def test_optimum_against_exhaustive_search(number):
    """Giving up and failing included, through snapshots of the environment."""
    env = WorkshopEnv(instance=number)
    env.reset()

    @functools.cache
    def best(state):
        values = []
        for action in range(rules.N_ACTIONS):
            _, info = env.restore(beginning._replace(state=state))
            if info["action_mask"][action]:
                _, reward, terminated, _, _ = env.step(action)
                after = env.snapshot().state
                values.append(reward + (0.0 if terminated else best(after)))
        return max(values)

    beginning = env.snapshot()
    assert best(beginning.state) == pytest.approx(optimum(number), abs=1e-9)


@pytest.mark.parametrize("number", SPLITS["test"][:4])
def test_a_plan_of_the_least_price_is_there_and_none_is_cheaper(number):
    """Uniform-cost search without giving up; `least_price` searches tasks instead of states."""
    costs, todo = {start(number): 0}, {0: [start(number)]}
    for price in range(100):
        for state in todo.get(price, ()):  # grows while it is walked through
            if costs[state] < price or not state.stack:
                continue
            for action in range(GIVE_UP if any(legal(state)[:GIVE_UP]) else GIVE_UP + 1):
                after, paid = advance(state, action)
                if after != state and price + paid < costs.get(after, 1000):
                    costs[after] = price + paid
                    todo.setdefault(price + paid, []).append(after)
    made = [price for state, price in costs.items() if not state.stack and rules.has_succeeded(state)]
    assert min(made) == instance(number).cheapest


def test_what_is_at_hand_serves_twice():
    """The wrong variant, which pays for every use, is dearer: sharing matters."""

    def paid_for_every_use(one, task):
        if task >= FIRST_JOB:
            return float("inf") if task in one.lacking else one.prices[task]
        return min(sum(paid_for_every_use(one, part) for part in way) for way in one.ways[task])

    gaps = [paid_for_every_use(instance(n), instance(n).thing) - instance(n).cheapest for n in range(200)]
    assert min(gaps) == 0
    assert sum(gap > 0 for gap in gaps) > 20


def test_least_price_of_a_thing_by_hand():
    shelf, planks, joints = INDEX["shelf"], INDEX["planks"], INDEX["joints"]
    saw, plane, pegs, drill, screws = (
        INDEX[name] for name in ("saw a log", "plane the wood", "carve pegs", "drill holes", "order screws")
    )
    ways = [()] * len(TASKS)
    ways[shelf], ways[planks], ways[joints] = ((planks, joints),), ((saw, plane),), ((pegs, drill), (screws, drill))
    prices = [0] * len(TASKS)
    prices[saw], prices[plane], prices[pegs], prices[drill], prices[screws] = 4, 2, 1, 3, 9
    asked = shelf, tuple(ways), tuple(prices)
    assert least_price(*asked, frozenset()) == 4 + 2 + 1 + 3
    assert least_price(*asked, frozenset({pegs})) == 4 + 2 + 9 + 3
    assert least_price(*asked, frozenset({drill})) == float("inf")


def test_figures():
    """Exact means over the splits: the optimum, and always taking what looks cheapest."""
    found = {name: (mean(map(optimum, SPLITS[name])), mean(map(greedy, SPLITS[name]))) for name in ("train", "test")}
    assert found["train"] == pytest.approx((0.6475, 0.427), abs=1e-9)
    assert found["test"] == pytest.approx((0.66355, 0.46405), abs=1e-9)
    gaps = [optimum(n) - greedy(n) for n in SPLITS["all"]]
    assert min(gaps) >= -1e-9
    assert sum(gap > 0.1 for gap in gaps) > 500
    assert min(map(optimum, SPLITS["all"])) > 0, "every order is worth making"


# The rules --------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@PLAYS
def test_every_action_leads_on(number, choices):
    """No state comes back; what is made or has failed stays so and is not tried again; prices are paid once."""
    steps = played(number, choices)
    states = [state for state, _, _ in steps] + [after for _, _, after in steps[-1:]]
    assert len(set(states)) == len(states)
    for before, price, after in steps:
        for then, now in zip(before[2:], after[2:], strict=True):
            assert then & now == then, "bits are never lost"
        assert not after.done & (after.missing | after.dropped)
        new = (after.done | after.missing) & ~(before.done | before.missing)
        assert price == sum(before.instance.prices[task] for task in text.members(new))
        assert all((task in before.instance.lacking) for task in text.members(after.missing))


@settings(max_examples=150, deadline=None)
@PLAYS
def test_the_stack_is_a_path(number, choices):
    """Every task on the stack is a part of the one below, split in a way that can still be made; the top is unsplit."""
    for _, _, state in played(number, choices):
        if not state.stack:
            continue
        assert state.stack[0][0] == state.instance.thing
        assert state.stack[-1][1] == rules.UNSPLIT
        assert not any(state.is_done(task) or state.has_failed(task) for task, _ in state.stack)
        for (task, way), (part, _) in zip(state.stack, state.stack[1:], strict=False):
            parts = state.instance.ways[task][way]
            assert part in parts
            assert not any(map(state.has_failed, parts))
        assert legal(state)[GIVE_UP]


def test_a_part_that_fails_takes_its_sibling_from_the_stack():
    state = start(12)
    assert TASKS[state.instance.thing] == "table"
    state, _ = advance(state, 0)
    state, _ = advance(state, 0)
    assert [TASKS[task] for task, _ in state.stack] == ["table", "board", "order a board"]
    failed, price = advance(state, 0)
    assert (price, failed.stack[-1]) == (state.instance.prices[INDEX["order a board"]], (INDEX["board"], rules.UNSPLIT))
    assert text.scene(failed) == "Open tasks: table split into board and legs, board. Missing: a board on sale."
    assert not legal(failed)[0]
    up, price = advance(advance(state, GIVE_UP)[0], GIVE_UP)
    assert price == 0
    assert text.scene(up) == "Open tasks: table. Given up: board, order a board."
    assert legal(up)[:3] == (False, False, True), "both ways with a board are closed"


def test_a_part_that_fails_deep_inside_closes_the_ways_further_up_too():
    """Planks are given up for the frame; the shelf, which needs planks beside the frame, is split anew."""
    *_, (before, _, after) = played(369, (1, 0, 0, 0, -1))
    assert text.scene(before).startswith(
        "Open tasks: shelf split into frame and planks, frame split into planks and glue"
    )
    assert text.scene(after) == "Open tasks: shelf. Missing: a log. Given up: planks."
    assert legal(after) == (False, False, True, True)


def test_giving_up_the_order_is_a_failure_and_not_a_time_limit():
    env = WorkshopEnv(instance=3)
    env.reset()
    _, reward, terminated, truncated, info = env.step(GIVE_UP)
    assert (reward, terminated, truncated, info["success"]) == (0.0, True, False, False)
    assert info["episode"] == {"r": 0.0, "l": 1}


def test_an_episode_of_masked_actions_is_cut_off():
    env = WorkshopEnv(instance=2)
    _, info = env.reset()
    state, masked = env.snapshot().state, int(np.flatnonzero(~np.append(info["action_mask"][:3], True))[0])
    for _ in range(env.max_steps - 1):
        assert env.step(masked)[1:4] == (0.0, False, False)
    assert env.step(masked)[1:4] == (0.0, False, True)
    assert env.snapshot().state == state


def test_a_return_is_success_minus_what_was_paid():
    rng = np.random.default_rng(0)
    env = WorkshopEnv(split="all")
    env.reset(seed=0)
    wins = 0
    for _ in range(60):
        _, info = env.reset()
        assert info["optimum"] == optimum(env.snapshot().state.number)
        while "episode" not in info:
            actions = np.flatnonzero(info["action_mask"])
            _, _, _, _, info = env.step(int(actions[0] if rng.random() < 0.8 else rng.choice(actions)))
        state = env.snapshot().state
        paid = sum(state.instance.prices[task] for task in text.members(state.done | state.missing))
        assert info["episode"]["r"] == pytest.approx(info["success"] - COST * paid)
        assert info["episode"]["r"] <= optimum(state.number) + 1e-9
        assert info["episode"]["l"] < env.max_steps
        wins += info["success"]
    assert 5 < wins < 55


def test_estimates_never_exceed_what_is_paid():
    """The prices of a menu are a lower bound for one part alone."""
    for number in range(300):
        assert rules.estimate(start(number), instance(number).thing) >= 1
        first = min(
            sum(rules.estimate(start(number), t) for t in way) for way in instance(number).ways[instance(number).thing]
        )
        assert rules.estimate(start(number), instance(number).thing) == first


# Instances --------------------------------------------------------------------------------------------------------


def test_the_recipes_are_a_graph_without_circles():
    """Every way has two different parts, jobs end every path, and everything can be reached."""

    def depth(name):
        return 0 if name in JOBS else 1 + max(depth(part) for way in (THINGS | PARTS)[name] for part in way)

    assert {depth(name) for name in THINGS} <= {3, 4}
    ways = [way for all_ways in (THINGS | PARTS).values() for way in all_ways]
    assert all(a != b for a, b in ways)
    assert {part for way in ways for part in way} == {*PARTS, *JOBS}
    assert len(set(TASKS)) == len(TASKS) == len(THINGS) + len(PARTS) + len(JOBS)
    assert all(1 <= len(way) <= 3 for way in (THINGS | PARTS).values())


def test_instances_never_change_and_never_repeat():
    """The numbers are part of results, so their meaning is pinned; none of the test split is one of training."""
    used = [used_by(number) for number in SPLITS["all"]]
    assert len(set(used)) == len(used) == 1000
    assert hashlib.sha256(repr(used).encode()).hexdigest()[:16] == "9d71104b03b414e7"
    assert not set(SPLITS["train"]) & set(SPLITS["test"])
    assert set(SPLITS["train"]) | set(SPLITS["test"]) == set(SPLITS["all"])


def test_jobs_are_missing_as_often_as_their_kind_says():
    """Found things are cheap and often missing, ordered ones dear; orders that cannot be made are left out."""
    for kind in {kind for _, kind in JOBS.values()}:
        jobs = [INDEX[name] for name, (_, own) in JOBS.items() if own == kind]
        share = mean(job in instance(n).lacking for n in SPLITS["all"] for job in jobs)
        prices = {instance(n).prices[job] for n in SPLITS["all"] for job in jobs}
        assert share == pytest.approx(kind.missing, abs=0.05)
        assert prices == set(range(kind.lowest, kind.highest + 1))


def test_resets_draw_from_the_split():
    env = WorkshopEnv(split="test")
    env.reset(seed=0)
    drawn = set()
    for _ in range(2000):
        env.reset()
        drawn.add(env.snapshot().state.number)
    assert drawn == set(SPLITS["test"])


@pytest.mark.parametrize("wrong", [-1, 1000, 1.5, "3", True])
def test_a_wrong_instance_is_named(wrong):
    with pytest.raises(ValueError, match="instance must be a whole number from 0 to 999"):
        WorkshopEnv(instance=wrong)


def test_a_wrong_split_is_named():
    with pytest.raises(ValueError, match=r"Unknown split 'tests'\. Did you mean 'test'"):
        WorkshopEnv(split="tests")


@pytest.mark.parametrize("name", ["workshop", "workshop_test"])
def test_conf(name):
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.gamma == config["gamma"]
    assert env.numbers == SPLITS["train" if name == "workshop" else "test"]
    assert config["optimum"] is None


# Words and pictures -----------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@PLAYS
def test_states_look_and_read_different(number, choices):
    """The picture, the characters, the scene and the vector all show every step."""
    env = WorkshopEnv(instance=number)
    steps = played(number, choices)
    states = [start(number)] + [after for _, _, after in steps]
    frames = [picture(state) for state in states]
    assert {frame.shape for frame in frames} == {(330, 660, 3)}
    assert len({frame.tobytes() for frame in frames}) == len(states)
    assert len({characters(state) for state in states}) == len(states)
    assert len({text.scene(state) + str(text.phrases(state)) for state in states}) == len(states)
    assert len({env._vector(state).tobytes() for state in states}) == len(states)
    for state in states:
        assert env.observation_space["vector"].contains(env._vector(state))
        assert len({(node.row, node.place) for node in nodes(state)}) == len(list(nodes(state)))


def test_ansi():
    state = start(12)
    for action in (0, 0, 0):
        state, _ = advance(state, action)
    assert characters(state) == "\n".join(
        (
            "[ ] table",
            "    [>] board",
            "    [ ] legs",
            "finished: -",
            "missing:  a board on sale",
            "given up: -",
            "[x] finished   [>] now   [ ] open   [!] given up",
        )
    )
