"""Property tests of the kitchens over random play, and the errors of wrong settings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.overcooked import rules, text
from twosome_envs.overcooked.env import OvercookedEnv
from twosome_envs.overcooked.layouts import MAX_CHOPS, PLANS, RECIPES, SIZE, WORLDS
from twosome_envs.overcooked.navigation import OFFSETS, first_move, is_adjacent
from twosome_envs.overcooked.state import FLOOR, HATCH, KNIFE, Kitchen, State

SETTINGS = list(itertools.product(WORLDS, RECIPES, PLANS))

settings = st.tuples(st.sampled_from(SETTINGS), st.integers(0, 3))
plans = st.lists(st.integers(0, 100), max_size=60)


def _make(setting) -> OvercookedEnv:
    (world, recipe, map), radius = setting
    return OvercookedEnv(world, recipe, map, view_radius=radius)


def _play(env, plan):
    """The transcript of a plan, cut at the end of the episode."""
    observation, info = env.reset()
    lines = [(observation["scene"], observation["vector"].tobytes(), info["actions"])]
    for number in plan:
        observation, reward, terminated, truncated, info = env.step(number % int(env.action_space.n))
        lines.append((observation["scene"], observation["vector"].tobytes(), info["actions"], reward, info["duration"]))
        if terminated or truncated:
            break
    return lines


def _assert_sound(kitchen: Kitchen, state: State):
    """Nothing is duplicated or lost, everything is somewhere it can be."""
    start = kitchen.start
    assert len(state.foods) == len(state.chops) == len(start.foods)
    assert len(set(state.plates)) == len(state.plates) == len(start.plates)
    assert kitchen.terrain[state.agent] == FLOOR
    assert all(0 <= n <= MAX_CHOPS for n in state.chops)
    for food, at in enumerate(state.foods):
        shared = [other for other, cell in enumerate(state.foods) if cell == at and other != food]
        if at in state.plates:
            assert state.is_chopped(food)  # only what is chopped comes into a bowl
        else:
            assert not shared
    for at in (*state.foods, *state.plates):
        is_on_floor = kitchen.terrain[at] == FLOOR
        assert not is_on_floor or at == state.agent  # a held thing is where its holder is
        assert kitchen.terrain[at] != HATCH or at in state.plates  # what is served is a dish


@given(settings, plans)
def test_invariants(setting, plan):
    env = _make(setting)
    env.reset()
    kitchen = env.kitchen
    for number in plan:
        before, index = env.snapshot(), number % len(kitchen.actions)
        within = list(_ticks(kitchen, before.state, index))
        for state in within:
            _assert_sound(kitchen, state)
        _, _, terminated, truncated, info = env.step(index)
        after = env.snapshot()
        assert after.state == within[-1]
        assert after.steps == before.steps + info["duration"]
        assert info["duration"] == len(within) > 0  # time only moves forward
        assert all(n in (0, MAX_CHOPS) for n in after.state.chops)
        if terminated or truncated:
            break


def _ticks(kitchen, state, index):
    """The states between the primitive steps of an action."""
    action, ticks, is_last = kitchen.actions[index], 0, False
    while not is_last:
        move, is_last = rules.choose(kitchen, state, action, ticks)
        state, _, _ = rules.tick(kitchen, state, move)
        ticks += 1
        yield state
        is_last = is_last or rules.has_arrived(kitchen, state, action)


@given(settings, plans)
def test_same_actions_same_transcript(setting, plan):
    env, twin = _make(setting), _make(setting)
    assert _play(env, plan) == _play(twin, plan) == _play(env, plan)


@given(settings, plans, plans)
def test_restore_undoes(setting, plan, detour):
    env = _make(setting)
    _play(env, plan)
    kept = env.snapshot()
    observation, info = env.restore(kept)
    _play(env, detour)
    observation_again, info_again = env.restore(kept)
    assert env.snapshot() == kept
    assert hash(env.snapshot()) == hash(kept)
    np.testing.assert_equal(observation_again, observation)
    np.testing.assert_equal(info_again, info)


@pytest.mark.parametrize("map", PLANS)
def test_paths_are_shortest(map):
    """Against breadth-first search from every target: the same length where there is a path, none otherwise."""
    kitchen = OvercookedEnv("W3", map=map).kitchen
    floor = [cell for cell, terrain in enumerate(kitchen.terrain) if terrain == FLOOR]
    corners = (0, SIZE - 1, SIZE * (SIZE - 1), SIZE * SIZE - 1)
    for target in set(range(SIZE * SIZE)) - set(floor) - set(corners):
        distance = {cell: 0 for cell in floor if is_adjacent(cell, target)}
        for cell in (wave := list(distance)):
            for neighbour in (cell + offset for offset in OFFSETS[:4]):
                if neighbour in floor and neighbour not in distance:
                    distance[neighbour] = distance[cell] + 1
                    wave.append(neighbour)
        for start in floor:
            cell, ticks, move = start, 0, 0
            while not is_adjacent(cell, target):
                move = first_move(kitchen.terrain, map, cell, target)
                if move is None:
                    break
                cell, ticks = cell + OFFSETS[move], ticks + 1
                assert kitchen.terrain[cell] == FLOOR
                assert ticks < SIZE * SIZE
            assert distance.get(start) == (None if move is None else ticks)


def test_the_limit_is_checked_between_actions():
    """The action that crosses 200 steps is finished (SPEC.md, Overcooked Q7)."""
    env = OvercookedEnv("W4", "tomato salad")
    env.reset()
    for _ in range(199):
        assert not env.step(4)[3]
    _, _, terminated, truncated, info = env.step(1)  # the bowl is far
    assert truncated
    assert not terminated
    assert info["episode"]["l"] == 199 + info["duration"] > 200


def test_rewards_are_used():
    """Every event pays what was asked for; what was not given keeps its default."""
    env = OvercookedEnv("W4", "tomato salad", rewards={"correct": 200, "subtask": 10, "wrong": -5, "step": 0})
    env.reset()
    paid = [env.step(action)[1] for action in (0, 3, 0, 2, 4, 0, 1, 3)]
    gamma = env.gamma
    assert paid[0] == 0
    assert paid[1] == pytest.approx(-5 * gamma**6)
    assert paid[4] == pytest.approx(10 * gamma**2)
    assert paid[7] == pytest.approx(200 * gamma**6)
    assert OvercookedEnv(rewards={"step": 0}).kitchen.rewards == (0.2, 1.0, -0.1, 0.0)


def test_a_wrong_delivery_can_be_repaired():
    """It goes home raw, and chopping it pays once more (SPEC.md, Overcooked Q10)."""
    env = OvercookedEnv("W4", "tomato salad")
    env.reset()
    paid = [env.step(action)[1] for action in (0, 2, 4, 0, 3, 0, 2, 4)]
    assert paid[2] == paid[7] == pytest.approx(-0.001 - 0.001 * 0.99 + 0.199 * 0.99**2)
    assert env.snapshot().state.foods == (env.kitchen.knives[0],)


@pytest.mark.parametrize("setting", SETTINGS)
def test_menus_are_unambiguous(setting):
    """No phrase twice in a menu, whatever happens; phrases are lower-case imperatives without a full stop."""
    env = OvercookedEnv(*setting)
    rng = np.random.default_rng(0)
    for _ in range(3):
        observation, info = env.reset()
        over = False
        while not over:
            phrases = info["actions"]
            assert len(set(phrases)) == len(phrases) == env.action_space.n
            assert all(phrase == phrase.lower().strip(" .") for phrase in phrases)
            assert len(observation["scene"].split()) <= 60
            assert observation["scene"].endswith(".")
            observation, _, terminated, truncated, info = env.step(rng.integers(env.action_space.n))
            over = terminated or truncated


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"world": "W5"}, "Unknown world 'W5'. Known: 'W1', 'W3', 'W4'."),
        ({"world": "w3"}, "Unknown world 'w3'. Did you mean 'W3'?"),
        ({"world": 3}, "Unknown world 3"),
        ({"recipe": "tomatoe salad"}, "Did you mean 'tomato salad'?"),
        ({"recipe": "tomato-lettuce salad"}, "Did you mean 'lettuce-tomato salad'?"),
        ({"recipe": None}, "Unknown recipe None"),
        ({"map": "D"}, "Unknown map 'D'. Known: 'A', 'B', 'C'."),
        ({"map": "a"}, "Unknown map 'a'. Did you mean 'A'?"),
        ({"rewards": {"wrongs": -1}}, "Unknown reward 'wrongs'. Did you mean 'wrong'?"),
        ({"rewards": {"step": float("nan")}}, "must be a finite number such as -0.001, got nan"),
        ({"rewards": {"step": float("inf")}}, "must be a finite number"),
        ({"rewards": {"correct": "1"}}, "must be a finite number such as 1.0, got '1'"),
        ({"rewards": {"correct": True}}, "must be a finite number"),
        ({"rewards": [0.2, 1, -0.1, -0.001]}, "rewards must be a dict such as"),
        ({"view_radius": -1}, "view_radius must be an integer of 0"),
        ({"view_radius": 1.5}, "view_radius must be an integer of 0"),
        ({"render_mode": "human"}, "Unknown render_mode 'human'"),
    ],
)
def test_wrong_settings_are_named(arguments, said):
    with pytest.raises(ValueError) as error:
        OvercookedEnv(**arguments)
    assert said in str(error.value)


def test_swap_at_a_board():
    """Chopped food in hand, an empty bowl on the board: the hand gets the bowl with the food in it."""
    env = OvercookedEnv("W3", "lettuce-tomato salad")
    env.reset()
    for action in (0, 4, 7, 3, 5, 0, 5):  # chop the tomato, bowl onto board 2, tomato in hand, to board 2
        env.step(action)
    state, kitchen = env.snapshot().state, env.kitchen
    assert kitchen.terrain[state.plates[0]] == FLOOR
    assert state.foods[0] == state.plates[0] == state.agent
    assert not [at for at in kitchen.knives if at in state.foods + state.plates]
    assert kitchen.terrain[kitchen.knives[0]] == KNIFE
    assert str(text.observed_facts(kitchen, state).holding) == "bowl[tomato]"
