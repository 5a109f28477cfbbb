"""Laws of a kitchen with several orders: the rules of one order kept, exact optima, what is served and paid."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.orders.env import OrdersEnv
from twosome_envs.overcooked.env import OvercookedEnv

from tests.envs.test_overcooked_optima import solve

CONF = Path(__file__).parents[2] / "conf" / "env"
SERVE = "pick up the empty bowl", "put the {0} in the bowl", "serve the dish"


def play(env, phrases):
    """Take actions by their phrases; what the steps returned."""
    info, steps = env.restore(env.snapshot())[1], []
    for phrase in phrases:
        steps.append(env.step(info["actions"].index(phrase)))
        info = steps[-1][4]
    return steps


def make(*orders, **kwargs):
    env = OrdersEnv(orders, **kwargs)
    env.reset()
    return env


def salad(food, bowl="put the {0} in the bowl"):
    """The phrases that make and serve a salad of one food."""
    make_it = f"pick up the {food}", f"put the {food} on cutting board 1", f"chop the {food}"
    return *make_it, "pick up the empty bowl", bowl.format(food), "serve the dish"


FIGURES = {
    "orders_2": (("tomato salad", "lettuce salad"), 3466, 1.5775031579461072, 13, 61),
    "orders_3": (("tomato salad", "lettuce salad", "lettuce-tomato salad"), 8086, 2.0630213776158564, 24, 111),
}


@pytest.mark.parametrize("name", FIGURES)
def test_optimum(name):
    orders, *expected = FIGURES[name]
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.orders == orders
    assert env.gamma == config["gamma"]
    found = solve(env)
    assert (found.states, found.actions, found.primitive_steps) == (expected[0], *expected[2:])
    assert found.value == pytest.approx(expected[1], rel=0, abs=1e-9)
    assert config["optimum"] == pytest.approx(found.value, rel=0, abs=1e-9)
    assert found.primitive_steps < env.max_steps


@pytest.mark.parametrize(("world", "recipe", "map"), [("W3", "lettuce-tomato salad", "A"), ("W4", "tomato salad", "C")])
def test_one_order_is_overcooked(world, recipe, map):
    """Rewards, durations, menus and ends are those of `OvercookedEnv`, whatever is done."""
    one, other = OvercookedEnv(world, recipe, map), make(recipe, world=world, map=map)
    rng = np.random.default_rng(0)
    n_ends = 0
    for _ in range(60):
        (_, mine), (_, theirs) = one.reset(), other.reset()
        over = False
        while not over:
            action = int(rng.integers(one.action_space.n))
            _, *result, mine = one.step(action)
            observation, *same, theirs = other.step(action)
            assert result == same
            assert mine["duration"] == theirs["duration"]
            assert mine.get("episode") == theirs.get("episode")
            over = result[1] or result[2]
            if not result[1]:
                assert mine["actions"] == theirs["actions"]
                assert observation["scene"].endswith(one.restore(one.snapshot())[0]["scene"])
        n_ends += result[1]
    assert n_ends < 60


def test_what_is_served_returns_home_and_the_rest_stays():
    """Lettuce that was chopped ahead is still there; the tomato is raw again, at home, with the bowl."""
    env = make("tomato salad", "lettuce salad")
    steps = play(
        env, ("pick up the lettuce", "put the lettuce on cutting board 1", "chop the lettuce", "pick up the tomato")
    )
    steps = play(
        env, ("put the tomato on cutting board 2", "chop the tomato", *SERVE[:1], "put the tomato in the bowl")
    )
    before = env.snapshot().state.kitchen
    steps = play(env, ("serve the dish",))
    _, reward, terminated, _, info = steps[0]
    after, start = env.snapshot().state, env.kitchen.start
    assert (terminated, info["success"]) == (False, False)
    assert reward > 0.9
    assert after.open == ("lettuce salad",)
    tomato, lettuce = env.kitchen.foods.index("tomato"), env.kitchen.foods.index("lettuce")
    assert (after.kitchen.foods[tomato], after.kitchen.chops[tomato]) == (start.foods[tomato], 0)
    assert after.kitchen.plates == start.plates
    assert (after.kitchen.foods[lettuce], after.kitchen.chops[lettuce]) == (before.foods[lettuce], 3)
    last = play(env, (SERVE[0], "put the lettuce in the bowl", SERVE[2]))[-1]
    assert (last[2], last[3], last[4]["success"]) == (True, False, True)
    assert last[0]["scene"].startswith("Everything is served.")


def test_the_order_of_serving_is_free():
    for first, second in (("tomato", "lettuce"), ("lettuce", "tomato")):
        env = make("tomato salad", "lettuce salad")
        one = play(env, salad(first))
        assert one[-1][0]["scene"].startswith(f"Still to serve: {second} salad.")
        assert play(env, salad(second))[-1][2]


def test_an_order_is_paid_once():
    """A dish that is not ordered any more is a wrong one, and its food no subtask; ordered twice it is paid twice."""
    for orders, pays in ((("tomato salad", "lettuce salad"), False), (("tomato salad", "tomato salad"), True)):
        env = make(*orders)
        first, second = play(env, salad("tomato")), play(env, salad("tomato"))
        assert first[-1][1] > 0.9
        assert first[2][1] == pytest.approx(-0.001 - 0.99 * 0.001 + 0.99**2 * 0.199)
        assert (second[-1][1] > 0.9) == second[-1][2] == pays
        assert (second[2][1] > 0.1) == pays
        if not pays:
            assert second[-1][1] < -0.09
            assert env.snapshot().state.open == ("lettuce salad",)


def test_two_dishes_in_one_bowl_are_neither():
    """The wrong variant, which asks for the foods of all open orders, would take it."""
    env = make("tomato salad", "lettuce salad")
    play(env, salad("tomato")[:5])
    state = env.snapshot()
    kitchen = state.state.kitchen
    both = kitchen._replace(foods=(kitchen.agent, kitchen.agent, kitchen.foods[2]))
    env.restore(state._replace(state=state.state._replace(kitchen=both)))
    _, reward, terminated, _, _ = play(env, ("serve the dish",))[0]
    assert reward < -0.05
    assert not terminated
    assert env.snapshot().state.open == env.orders
    whole = make("lettuce-tomato salad", "tomato salad")
    whole.restore(whole.snapshot()._replace(state=state.state._replace(kitchen=both, open=whole.orders)))
    assert play(whole, ("serve the dish",))[0][1] > 0.9


def test_an_empty_bowl_is_wrong():
    env = make("tomato salad", "lettuce salad")
    steps = play(env, ("pick up the empty bowl", "serve the dish"))
    assert steps[-1][1] < -0.05
    assert env.snapshot().state.open == env.orders


def test_vector_and_words():
    env = make("tomato salad", "lettuce salad", "tomato salad")
    observation, _ = env.restore(env.snapshot())
    assert list(observation["vector"][-7:]) == [2, 1, 0, 0, 0, 0, 0]
    assert env.observation_space["vector"].contains(observation["vector"])
    assert observation["goal"] == (
        "Serve, in any order: a bowl that holds only chopped tomato; a bowl that holds only chopped lettuce; "
        "a bowl that holds only chopped tomato."
    )
    observation = play(env, salad("tomato"))[-1][0]
    assert list(observation["vector"][-7:]) == [1, 1, 0, 0, 0, 0, 0]
    assert observation["scene"].startswith("Still to serve: lettuce salad and tomato salad. The kitchen has two")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), "orders must be a list of dishes"),
        ("tomato salad", "orders must be a list of dishes"),
        (["tomato soup"], "Unknown order 'tomato soup'"),
        ([3], "Unknown order 3"),
    ],
)
def test_wrong_orders_are_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        OrdersEnv(wrong)


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_pictures(n):
    """A slip for every order, green when served; one size."""
    env = make(*["tomato salad", "lettuce-onion-tomato salad"][: max(1, min(n, 2))] * ((n + 1) // 2))
    before = env.picture()
    play(env, salad("tomato")[:5])
    held = env.picture()
    play(env, ("serve the dish",))
    assert {frame.shape for frame in (before, held, env.picture())} == {(448, 660, 3)}
    green = [int((frame[:, 448:] == (0xCF, 0xE5, 0xC4)).all(-1).sum()) for frame in (before, held, env.picture())]
    assert green[0] == green[1] == 0
    assert green[2] > 1000
