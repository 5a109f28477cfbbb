"""Other people's worlds under our contract: guests, the generic wrapper, your own environment in 30 lines."""

import doctest
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twosome_envs  # registers the ids
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from twosome_envs.wrappers import menu as menu_module
from twosome_envs.wrappers import mixture as mixture_module
from twosome_envs.wrappers.menu import MenuWrapper
from twosome_envs.wrappers.mixture import Mixture

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

SALADS = [{"id": "twosome/Overcooked-v0", "kwargs": {"recipe": f"{food} salad"}} for food in ("tomato", "lettuce", "onion")]


@pytest.fixture(scope="session")
def games(tmp_path_factory):
    """A folder for compiled text games, so that each is made once."""
    return tmp_path_factory.mktemp("games")


@pytest.fixture(params=["babyai", "textworld", "lake", "balcony", "mixture"])
def make(request, games, monkeypatch):
    """How to make a guest, with further keyword arguments."""
    if request.param == "babyai":
        pytest.importorskip("minigrid")
        return lambda **kw: gymnasium.make("twosome/BabyAI-v0", level="BabyAI-GoToLocal-v0", **kw)
    if request.param == "textworld":
        pytest.importorskip("textworld")
        return lambda **kw: gymnasium.make("twosome/TextWorld-v0", seed=3, folder=games, **kw)
    if request.param == "mixture":
        return lambda **kw: gymnasium.make("twosome/Mixture-v0", worlds=SALADS, **kw)
    if request.param == "lake":
        return lambda **kw: lake(**kw)
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    return lambda **kw: gymnasium.make("own_environment:Balcony-v0", **kw)


def lake(**kwargs):
    return MenuWrapper(
        gymnasium.make("FrozenLake-v1", is_slippery=True),
        describe=lambda cell: f"You stand in row {cell // 4}, column {cell % 4}.",
        goal="Cross the lake.",
        phrases=("go left", "go down", "go right", "go up"),
        **kwargs,
    )


def play(env, seed, steps=60):
    """Random play from `seed` on, `reset()` between episodes: every observation, menu, reward and end."""
    rng = np.random.default_rng(0)
    observation, info = env.reset(seed=seed)
    story = []
    for _ in range(steps):
        action = int(rng.choice(np.flatnonzero(info["action_mask"])))
        observation, reward, terminated, truncated, info = env.step(action)
        numbers = tuple(observation["vector"].tolist())
        story.append((observation["scene"], observation["goal"], numbers, info["actions"], action, reward))
        story.append(
            (info["action_mask"].tolist(), terminated, truncated, info["success"], info.get("episode"))
        )
        if terminated or truncated:
            observation, info = env.reset()
    return story


def test_a_guest_passes_gymnasiums_own_check(make):
    env = make()
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_a_guest_keeps_the_contract_in_random_play(make):
    env = make()
    rng = np.random.default_rng(1)
    observation, info = env.reset(seed=5)
    ends = 0
    expected_return = steps = 0
    for _ in range(300):
        assert env.observation_space.contains(observation)
        actions, mask = info["actions"], info["action_mask"]
        assert isinstance(actions, tuple)
        assert all(isinstance(a, str) for a in actions)
        assert mask.dtype == bool
        assert len(actions) == len(mask) == env.action_space.n == len(set(actions))
        assert mask.any()
        assert observation["vector"].dtype == np.float32
        action = rng.choice(np.flatnonzero(mask))  # numpy's integers are welcome
        observation, reward, terminated, truncated, info = env.step(action)
        assert info["duration"] == 1 or isinstance(env.unwrapped, Mixture)  # a kitchen's actions last longer
        assert not (terminated and truncated)
        expected_return += 0.99**steps * reward
        steps += info["duration"]
        assert ("episode" in info) == (terminated or truncated)
        if terminated or truncated:
            assert info["episode"] == {"r": pytest.approx(expected_return), "l": steps}
            assert info["success"] == (terminated and reward > 0)
            ends += 1
            observation, info = env.reset()
            expected_return = steps = 0
    assert ends > 0
    env.close()


