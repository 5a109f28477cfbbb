"""The generic wrapper, and your own environment in 30 lines."""

import doctest
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from twosome_envs.wrappers import menu
from twosome_envs.wrappers.menu import MenuWrapper

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_the_docstring_runs():
    found = doctest.testmod(menu)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_wrapper_takes_the_environments_own_mask():
    taxi = MenuWrapper(
        gymnasium.make("Taxi-v4"),
        describe=lambda state: f"State {state}.",
        goal="Bring the passenger home.",
        phrases=("south", "north", "east", "west", "pick up", "drop off"),
    )
    _, info = taxi.reset(seed=1)
    assert info["action_mask"].tolist() == taxi.env.unwrapped.action_mask(taxi.env.unwrapped.s).astype(bool).tolist()
    assert not info["action_mask"].all()


def test_text_in_any_alphabet_is_in_the_space(lake):
    env = lake(max_steps=3)
    env._describe = lambda cell: f"Feld {cell}: Größe, 湖."
    check_env(env, skip_render_check=True)


def test_max_steps_truncates(lake):
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
        ({"env": gymnasium.make("MountainCarContinuous-v0")}, TypeError, "needs a Discrete action space"),
    ],
)
def test_the_wrapper_says_at_construction_what_is_wrong(changes, error, message):
    words = {"describe": str, "goal": "Go.", "phrases": ("left", "down", "right", "up"), **changes}
    env = words.pop("env", None) or gymnasium.make("FrozenLake-v1")
    with pytest.raises(error, match=message):
        MenuWrapper(env, **words)


def test_a_wrong_number_of_legal_answers_is_refused(lake):
    with pytest.raises(ValueError, match="legal gave 2 answers for 4 actions"):
        lake(legal=lambda cell: (True, False)).reset(seed=0)


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
