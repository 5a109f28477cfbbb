"""Text games: plain scenes, the optimum of the configured game, equal seeds."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twosome_envs  # registers the ids  # noqa: F401
import yaml

CONF = Path(__file__).parents[2] / "conf" / "env"


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
    shipped = yaml.safe_load((CONF / "textworld.yaml").read_text())
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


def test_a_story_that_is_none_is_not_run(text_game, tmp_path):
    """An interpreter in C would read whatever lies in the folder."""
    text_game(folder=tmp_path).close()
    [story] = tmp_path.glob("*/game.z8")
    whole = story.read_bytes()
    for damaged in (
        b"",
        b"x" * 5,
        b"\x05" + whole[1:],
        whole[:-2000],
        whole[:5000] + b"\xff\xfe" + whole[5002:],
        bytes(2**20),
    ):
        story.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"is no whole story file of version 8\. Remove its folder"):
            text_game(folder=tmp_path)
    story.rename(tmp_path / "elsewhere")
    story.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(whole)
    with pytest.raises(ValueError, match="is no whole story file"):
        text_game(folder=tmp_path)


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
        ({"quest_length": 0}, ValueError, "quest_length must be an integer from 1 to 100, got 0"),
        ({"seed": "x"}, ValueError, "seed must be an integer from 0 to 2147483648, got 'x'"),
        ({"nb_rooms": 10**7}, ValueError, "nb_rooms must be an integer from 1 to 1000, got 10000000"),
        ({"games": 10**5000}, ValueError, "games must be an integer from 1 to 1000, got one far outside"),
        ({"max_commands": 0}, ValueError, "max_commands must be an integer from 1 to 10000, got 0"),
        ({"max_commands": 10**9}, ValueError, "max_commands must be an integer from 1 to 10000, got 1000000000"),
        ({"max_commands": 1}, RuntimeError, "commands are admissible here, but max_commands=1"),
    ],
)
def test_a_text_game_says_what_is_wrong(kwargs, error, message, text_game):
    with pytest.raises(error, match=message):
        text_game(**kwargs).reset(seed=0)
