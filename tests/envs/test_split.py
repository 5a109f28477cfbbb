"""Laws of task splitting: the stack, what is seen on it, and exact optima of small worlds by exhaustive search."""

import doctest
import itertools
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twosome_envs.split
import yaml
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.orders.env import OrdersEnv
from twosome_envs.overcooked.env import OvercookedEnv
from twosome_envs.parts import Part
from twosome_envs.split import stack
from twosome_envs.split.env import Split
from twosome_envs.split.stack import WHOLE, Frame

from tests.envs.test_orders import salad
from tests.envs.test_overcooked_optima import solve
from tests.envs.yard import ACTIONS, YardEnv, exact

CONF = Path(__file__).parents[2] / "conf" / "env"
KITCHEN = {"id": "twosome/Orders-v0", "kwargs": {"orders": ["tomato salad"], "world": "W4"}}


# A small world whose parts have parts is in yard.py -------------------------------------------------------------------


def yard(depth=2, slots=2, cost=0.0, **kwargs):
    env = Split(YardEnv(**kwargs), slots, depth, cost)
    env.reset()
    return env


def shown(env):
    return env.restore(env.snapshot())


def offers(env):
    """The legal phrases."""
    _, info = shown(env)
    return [phrase for phrase, ok in zip(info["actions"], info["action_mask"], strict=True) if ok]


def take(env, *phrases):
    """Take legal actions by their phrases; what the last step returned."""
    for phrase in phrases:
        _, info = shown(env)
        index = info["actions"].index(phrase)
        assert info["action_mask"][index], f"{phrase!r} is not legal; {offers(env)} are"
        result = env.step(index)
    return result


def random_play(env, seed, legal=True):
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    yield None, observation, 0.0, False, False, info
    over = False
    while not over:
        choices = np.flatnonzero(info["action_mask"]) if legal else np.arange(len(info["actions"]))
        action = int(rng.choice(choices))
        observation, reward, terminated, truncated, info = env.step(action)
        yield action, observation, reward, terminated, truncated, info
        over = terminated or truncated


# Without splitting, and without parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("legal", [True, False])
@pytest.mark.parametrize("make", [YardEnv, OrdersEnv])
def test_with_depth_0_it_is_the_world(make, legal):
    """Every key, array, reward and flag, step by step; and the spaces."""
    mine, world = Split(make(), depth=0), make()
    assert (mine.action_space, mine.observation_space) == (world.action_space, world.observation_space)
    for seed in range(3):
        for one, other in zip(random_play(mine, seed, legal), random_play(world, seed, legal), strict=True):
            np.testing.assert_equal(one, other)
    with pytest.raises(AssertionError):
        np.testing.assert_equal(list(random_play(Split(make()), 0)), list(random_play(world, 0)))


def test_where_no_part_is_named_it_is_the_world_but_for_masked_slots():
    class Whole(YardEnv):
        def parts(self, path=()):
            return ()

    mine, world = Split(Whole()), YardEnv()
    for seed in range(3):
        for one, other in zip(random_play(mine, seed), random_play(world, seed), strict=True):
            (_, seen, *result, info), (_, scene, *expected, known) = one, other
            assert result == expected
            assert (seen["scene"], seen["goal"]) == (scene["scene"], scene["goal"])
            assert seen["vector"].tolist() == [*scene["vector"], 0, 0, 0]
            assert info["actions"] == (*known["actions"], "(unused 5)", "(unused 6)", "(unused 7)")
            assert info["action_mask"].tolist() == [*known["action_mask"], False, False, False]
            assert {key: info[key] for key in known if key not in ("actions", "action_mask")} == {
                key: known[key] for key in known if key not in ("actions", "action_mask")
            }


# The stack ------------------------------------------------------------------------------------------------------------


def test_internal_actions_leave_the_world_as_it_is():
    env = Split(KITCHEN, cost=0.25)
    env.reset()
    before = env.inner.snapshot()
    for phrase in ("work on: tomato salad", "give up: tomato salad"):
        _, reward, terminated, truncated, info = take(env, phrase)
        assert env.inner.snapshot() == before
        assert (reward, terminated, truncated, info["duration"], info["success"]) == (-0.25, False, False, 1, False)
    assert env.snapshot().own[1:3] == (2, pytest.approx(-0.25 - 0.99 * 0.25))


