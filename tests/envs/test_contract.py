"""Every registered environment meets one contract: types, gymnasium's own checks, snapshots, named errors."""

import copy
import io
import pickle
import re
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import twosome_envs
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from PIL import Image
from twosome_envs.agent.around import Around
from twosome_envs.render import LINES, MARGIN, pillow, wrapped
from twosome_envs.virtualhome import appliance, entertainment

IDS = twosome_envs.IDS
LONG = 400
"""More actions than any episode here has."""
TOYS = ("FrozenLake", "Taxi", "Blackjack")
DRAWN = {f"twosome/{name}-v0" for name in ("Game24", "Workshop", "Shop", "Pages", "Desk", "Toolbox", *TOYS)} & {*IDS}
"""Worlds that draw the start of an episode or its chances by the seed, and most of which can be lost; the others start
always alike.
"""


@pytest.fixture(params=IDS)
def env(request):
    env = gymnasium.make(request.param)
    yield env
    env.close()


def _random_play(env, seed, episodes=1, legal=True, reset_seed=0):
    """Yields what reset and step return, as (action, observation, reward, terminated, truncated, info)."""
    rng = np.random.default_rng(seed)
    for episode in range(episodes):
        observation, info = env.reset(seed=None if episode else reset_seed)
        yield None, observation, 0.0, False, False, info
        over = False
        while not over:
            mask = info["action_mask"]
            choices = np.flatnonzero(mask) if legal else np.arange(len(mask))
            action = int(rng.choice(choices))
            observation, reward, terminated, truncated, info = env.step(action)
            yield action, observation, reward, terminated, truncated, info
            over = terminated or truncated


def test_the_published_ids_exist():
    assert {
        "twosome/TomatoSalad-v0",
        "twosome/TomatoLettuceSalad-v0",
        "twosome/FoodPreparation-v0",
        "twosome/Entertainment-v0",
        "twosome/Overcooked-v0",
    } <= set(IDS)
    registered = {id for id in gymnasium.registry if id.startswith("twosome/")}
    assert registered == {*IDS, *twosome_envs.OTHERS}


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("render_mode", [None, "rgb_array", "ansi"])
def test_check_env(id, render_mode):
    """Warnings are errors here, so this passes without one."""
    check_env(gymnasium.make(id, render_mode=render_mode).unwrapped)


def test_observation_and_info(env):
    """The documented types, at every step of random play."""
    n = int(env.action_space.n)
    for action, observation, reward, terminated, truncated, info in _random_play(env, 0, episodes=2):
        assert env.observation_space.contains(observation)
        assert observation["scene"].strip() == observation["scene"] != ""
        assert observation["goal"].endswith(".")
        assert observation["vector"].dtype == np.float32
        assert isinstance(info["actions"], tuple)
        assert len(info["actions"]) == n
        assert all(isinstance(phrase, str) and phrase.strip() == phrase for phrase in info["actions"])
        assert len(set(info["actions"])) == n
        assert info["action_mask"].dtype == bool
        assert info["action_mask"].shape == (n,)
        assert info["action_mask"].any()
        assert isinstance(info["duration"], int)
        assert info["duration"] >= 1
        assert isinstance(info["success"], bool)
        assert type(reward) is float
        assert type(terminated) is type(truncated) is bool
        assert terminated >= info["success"]
        assert terminated == info["success"] or env.spec.id in DRAWN
        assert not (terminated and truncated)
        assert ("episode" in info) == (terminated or truncated)
        assert action is None or 0 <= action < n


def test_episode_statistics(env):
    """`r` is the return discounted per primitive step, `l` the primitive steps; an episode is finite."""
    gamma = env.unwrapped.gamma
    for seed in range(3):
        total, steps = 0.0, 0
        for count, (_, _, reward, _, _, info) in enumerate(_random_play(env, seed, legal=False)):
            if count:
                total += gamma**steps * reward
                steps += info["duration"]
            assert count < LONG
        assert info["episode"]["l"] == steps
        assert info["episode"]["r"] == pytest.approx(total, rel=0, abs=1e-9)


