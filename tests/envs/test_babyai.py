"""BabyAI in words: everything visible is named, and what is legal changes something."""

import gymnasium
import numpy as np
import pytest
import twosome_envs  # registers the ids  # noqa: F401

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
    env, twin = babyai(level), babyai(level, legal="all")

    def world():
        inner = twin.env.unwrapped
        held = inner.carrying and (inner.carrying.type, inner.carrying.color)
        return inner.hash(), tuple(inner.agent_pos), inner.agent_dir, held

    for _, info in wander(env, seed=6, steps=60):
        moment = env.snapshot()
        for action, is_legal in enumerate(info["action_mask"]):
            _, all_info = twin.restore(moment)
            assert all_info["action_mask"].all()
            before = world()
            twin.step(action)
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