def test_a_part_is_worked_on_as_in_the_world_that_has_this_goal_alone():
    """Scene, goal, vector, menu, rewards and durations of the kitchen with one dish, whatever is done."""
    env, alone = Split(OrdersEnv()), OvercookedEnv("W3", "lettuce salad")
    rng = np.random.default_rng(0)
    for _ in range(20):
        env.reset()
        _, known = alone.reset()
        seen, *_, info = take(env, "work on: lettuce salad")
        for _ in range(12):
            expected = alone.restore(alone.snapshot())[0]
            assert (seen["scene"], seen["goal"]) == (expected["scene"], expected["goal"])
            assert seen["vector"].tolist() == [*expected["vector"], 1, 0, 0]
            n = len(known["actions"])
            assert info["actions"] == (*known["actions"], "(unused 8)", "(unused 9)", "give up: lettuce salad")
            assert info["action_mask"].tolist() == [True] * n + [False, False, True]
            assert info["stack"] == ("lettuce salad",)
            action = int(rng.integers(n))
            seen, reward, over, _, info = env.step(action)
            _, pays, is_served, _, known = alone.step(action)
            assert info["duration"] == known["duration"]
            if is_served or over or "Given up" in seen["scene"] or not info["stack"]:
                break
            assert reward == pays or "tomato" in alone._last.phrase  # which is chopped for the other dish


def test_results_are_seen_below_and_change_the_rest():
    env = Split(OrdersEnv())
    env.reset()
    assert offers(env) == ["work on: tomato salad", "work on: lettuce salad"]
    observation, reward, *_, info = take(env, "work on: tomato salad", *salad("tomato"))
    assert reward > 0.9
    assert info["stack"] == ()
    assert observation["scene"].startswith("Still to serve: lettuce salad.")
    assert observation["scene"].endswith("\nFinished: tomato salad.")
    assert observation["goal"].startswith("Serve, in any order")
    assert offers(env) == ["work on: lettuce salad"]
    observation, *_ = take(env, "work on: lettuce salad")
    assert "Finished" not in observation["scene"]
    _, _, terminated, _, info = take(env, *salad("lettuce"))
    assert terminated
    assert info["success"]


def test_what_is_given_up_comes_back_when_another_part_is_reached():
    env = Split(OrdersEnv())
    env.reset()
    observation, *_ = take(env, "work on: tomato salad", "give up: tomato salad")
    assert observation["scene"].endswith("\nGiven up: tomato salad.")
    assert offers(env) == ["work on: lettuce salad"]
    observation, *_ = take(env, "work on: lettuce salad", *salad("lettuce"))
    assert observation["scene"].endswith("\nFinished: lettuce salad.")
    assert offers(env) == ["work on: tomato salad"]


def test_where_all_is_given_up_the_world_is_there_under_its_own_goal():
    env = Split(OrdersEnv())
    env.reset()
    take(env, "work on: tomato salad", "give up: tomato salad")
    observation, *_ = take(env, "work on: lettuce salad", "give up: lettuce salad")
    assert observation["goal"].startswith("Serve, in any order")
    _, info = shown(env)
    assert info["action_mask"].tolist() == [True] * 8 + [False] * 3
    observation, *_ = take(env, *salad("lettuce"))  # reached without the stack: the other part is on offer again
    assert offers(env) == ["work on: tomato salad"]


def test_equal_dishes_are_worked_on_one_after_the_other():
    env = Split(OrdersEnv(["tomato salad", "tomato salad"]))
    env.reset()
    assert offers(env) == ["work on: tomato salad"]
    take(env, "work on: tomato salad", *salad("tomato"))
    assert offers(env) == ["work on: tomato salad, number 2"]
    assert take(env, "work on: tomato salad, number 2", *salad("tomato"))[2]