def test_arrays_are_not_shared(env):
    """Changing what was returned changes neither the environment nor what it returns later."""
    observation, info = env.reset(seed=0)
    kept, mask = observation["vector"].copy(), info["action_mask"].copy()
    observation["vector"] += 100
    info["action_mask"][:] = False
    info["actions"] = ()
    again, info_again = env.reset(seed=0)
    np.testing.assert_array_equal(again["vector"], kept)
    np.testing.assert_array_equal(info_again["action_mask"], mask)
    assert again["vector"] is not env.unwrapped.restore(env.unwrapped.snapshot())[0]["vector"]


def test_same_actions_same_transcript(env):
    """Earlier episodes do not matter, nor does the seed where nothing is drawn."""
    twin = gymnasium.make(env.spec.id)
    env.reset(seed=1)
    plays = _random_play(env, 3, 2, False), _random_play(twin, 3, 2, False, 0 if env.spec.id in DRAWN else 2)
    for mine, other in zip(*plays, strict=True):
        np.testing.assert_equal(mine, other)


@pytest.mark.parametrize("id", sorted(DRAWN))
def test_the_seed_draws_the_start(id):
    """Equal seeds start equal episodes, including later ones without a seed; other seeds start others."""
    one, two = gymnasium.make(id), gymnasium.make(id)

    def starts(env, seed):
        seeds = (seed, *[None] * 9)
        return [(env.reset(seed=s)[0]["scene"], env.unwrapped.snapshot()) for s in seeds]

    assert starts(one, 1) == starts(two, 1) != starts(one, 2)
    assert len({snapshot for _, snapshot in starts(one, 3)}) > 5


def test_snapshot_and_restore(env):
    """From any snapshot the same future, on this environment and on another one of the same kind."""
    twin = gymnasium.make(env.spec.id).unwrapped
    world = env.unwrapped
    snapshots, steps = [], []
    for step in _random_play(env, 4, legal=False):
        snapshots.append(world.snapshot())
        steps.append(step)
    assert len({hash(snapshot) for snapshot in snapshots}) > 1
    for i in reversed(range(len(steps) - 1)):
        for other in (world, twin):
            observation, info = other.restore(snapshots[i])
            assert other.snapshot() == snapshots[i]
            np.testing.assert_equal(observation, steps[i][1])
            shared = {key: value for key, value in steps[i][5].items() if key in info}
            np.testing.assert_equal(info, shared)
            np.testing.assert_equal(other.step(steps[i + 1][0]), steps[i + 1][1:])


def test_snapshots_and_copies(env):
    """A snapshot survives pickling; a copy of an environment is independent of it."""
    env.reset()
    snapshot = env.unwrapped.snapshot()
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot
    other = copy.deepcopy(env.unwrapped)
    other.step(0)
    assert env.unwrapped.snapshot() == snapshot


def test_cleared_caches_change_nothing(env):
    """The same transcript, whether the caches are cleared before every step or never."""
    twin = gymnasium.make(env.spec.id)
    for mine, other in zip(_random_play(env, 7, 2, False), _random_play(twin, 7, 2, False), strict=True):
        np.testing.assert_equal(mine, other)
        env.unwrapped.clear_cache()


def test_everything_is_computed_again_after_the_caches_are_cleared(env, monkeypatch):
    """A step taken twice is computed once, and once more after `clear_cache`."""
    world, calls = env.unwrapped, []
    computes = world.inner if isinstance(world, Around) else world
    functions = [(computes, name) for name in ("_transition", "_scene", "_menu", "_vector")]
    if "virtualhome" in type(world).__module__:  # its functions are cached once more, for all environments alike
        functions += [(type(world.world), "advance"), (entertainment, "observe"), (appliance, "observe")]
    for owner, name in functions:
        function = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, f=function, n=name, **kw: (calls.append(n), f(*args, **kw))[1])

    def calls_of_a_step():
        calls.clear()
        _, info = env.reset(seed=0)
        if computes is not world:  # the world's actions may be masked until a part is worked on
            env.step(int(np.flatnonzero(info["action_mask"])[0]))
        env.step(0)
        return set(calls)

    world.clear_cache()
    first = calls_of_a_step()
    assert first == {name for _, name in functions}
    assert not calls_of_a_step()
    world.clear_cache()
    assert calls_of_a_step() == first


