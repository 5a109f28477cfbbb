"""ScienceWorld: the simulator's own score and legal actions, equal episodes, and a Java process that always ends."""

import os
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest
import twosome_envs  # registers the ids  # noqa: F401
from twosome_envs.wrappers.scienceworld import ScienceWorld, plain

pytest.importorskip("scienceworld", reason="the optional extra scienceworld is not installed")


@pytest.fixture
def java():
    if subprocess.run(["java", "-version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Java runtime")


@pytest.fixture
def make(java):
    """How to make an environment, which is closed at the end."""
    made = []

    def make(**kwargs):
        made.append(gymnasium.make("twosome/ScienceWorld-v0", **kwargs).unwrapped)
        return made[-1]

    yield make
    for env in made:
        env.close()


def take(env, info, phrase):
    return env.step(info["actions"].index(phrase))


def test_the_path_that_the_simulator_itself_knows_brings_its_whole_score(make):
    env = make(task="find-plant", variations=[0], simplifications="")
    env._game.load("find-plant", 0, "", generateGoldPath=True)
    path = env._game.get_gold_action_sequence()
    path[-1] = "move flower pot to red box"  # which it says in more words than the legal action
    observation, info = env.reset(seed=0)
    assert "find a(n) plant" in observation["goal"]
    rewards = []
    for phrase in path:
        if phrase not in info["actions"]:  # `look around`, and an open door opened
            continue
        observation, reward, terminated, truncated, info = take(env, info, phrase)
        assert env.observation_space.contains(observation)
        rewards.append(reward)
        assert terminated == info["success"] == (phrase == path[-1])
        assert not truncated
    assert sum(rewards) == pytest.approx(1)
    assert info["episode"] == {
        "r": pytest.approx(sum(0.99**k * r for k, r in enumerate(rewards))),
        "l": len(rewards),
    }


def test_the_menu_is_what_the_simulator_finds_legal_and_nothing_that_undoes_the_episode(make):
    env = make(variations=[3])
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        menu = [a for a, is_legal in zip(info["actions"], info["action_mask"], strict=True) if is_legal]
        legal = set(env._game.server.getValidActionObjectCombinations())  # each phrase by itself, as the package does
        assert menu == sorted(legal - {"reset task", "inventory", "look around", "task"})
        assert len(info["actions"]) == len(set(info["actions"])) == len(info["action_mask"]) == 4096
        going = [k for k, phrase in enumerate(menu) if phrase.startswith(("teleport", "open", "pick up"))]
        *_, info = env.step(int(rng.choice(going)))
    env._keep_information = True
    assert {"inventory", "look around", "task"} <= set(env._commands(env._raw))
    assert "reset task" not in env._commands(env._raw)
    env.n_actions = 5
    with pytest.raises(RuntimeError, match=r"actions are legal here, but max_commands=5\. Raise it"):
        env._menu(env._raw)


def test_equal_variations_and_actions_make_equal_episodes(make):
    """Without one hash for all of Java's objects this fails in the kitchen, where doors stand in a random order."""
    env, other = (make(task="boil", variations=[3], simplifications="", information=True) for _ in range(2))
    wanted = ["open door to kitchen", "go to kitchen", "open cupboard", "pick up thermometer"]

    def played(world):
        observation, info = world.reset(seed=0)
        seen = [observation["scene"]]
        for phrase in [*(["go to hallway"] if "go to hallway" in info["actions"] else []), *wanted]:
            if phrase in info["actions"]:
                observation, reward, *_, info = take(world, info, phrase)
                seen += [observation["scene"], reward, info["actions"], observation["vector"].tolist()]
        return seen

    first = played(env)
    assert any("kitchen" in scene and "You also see: A door" in scene for scene in first if isinstance(scene, str))
    moment, scene = env.snapshot(), env._scene(env._raw)
    assert first == played(other) == played(env)
    assert other.restore(moment)[0]["scene"] == scene


def test_what_makes_a_task_impossible_ends_it(make):
    env = make(variations=[0], max_steps=3)
    _, info = env.reset(seed=0)
    _, reward, terminated, _, info = take(env, info, next(a for a in info["actions"] if a.startswith("focus on door")))
    assert (reward, terminated, info["success"]) == (-1, True, False)
    _, info = env.reset(seed=0)
    for k in range(3):
        unused = int(np.flatnonzero(~info["action_mask"])[0])
        observation, reward, terminated, truncated, info = env.step(unused)
        assert (reward, terminated, truncated) == (0, False, k == 2)
        assert observation["scene"].endswith("Just now: Nothing happens.")


def test_the_splits_share_no_variation_and_several_tasks_take_turns(make):
    env = make(task=["find-plant", "boil"])
    splits = [set(env._variations("boil", split)) for split in ("train", "dev", "test")]
    assert len(set.union(*splits)) == sum(map(len, splits)) == env._game.get_max_variations("boil")
    assert {task for task, _ in env._episodes} == {"find-plant", "boil"}
    assert len(env._episodes) == 150 + len(splits[0])
    goals = {env.reset(seed=seed)[0]["goal"].split(".")[0] for seed in (0, 150)}
    assert len(goals) == 2
    with pytest.raises(ValueError, match="'boil' has variations 0 to 29, got 30"):
        env._variations("boil", [0, 30])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task": "find-plnt"}, "Unknown task 'find-plnt'. Did you mean 'find-plant'"),
        ({"task": []}, "task is empty"),
        ({"task": ["boil", 3]}, "Unknown task 3"),
        ({"variations": "tran"}, "Unknown variations 'tran'. Did you mean 'train'"),
        ({"task": 3}, "task must be a name or a list of names, got 3"),
        ({"variations": 3}, "variations must be train, dev, test or a list of numbers, got 3"),
        ({"variations": []}, r"variations must be .* got \[\]"),
        ({"simplifications": None}, "simplifications must be a name or a list of names, got None"),
        ({"simplifications": "eazy"}, "Unknown simplifications 'eazy'. Did you mean 'easy'"),
        ({"max_words": 0}, "max_words must be an integer from 1 to"),
        ({"max_steps": 0}, "max_steps must be an integer from 1 to"),
        ({"max_commands": 1.5}, "max_commands must be an integer from 1 to"),
        ({"max_commands": True}, "max_commands must be an integer from 1 to"),
    ],
)
def test_what_cannot_work_is_said_before_java_is_begun(kwargs, message, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=message):
        ScienceWorld(**kwargs)