def test_a_part_that_failed_is_split_otherwise():
    """The log is bad: planks and then the whole building are not possible any more; the shop is."""
    env = yard(is_bad=True)
    take(env, "work on: build one", "work on: planks")
    observation, *_, info = take(env, "saw the log")
    assert info["stack"] == ()
    assert observation["scene"].endswith("\nFailed: build one.")
    assert offers(env) == ["work on: get one from the shop"]
    _, reward, terminated, _, info = take(env, "work on: get one from the shop", "buy a shelf")
    assert (reward, terminated, info["success"]) == (pytest.approx(0.49), True, True)


def test_what_stands_above_a_reached_part_leaves_with_it():
    """The shelf is bought while planks are worked on: all of the stack is over, and nothing is told twice."""
    env = yard()
    take(env, "work on: get one from the shop", "give up: get one from the shop", "work on: build one")
    assert offers(env)[-3:] == ["work on: planks", "work on: nails", "give up: build one"]
    *_, info = take(env, "work on: nails", "fetch nails")
    assert info["stack"] == ("build one",)
    observation, info = shown(env)
    assert observation["scene"].endswith("\nFinished: nails.")
    assert observation["goal"] == "Get on with build one."
    *_, info = take(env, "work on: planks", "saw the log", "nail the planks")
    assert (info["stack"], info["success"]) == ((), True)
    assert env._scene().endswith("\nFinished: build one.")


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_depth_limit_holds(depth):
    deepest = 0
    for seed in range(30):
        env = yard(depth)
        for *_, info in random_play(env, seed):
            deepest = max(deepest, len(info["stack"]))
            is_on_offer = any(phrase.startswith("work on") for phrase in info["actions"])
            assert not (is_on_offer and len(info["stack"]) == depth)
    assert deepest == min(depth, 2)


@pytest.mark.parametrize("is_bad", [False, True])
def test_an_episode_ends_however_often_one_takes_up_and_gives_up(is_bad):
    """Between two steps of the world there is an end of thinking: the wrong variant, which forgets what it gave up,
    thinks for ever.
    """
    env = yard(is_bad=is_bad)
    env.reset()
    for _ in range(100):
        _, info = shown(env)
        legal = np.flatnonzero(info["action_mask"])
        if (legal < len(ACTIONS)).all():
            break
        env.step(int(legal[-1]))
    else:
        pytest.fail("thinking does not end")
    frames = stack.given_up(stack.pushed(WHOLE, "build one"))
    assert stack.offered(frames, env.inner.parts) != stack.offered((Frame(""),), env.inner.parts)


# The stack as pure functions ------------------------------------------------------------------------------------------

NAMES = "a", "b", "c"
STATUS = st.dictionaries(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple), st.sampled_from(["open", "reached", "gone"])
)


def parts_of(status):
    """A world in which every part has three parts; `status` by path, open where none is given."""

    def parts(path):
        known = [(name, status.get((*path, name), "open")) for name in NAMES]
        return tuple(Part(name, how == "reached") for name, how in known if how != "gone")

    return parts


@given(st.lists(st.tuples(STATUS, st.integers(0, 9)), max_size=25))
def test_a_part_that_was_pushed_leaves_exactly_once(moves):
    """Whatever the world does: pushes less leaves is the height, and no frame on the stack is over after a move."""
    frames, status = WHOLE, {}
    pushes = leaves = 0
    for changed, choice in moves:
        parts = parts_of(status)
        names = stack.offered(frames, parts)
        height = len(frames)
        if choice < 6 and names and height < 4:
            frames = stack.pushed(frames, names[choice % len(names)])
            pushes += 1
            assert len(frames) == height + 1
        elif choice < 8 and height > 1:
            name = frames[-1].name
            frames = stack.given_up(frames)
            leaves += 1
            assert name not in stack.offered(frames, parts)
        else:
            before, status = stack.reached(frames, parts), {**status, **changed}
            old, frames = frames, stack.settled(frames, before, parts_of(status))
            leaves += height - len(frames)
            path = stack.path_of(frames)
            assert stack.path_of(old)[: len(path)] == path
            for k, name in enumerate(path):
                assert Part(name, False) in parts_of(status)(path[:k])
            if len(frames) < height:
                assert dict(frames[-1].results)[old[len(frames)].name] in (stack.FINISHED, stack.FAILED)
        assert pushes - leaves == len(frames) - 1
        assert all(len(frame.results) <= len(NAMES) for frame in frames)