@pytest.mark.parametrize("wrong", [-1, 10**6, 0.0, 1.5, "0", None, True, [0], np.zeros(2, int), np.array([0, 1])])
def test_a_wrong_action_is_named(env, wrong):
    _, info = env.reset()
    before = env.unwrapped.snapshot()
    with pytest.raises(InvalidAction) as error:
        env.unwrapped.step(wrong)
    message = str(error.value)
    assert f"from 0 to {env.action_space.n - 1}" in message
    assert repr(wrong) in message
    assert all(phrase in message for phrase in info["actions"])
    assert env.unwrapped.snapshot() == before


@pytest.mark.parametrize("right", [0, np.int64(0), np.uint8(0), np.array(0)])
def test_any_integer_is_an_action(env, right):
    env.reset()
    env.step(right)


def test_a_step_out_of_order_is_named(env):
    with pytest.raises(ResetNeeded):
        gymnasium.make(env.spec.id).step(0)
    fresh = gymnasium.make(env.spec.id).unwrapped
    for call in (lambda: fresh.step(0), fresh.snapshot):
        with pytest.raises(ResetNeeded, match=r"before the first reset.*Call env\.reset\(\)"):
            call()
    for _ in _random_play(env, 5):
        pass
    with pytest.raises(ResetNeeded, match="after the episode has ended"):
        env.step(0)
    with pytest.raises(TypeError, match="restore\\(\\) takes what snapshot\\(\\) returned"):
        env.unwrapped.restore("start")


@pytest.mark.parametrize("id", IDS)
def test_frames(id):
    """Pictures of one size that change with the world, room for every scene, and a GIF of an episode."""
    env = gymnasium.make(id, render_mode="rgb_array")
    _, _, fonts = pillow()
    frames, longest = [], 0
    for count, step in enumerate(_random_play(env, 6)):
        if count > 12:
            break
        frames.append(env.render())
        width = frames[-1].shape[1]
        font = fonts.load_default(13)
        longest = max(longest, len(wrapped(step[1]["scene"], font, width - 2 * MARGIN)))
    assert longest <= LINES
    assert len({frame.shape for frame in frames}) == 1
    assert all(frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 for frame in frames)
    assert len({frame.tobytes() for frame in frames}) > 1
    first, *others = map(Image.fromarray, frames)
    first.save(file := io.BytesIO(), "GIF", save_all=True, append_images=others, duration=500)
    with Image.open(file) as gif:
        assert gif.size == first.size
        assert gif.n_frames > 1


@pytest.mark.parametrize("id", IDS)
def test_ansi(id):
    """The scene, the action and the reward are below the picture in characters."""
    env = gymnasium.make(id, render_mode="ansi")
    observation, info = env.reset()
    assert observation["scene"] in env.render()
    action = int(np.flatnonzero(info["action_mask"])[0])
    observation, reward, *_ = env.step(action)
    picture = env.render()
    assert observation["scene"] in picture
    assert f"> {info['actions'][action]}   reward {reward:+.4g}" in picture
    assert len(picture.splitlines()) > 6
    assert picture.isascii()


def test_wrong_render_mode(env):
    with pytest.raises(ValueError, match=r"Unknown render_mode 'rgb-array'\. Did you mean 'rgb_array'"):
        type(env.unwrapped)(render_mode="rgb-array")


def test_import_is_light():
    """Importing the package, and playing, needs gymnasium and numpy only."""
    play = (
        "import sys, gymnasium\n"
        "env = gymnasium.make('twosome_envs:twosome/TomatoSalad-v0')\n"
        "env.reset(); env.step(0)\n"
        "heavy = {'torch', 'PIL', 'transformers', 'hydra', 'minigrid', 'textworld', 'virtualhome', 'rich'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", play], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("workers", [1, 3])
def test_vector_environments(workers):
    """Menus pass through gymnasium's own vector environment."""
    envs = gymnasium.make_vec("twosome/TomatoSalad-v0", num_envs=workers, vectorization_mode="sync")
    observations, infos = envs.reset()
    assert observations["vector"].shape == (workers, 18)
    assert len(infos["actions"]) == workers
    _, rewards, *_ = envs.step(np.zeros(workers, int))
    assert rewards.shape == (workers,)
    envs.close()


def test_ids_are_named_once():
    """Making a -v0 of which a -v1 exists gives no warning that it is out of date: both are current."""
    for id in IDS:
        assert re.fullmatch(r"twosome/[A-Za-z0-9]+-v[01]", id)
        gymnasium.make(id).close()