def test_without_java_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt install openjdk-17-jre-headless"):
        ScienceWorld()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scienceworld.constants", None)
    with pytest.raises(ImportError, match=r'pip install "twosome\[scienceworld\]"'):
        ScienceWorld()


def test_a_java_process_that_was_killed_is_told_and_closing_ends_it(make, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dsome.of=theirs")
    env = make()
    assert os.environ["JAVA_TOOL_OPTIONS"] == "-Dsome.of=theirs"
    process = env._game._gateway.java_process
    _, info = env.reset(seed=0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(RuntimeError, match=r"Java process has ended .* Make the environment anew"):
        take(env, info, "wait")
    env.close()
    whole = make()
    process = whole._game._gateway.java_process
    assert process.poll() is None
    whole.close()
    whole.close()
    assert process.poll() is not None


def test_a_python_that_is_killed_leaves_no_java(java):
    program = (
        "from twosome_envs.wrappers.scienceworld import ScienceWorld; import time\n"
        "env = ScienceWorld(); print(env._game._gateway.java_process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as python:
        try:
            java = int(python.stdout.readline())
            os.kill(java, 0)
        finally:
            python.kill()
    for _ in range(600):
        try:
            os.kill(java, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("Java is still there a minute after Python was killed")


def test_a_long_scene_loses_the_end_of_what_is_around(make):
    env = make(variations=[0])
    observation, _ = env.reset(seed=0)
    whole = observation["scene"].split()
    carried = len(plain(env._raw["inv"]).split())
    env.max_words = carried + 10
    assert env._scene(env._raw).split() == [*whole[:10], "...", *whole[-carried:]]
    env.max_words = len(whole)
    assert env._scene(env._raw).split() == whole
    env.max_words = 1
    assert env._scene(env._raw).split() == ["...", *whole[-carried:]]


def test_lists_of_the_simulator_become_sentences():
    text = "In it, you see: \n\tthe agent\n\ta substance called air\n\ta table. On it is: a cup (containing nothing).\n"
    text += "\ta substance called wood\nYou also see:\n\tA door (that is open)\n"
    assert plain(text) == (
        "In it, you see: a table. On it is: a cup (containing nothing); wood. You also see: A door (open)."
    )
    assert plain("") == plain("\n \n") == ""