def test_the_order_of_results_does_not_matter():
    """So that a search meets a situation again on another way."""
    one, other = WHOLE, WHOLE
    for name in NAMES:
        one = stack.given_up(stack.pushed(one, name))
    for name in reversed(NAMES):
        other = stack.given_up(stack.pushed(other, name))
    assert one == other


# The contract ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: yard(2), lambda: yard(1, slots=4), lambda: Split(OrdersEnv(), 3)])
def test_contract(make):
    check_env(make(), skip_render_check=True)
    env = make()
    for seed, legal in itertools.product(range(3), (True, False)):
        total, steps = 0.0, 0
        for action, observation, reward, *_, info in random_play(env, seed, legal):
            assert env.observation_space.contains(observation)
            assert len(info["actions"]) == len(set(info["actions"])) == env.action_space.n
            assert info["action_mask"].any()
            if action is not None:
                total += env.gamma**steps * reward
                steps += info["duration"]
        assert info["episode"] == {"r": pytest.approx(total, rel=0, abs=1e-9), "l": steps}


def test_a_masked_action_does_nothing_here_and_what_it_does_there():
    env = yard()
    before, info = shown(env)
    for masked in np.flatnonzero(~info["action_mask"]):
        observation, reward, terminated, truncated, after = env.step(int(masked))
        np.testing.assert_equal(observation, before)
        assert (reward, terminated, truncated, after["duration"]) == (0.0, False, False, 1)
    take(env, "work on: build one", "saw the log")
    _, reward, *_ = env.step(0)  # masked by the world: a step of the world
    assert reward == -0.01


def test_snapshots_are_the_whole_state():
    """From any snapshot the same future, on another instance too; hashes and states are equal."""
    for seed in range(5):
        env, twin = yard(cost=0.1), yard(cost=0.1)
        steps, snapshots = [], []
        for step in random_play(env, seed, legal=False):
            steps.append(step)
            snapshots.append(env.snapshot())
        for i in reversed(range(len(steps) - 1)):
            for other in (env, twin):
                observation, info = other.restore(snapshots[i])
                assert other.snapshot() == snapshots[i]
                assert hash(other.snapshot()) == hash(snapshots[i])
                np.testing.assert_equal(observation, steps[i][1])
                np.testing.assert_equal(info, {key: value for key, value in steps[i][5].items() if key in info})
                np.testing.assert_equal(other.step(steps[i + 1][0]), steps[i + 1][1:])


def test_the_stack_is_part_of_the_state():
    """A wrapper around the world would lose it: `env.unwrapped.snapshot()` would be the world's."""
    env = Split(OrdersEnv())
    env.reset()
    before = env.snapshot()
    take(env, "work on: tomato salad")
    assert env.unwrapped is env
    assert env.inner.snapshot() == before.inner
    assert env.snapshot().state != before.state
    other = yard()
    take(other, "work on: build one", "work on: nails")
    with pytest.raises(ValueError, match="agent room for 1: it is of another agent"):
        env.restore(other.snapshot())


def test_pictures():
    env = gymnasium.make("twosome/Split-v0", render_mode="ansi")
    env.reset()
    env.step(8)
    assert "[tomato salad] The kitchen has two cutting boards." in env.render()
    assert env.render().endswith("> work on: tomato salad   reward +0\n")


def test_the_docstrings_run():
    for module in (twosome_envs.split, stack):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0