def test_equal_seeds_play_alike_and_episodes_follow_from_the_seed(make):
    first, second = make(), make()
    assert play(first, seed=11) == play(second, seed=11)
    assert play(first, seed=11) == play(first, seed=11)
    first.close()
    second.close()


def test_restore_of_snapshot_is_the_identity(make):
    env = make()
    world = env.unwrapped
    rng = np.random.default_rng(2)
    observation, info = env.reset(seed=3)
    for _ in range(6):
        before, seen, menu = world.snapshot(), observation["scene"], info["actions"]
        for _ in range(3):  # wander off
            observation, _, terminated, truncated, info = env.step(
                rng.choice(np.flatnonzero(info["action_mask"]))
            )
            if terminated or truncated:
                break
        observation, info = world.restore(before)
        assert (observation["scene"], info["actions"]) == (seen, menu)
        assert world.snapshot() == before
        assert hash(world.snapshot()) == hash(before)
        observation, _, terminated, truncated, info = env.step(int(np.flatnonzero(info["action_mask"])[-1]))
        if terminated or truncated:
            observation, info = env.reset()
    env.close()


@pytest.mark.parametrize("action", [-1, 1000, 1.5, "go left", True, None])
def test_what_is_no_action_index_is_refused_with_the_menu(action):
    env = lake()
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match=r"from 0 to 3, got .*Legal here: 0: go left"):
        env.step(action)


def test_a_step_needs_a_reset():
    env = lake()
    with pytest.raises(ResetNeeded, match="before the first reset"):
        env.step(0)
    with pytest.raises(ResetNeeded, match="before the first reset"):
        env.snapshot()
    env.reset(seed=0)
    while not any(env.step(1)[2:4]):
        pass
    with pytest.raises(ResetNeeded, match="after the episode has ended"):
        env.step(0)


def test_a_guest_that_does_not_repeat_itself_is_found_out():
    count = iter(range(10**6))
    env = lake()
    env._describe = lambda cell: f"Glance number {next(count)}."
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="did not repeat itself"):
        env.restore(env.snapshot())
    with pytest.raises(TypeError, match=r"what snapshot\(\) returned, got int"):
        env.restore(3)


# The generic wrapper --------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [menu_module, mixture_module])
def test_the_docstring_of_a_wrapper_runs(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_wrapper_takes_the_guests_own_mask():
    taxi = MenuWrapper(
        gymnasium.make("Taxi-v4"),
        describe=lambda state: f"State {state}.",
        goal="Bring the passenger home.",
        phrases=("south", "north", "east", "west", "pick up", "drop off"),
    )
    _, info = taxi.reset(seed=1)
    assert (
        info["action_mask"].tolist()
        == taxi.guest.unwrapped.action_mask(taxi.guest.unwrapped.s).astype(bool).tolist()
    )
    assert not info["action_mask"].all()


def test_text_in_any_alphabet_is_in_the_space():
    env = lake(max_steps=3)
    env._describe = lambda cell: f"Feld {cell}: Größe, 湖."
    check_env(env, skip_render_check=True)


def test_max_steps_truncates():
    env = lake(max_steps=2, gamma=0.5)
    env.reset(seed=0)
    assert env.step(0)[2:4] == (False, False)
    _, _, terminated, truncated, info = env.step(0)
    assert (terminated, truncated, info["episode"]) == (False, True, {"r": 0.0, "l": 2})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"phrases": ("left", "right")}, ValueError, "Expected 4 phrases, one per action, got 2"),
        ({"phrases": ("go", "go", "right", "up")}, ValueError, r"same phrase.*\['go'\]"),
        ({"vector": lambda cell: np.zeros(3)}, ValueError, "needs vector_space"),
        ({"guest": gymnasium.make("MountainCarContinuous-v0")}, TypeError, "needs a Discrete action space"),
    ],
)
def test_the_wrapper_says_at_construction_what_is_wrong(changes, error, message):
    words = {"describe": str, "goal": "Go.", "phrases": ("left", "down", "right", "up"), **changes}
    guest = words.pop("guest", None) or gymnasium.make("FrozenLake-v1")
    with pytest.raises(error, match=message):
        MenuWrapper(guest, **words)


