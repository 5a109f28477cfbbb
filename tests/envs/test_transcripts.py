"""One playthrough per registered id is in tests/transcripts, so that a change of wording shows in a diff.

Regenerate them with `python tests/envs/test_transcripts.py`.
"""

import copy
import itertools
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twosome_envs
from twosome_envs.advised.env import Advised
from twosome_envs.desk import player
from twosome_envs.desk.env import DeskEnv
from twosome_envs.split.env import Split
from twosome_envs.toolbox import player as toolbox_player
from twosome_envs.toolbox.env import ToolboxEnv

FOLDER = Path(__file__).parents[1] / "transcripts"
SEED = 0
RANDOM_ACTIONS = 15


def shortest_plan(env) -> list[int]:
    """The first of the shortest plans of legal actions that reach the goal; empty if there is none."""
    _, info = env.reset(seed=SEED)
    start = env.snapshot()
    plans = {start.state: []}
    queue = [(start, info["action_mask"])]
    for snapshot, mask in queue:
        for action in map(int, np.flatnonzero(mask)):
            env.restore(snapshot)
            _, _, terminated, _, info = env.step(action)
            plan, after = [*plans[snapshot.state], action], env.snapshot()
            if info["success"]:
                return plan
            if not terminated and after.state not in plans:
                plans[after.state] = plan
                queue.append((after._replace(steps=0, over=False), info["action_mask"]))
    return []


def split_plan(env):
    """The first of the shortest plans of the world inside, a part taken up wherever the world's actions are masked."""
    mask = env.restore(env.snapshot())[1]["action_mask"]
    for action in shortest_plan(copy.deepcopy(env.inner)):
        while not mask[action]:
            yield int(np.flatnonzero(mask)[0])
            mask = env.restore(env.snapshot())[1]["action_mask"]
        yield action
        mask = env.restore(env.snapshot())[1]["action_mask"]


PLAYERS = {DeskEnv: player.action, ToolboxEnv: toolbox_player.action}


def best_play(env):
    """The best play, which is no shortest way: nobody could find one without knowing the answers."""
    while True:
        yield PLAYERS[type(env)](env)


def asking_plan(env):
    """Asks in every state, and follows."""
    while True:
        phrase = "ask what to do" if env.advice is None else env.advice
        yield env.menu.actions.index(phrase)


def plan_of(env):
    """How the second playthrough is played."""
    if isinstance(env, Advised):
        return asking_plan(env)
    if type(env) in PLAYERS:
        return best_play(env)
    return split_plan(env) if isinstance(env, Split) else shortest_plan(env)


def random_plan(env):
    """Legal actions at random, chosen while the episode is played."""
    rng = np.random.default_rng(SEED)
    while True:
        mask = env.restore(env.snapshot())[1]["action_mask"]
        yield int(rng.choice(np.flatnonzero(mask)))


def _situation(observation, info) -> list[str]:
    menu = zip(info["actions"], info["action_mask"], strict=True)
    legal = [f"{i} {phrase}" for i, (phrase, is_legal) in enumerate(menu) if is_legal]
    vector = " ".join(f"{n:g}" for n in observation["vector"])
    return ["", observation["scene"], f"  vector: {vector}", f"  menu: {', '.join(legal)}"]


def playthrough(env, plan) -> list[str]:
    """Every observation, menu, action and result of one episode."""
    observation, info = env.reset(seed=SEED)
    lines = _situation(observation, info)
    for action in plan:
        phrase = info["actions"][action]
        observation, reward, terminated, truncated, info = env.step(action)
        lines += ["", f"> {phrase}", f"  reward {reward:.9g}, duration {info['duration']}"]
        lines += _situation(observation, info)
        if terminated or truncated:
            end = "terminated" if terminated else "truncated"
            statistics = info["episode"]
            return [*lines, "", f"{end}, return {statistics['r']:.9g}, primitive steps {statistics['l']}"]
    return [*lines, "", "(broken off)"]


def transcript(id: str) -> str:
    """The text of one file: random play, then a shortest way to the goal, or the best play."""
    env = gymnasium.make(id).unwrapped
    observation, _ = env.reset(seed=SEED)
    head = [
        id,
        "",
        f"{env.action_space.n} actions, {observation['vector'].size} numbers, discount {env.gamma}",
    ]
    head += [f"Goal: {observation['goal']}"]
    play = itertools.islice(random_plan(env), RANDOM_ACTIONS)
    lines = [*head, "", f"== {RANDOM_ACTIONS} legal actions at random ==", *playthrough(env, play)]
    titles = {**dict.fromkeys(PLAYERS, "The best play"), Advised: "Asking in every state"}
    title = titles.get(type(env), "A shortest way to the goal")
    lines += ["", f"== {title} ==", *playthrough(env, plan_of(env))]
    return "\n".join(lines) + "\n"


def _file(id: str) -> Path:
    return FOLDER / f"{id.removeprefix('twosome/')}.txt"


@pytest.mark.parametrize("id", twosome_envs.IDS)
def test_transcript(id):
    assert transcript(id) == _file(id).read_text()


def test_no_transcript_is_left_over():
    assert {path.name for path in FOLDER.iterdir()} == {_file(id).name for id in twosome_envs.IDS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in twosome_envs.IDS:
        _file(name).write_text(transcript(name))