class Loud(YardEnv):
    """Names parts badly."""

    names = ("a", "b", "c")

    def parts(self, path=()):
        return tuple(map(Part, self.names))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"world": {"id": "twosome/TomatoSalad-v0"}}, TypeError, "names no parts of its goal.*parts.path. and observe"),
        ({"world": {"id": "CartPole-v1"}}, TypeError, "no world of texts and menus"),
        ({"slots": 0}, ValueError, "slots=0, expected an int of 1 or more"),
        ({"slots": 10**7}, ValueError, "slots is too large: expected an int of at most 1000"),
        ({"depth": 10**5000}, ValueError, "depth is too large"),
        ({"slots": 1.5}, TypeError, "slots=1.5"),
        ({"depth": -1}, ValueError, "depth=-1, expected an int of 0 or more"),
        ({"cost": -1}, ValueError, "cost=-1, expected a finite number of 0 or more"),
        ({"cost": float("nan")}, ValueError, "cost=nan"),
        ({"cost": "much"}, TypeError, "cost='much', expected a number"),
        ({"gamma": 0.5}, ValueError, "discounts with 0.99: leave gamma out"),
        ({"render_mode": "rgb-array"}, ValueError, "Did you mean 'rgb_array'"),
    ],
)
def test_construction_says_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        Split(**arguments)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b", "c"), r"has 3 parts on offer, a, b, c, and slots=2: give slots=3"),
        (("a", "a"), "no two alike"),
        (("a\nb",), "expected names on one line"),
        (("",), "expected names on one line"),
    ],
)
def test_parts_that_no_menu_can_hold_are_named(names, message):
    world = Loud()
    world.names = names
    with pytest.raises(ValueError, match=message):
        Split(world).reset()


@pytest.mark.parametrize("path", [("soup",), ("tomato salad", "tomato"), ("tomato salad, number 2",)])
def test_orders_know_their_parts(path):
    env = OrdersEnv()
    env.reset()
    assert [part.name for part in env.parts()] == list(env.orders)
    assert env.parts(("tomato salad",)) == ()
    with pytest.raises(ValueError, match="There is no part"):
        env.observe(path)
    np.testing.assert_equal(env.observe(), env.restore(env.snapshot())[0])


# Exact optima ---------------------------------------------------------------------------------------------------------


def test_the_optimum_is_that_of_the_world_a_step_later():
    """Thinking comes first, takes a step and has its price; no more is lost, since one part, the one that is reached
    last, may be worked on throughout: the world pays for everything that is done meanwhile.
    """
    flat = solve(OvercookedEnv("W4", "tomato salad")).value
    for cost in (0.0, 0.1):
        assert exact(Split(KITCHEN, cost=cost)).value == pytest.approx(0.99 * flat - cost, rel=0, abs=1e-9)


@pytest.mark.parametrize("n", [2, 3])
def test_the_optimum_of_orders(n):
    """No episode is worth more than the world's optimum a step later. The world's best plan reaches it."""
    flat, config = (yaml.safe_load((CONF / f"orders_{n}{name}.yaml").read_text()) for name in ("", "_split"))
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert (env.gamma, env.inner.gamma) == (config["gamma"], flat["gamma"])
    assert env.inner.orders == tuple(flat["kwargs"]["orders"])
    assert config["optimum"] == pytest.approx(env.gamma * flat["optimum"], rel=0, abs=1e-12)
    plan = solve(OrdersEnv(**flat["kwargs"])).plan
    returns = []
    for first in range(n):
        env.reset()
        env.step(env._n_world + first)
        for action in plan:
            _, info = shown(env)
            if not info["action_mask"][action]:
                break
            *_, terminated, _, info = env.step(action)
        returns.append(info["episode"]["r"] if terminated else 0.0)
    assert max(returns) == pytest.approx(config["optimum"], rel=0, abs=1e-9)
    assert min(returns) == 0.0  # a dish served earlier leaves the stack, and with it the right to go on


@pytest.mark.slow
def test_the_optimum_of_two_orders_by_exhaustive_search():
    config = yaml.safe_load((CONF / "orders_2_split.yaml").read_text())
    assert exact(gymnasium.make(config["id"], **config["kwargs"]).unwrapped).value == pytest.approx(
        config["optimum"], rel=0, abs=1e-9
    )