def test_a_wrong_number_of_legal_answers_is_refused():
    with pytest.raises(ValueError, match="legal gave 2 answers for 4 actions"):
        lake(legal=lambda cell: (True, False)).reset(seed=0)


# Several worlds as one ------------------------------------------------------------------------------------------------------


def test_a_mixture_draws_every_world_by_the_seed_and_plays_it_unchanged():
    env = gymnasium.make("twosome/Mixture-v0", worlds=SALADS)
    alone = {i: gymnasium.make(salad["id"], **salad["kwargs"]) for i, salad in enumerate(SALADS)}
    drawn = []
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        which = env.unwrapped.snapshot().which
        drawn.append(which)
        assert observation["goal"] == alone[which].reset()[0]["goal"]
        for action in (0, 4, 7, 3):
            mixed, single = env.step(action), alone[which].step(action)
            assert mixed[0]["scene"] == single[0]["scene"]
            assert mixed[1:4] == single[1:4]
    assert set(drawn) == {0, 1, 2}
    again = []
    for seed in range(12):
        env.reset(seed=seed)
        again.append(env.unwrapped.snapshot().which)
    assert again == drawn


def test_a_snapshot_of_a_mixture_leads_back_into_its_world():
    env = gymnasium.make("twosome/Mixture-v0", worlds=SALADS).unwrapped
    goals = {}
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        goals[env.snapshot()] = observation["goal"]
    assert len(set(goals.values())) == 3
    for snapshot, goal in goals.items():
        assert env.restore(snapshot)[0]["goal"] == goal
    with pytest.raises(TypeError, match="what snapshot"):
        env.restore(goals)
    for which in (-1, 3, True):
        with pytest.raises(ValueError, match="another mixture"):
            env.restore(snapshot._replace(which=which))
    assert env.snapshot() == snapshot


@pytest.mark.parametrize(
    ("worlds", "message"),
    [
        ([], "nothing to draw from"),
        (None, "nothing to draw from"),
        ("twosome/TomatoSalad-v0", "nothing to draw from"),
        ({"id": "twosome/TomatoSalad-v0"}, "nothing to draw from"),
        ([3], "is {"),
        ([{"id": "twosome/TomatoSalad-v0", "kwargs": "abc"}], "is {"),
        ([{"id": "twosome/TomatoSalad-v0", "kwargs": {"render_mode": "ansi"}}], "is {"),
        (["CartPole-v1"], "no world of texts and menus"),
        ([{"name": "twosome/TomatoSalad-v0"}], "is {"),
        (["twosome/TomatoSalad-v0", "twosome/TomatoLettuceSalad-v0"], "has 8 actions"),
        (["twosome/FoodPreparation-v0", "twosome/BabyAI-v0"], "the worlds of a mixture agree"),
    ],
)
def test_a_mixture_says_at_construction_what_is_wrong(worlds, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make("twosome/Mixture-v0", worlds=worlds)


def test_a_mixture_needs_a_reset():
    with pytest.raises(ResetNeeded):
        gymnasium.make("twosome/Mixture-v0", worlds=SALADS).unwrapped.snapshot()


def test_your_own_environment_takes_about_thirty_lines_and_can_be_won(monkeypatch):
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    text = (NOTEBOOKS / "own_environment.py").read_text()
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 34
    env = gymnasium.make("own_environment:Balcony-v0")
    observation, _ = env.reset(seed=0)
    assert observation["scene"].startswith("Your watering can is empty. The rose is dry.")
    for plant in (1, 2, 3):
        env.step(0)
        *_, terminated, _, info = env.step(plant)
    assert terminated
    assert info["success"]
    assert info["episode"] == {"r": pytest.approx(0.99**5), "l": 6}


# Registration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("package", "name"), [("minigrid", "BabyAI"), ("textworld", "TextWorld")])
def test_a_missing_package_names_its_remedy(package, name, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'pip install "twosome\[{package}\]"'):
        gymnasium.make(f"twosome/{name}-v0")


def test_the_guests_are_registered_without_loading_them():
    assert set(twosome_envs.GUESTS) <= set(gymnasium.registry)


# BabyAI ---------------------------------------------------------------------------------------------------

LEVELS = ("BabyAI-GoToLocal-v0", "BabyAI-UnlockLocal-v0", "BabyAI-KeyInBox-v0", "MiniGrid-DoorKey-5x5-v0")


def babyai(level, **kwargs):
    pytest.importorskip("minigrid")
    return gymnasium.make("twosome/BabyAI-v0", level=level, **kwargs).unwrapped


def wander(env, seed, steps):
    """Random play that yields at every state."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    for _ in range(steps):
        yield observation, info
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        observation, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            observation, info = env.reset()


def test_a_view_in_words():
    from twosome_envs.wrappers.babyai import describe, effective, phrases, sketch

    image = np.zeros((7, 7, 3), np.uint8)
    image[1:6, 2:7] = (1, 0, 0)  # empty floor
    image[1:6, 1] = image[1, 2:7] = (2, 5, 0)  # walls: 5 ahead, 2 to the left
    image[3, 6] = (5, 4, 0)  # a yellow key in hand
    image[3, 5] = (4, 4, 2)  # a locked yellow door in front
    image[5, 4] = (6, 0, 0)  # a red ball 2 ahead, 2 right
    image[3, 1] = (2, 5, 0)
    view = {"image": image, "direction": 3, "mission": "open the door"}
    assert describe(view) == (
        "You face north and carry a yellow key. Right in front of you is a locked yellow door. "
        "You see a red ball 2 steps ahead and 2 to the right. There is a wall 2 steps to the left."
    )
    expected = (
        "turn left",
        "turn right",
        "go forward",
        "pick up",
        "drop the yellow key",
        "unlock the yellow door",
    )
    assert phrases(view) == expected
    assert effective(view) == (True, True, False, False, False, True)
    assert sketch(view).splitlines()[-2:] == ["      #    .    Dye  .    .", "      #    .    ^    .    ."]
    image[3, 6] = (1, 0, 0)  # the key is gone
    assert effective(view) == (True, True, False, False, False, False)


@pytest.mark.parametrize("level", LEVELS)
def test_every_visible_thing_is_named_and_nothing_else(level):
    env = babyai(level)
    kinds = {4: "door", 5: "key", 6: "ball", 7: "box"}
    for observation, _ in wander(env, seed=4, steps=150):
        image = env._raw["image"]
        words = observation["scene"].replace(".", "").replace(",", "").split()
        for kind, name in kinds.items():
            assert words.count(name) == (image[:, :, 0] == kind).sum(), observation["scene"]


@pytest.mark.parametrize("level", LEVELS)
def test_legal_actions_change_something_and_the_others_nothing(level):
    env, probe = babyai(level), babyai(level, legal="all")

    def world():
        inner = probe.guest.unwrapped
        held = inner.carrying and (inner.carrying.type, inner.carrying.color)
        return inner.hash(), tuple(inner.agent_pos), inner.agent_dir, held

    for _, info in wander(env, seed=6, steps=60):
        moment = env.snapshot()
        for action, is_legal in enumerate(info["action_mask"]):
            _, all_info = probe.restore(moment)
            assert all_info["action_mask"].all()
            before = world()
            probe.step(action)
            assert (world() != before) == is_legal, (info["actions"][action], env.render())


def test_nothing_is_printed_where_the_generator_rejects_a_mission(capfd):
    env = babyai("BabyAI-PutNextLocal-v0")
    for seed in range(60):
        env.reset(seed=seed)
    assert capfd.readouterr() == ("", "")


def test_pictures_of_a_level():
    env = babyai("BabyAI-GoToRedBallGrey-v0", render_mode="ansi")
    env.reset(seed=0)
    assert env.render().splitlines()[-1].count("^") == 1
    env = babyai("BabyAI-GoToRedBallGrey-v0", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.ndim == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"level": "BabyAI-GoToRedBallGray-v0"}, "nearest of the .*: BabyAI-GoToRedBallGrey-v0"),
        ({"legal": "efective"}, "Did you mean 'effective'"),
        ({"level": "MiniGrid-Dynamic-Obstacles-5x5-v0"}, "usual 7 actions"),
        ({"agent_view_size": 5}, "has 7 and 5x5"),
    ],
)
def test_babyai_says_what_it_does_not_know(kwargs, message):
    with pytest.raises(ValueError, match=message):
        babyai(**{"level": "BabyAI-GoToLocal-v0", **kwargs})


# TextWorld ------------------------------------------------------------------------------------------------


@pytest.fixture
def text_game(games):
    pytest.importorskip("textworld")
    return lambda **kw: gymnasium.make("twosome/TextWorld-v0", **{"seed": 3, "folder": games, **kw}).unwrapped


def test_the_scene_of_a_text_game_is_plain_and_says_what_happened(text_game):
    env = text_game()
    observation, info = env.reset(seed=0)
    assert observation["scene"].startswith("You are in the ")
    assert "You are carrying" in observation["scene"]
    observation, *_ = env.step(0)
    assert "Just now: You " in observation["scene"]
    for text in (*observation.values(), *info["actions"]):
        if isinstance(text, str):
            assert not any(mark in text for mark in ("\n", "-=", "***", ">", "$", "  "))


def test_the_optimum_of_the_shipped_text_game(text_game):
    import yaml

    shipped = yaml.safe_load((NOTEBOOKS.parent / "conf/env/textworld.yaml").read_text())
    env = text_game(**shipped["kwargs"])
    observation, _ = env.reset(seed=0)
    front, seen, depth, found = [env.snapshot()], {observation["scene"]}, 0, []
    while not found:
        depth, reached = depth + 1, []
        for moment in front:
            for action in np.flatnonzero(env.restore(moment)[1]["action_mask"]):
                env.restore(moment)
                observation, _, terminated, _, info = env.step(action)
                if terminated:
                    found.append(info["episode"]["r"])
                elif observation["scene"] not in seen:
                    seen.add(observation["scene"])
                    reached.append(env.snapshot())
        front = reached
    assert depth == 3
    assert max(found) == pytest.approx(shipped["optimum"])
    assert shipped["optimum"] == pytest.approx(shipped["gamma"] ** (depth - 1))


def test_equal_options_make_equal_games_and_a_game_is_made_once(text_game, tmp_path):
    def begin(folder):
        env = text_game(folder=folder)
        observation, info = env.reset(seed=0)
        return observation["scene"], observation["goal"], info["actions"]

    first = begin(tmp_path / "one")
    (home,) = (tmp_path / "one").iterdir()
    made = (home / "game.z8").stat().st_mtime_ns
    assert begin(tmp_path / "one") == first
    assert (home / "game.z8").stat().st_mtime_ns == made
    assert begin(tmp_path / "two") == first


def test_several_games_are_drawn_from(text_game):
    env = text_game(games=2)
    goals = {env.reset(seed=seed)[0]["goal"] for seed in range(4)}
    assert len(goals) == 2
    assert env.reset(seed=1)[0]["goal"] == env.reset(seed=3)[0]["goal"]


def test_a_masked_slot_changes_nothing_and_takes_a_step(text_game):
    env = text_game(max_steps=2)
    before, info = env.reset(seed=0)
    unused = int(np.flatnonzero(~info["action_mask"])[0])
    assert info["actions"][unused] == f"(unused {unused})"
    after, reward, terminated, truncated, info = env.step(unused)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert after["scene"] == f"{before['scene']} Just now: Nothing happens."
    _, _, terminated, truncated, info = env.step(unused)
    assert (terminated, truncated, info["success"]) == (False, True, False)


def test_commands_that_only_inform_can_be_kept(text_game):
    _, few = text_game().reset(seed=0)
    _, more = text_game(information=True).reset(seed=0)
    extra = set(more["actions"]) - set(few["actions"])
    assert {"look", "inventory"} <= extra
    assert all(command.startswith(("look", "inventory", "examine ", "(unused")) for command in extra)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"quest_length": 0}, ValueError, "quest_length must be an integer of at least 1, got 0"),
        ({"seed": "x"}, ValueError, "seed must be an integer of at least 0, got 'x'"),
        ({"max_commands": 1}, RuntimeError, "commands are admissible here, but max_commands=1"),
    ],
)
def test_a_text_game_says_what_is_wrong(kwargs, error, message, text_game):
    with pytest.raises(error, match=message):
        text_game(**kwargs).reset(seed=0)
