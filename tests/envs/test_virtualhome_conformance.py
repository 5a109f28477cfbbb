"""Recorded episodes of the published environments replay, step by step (SPEC.md, VirtualHome 11)."""

import gzip
import importlib.metadata
import json
from pathlib import Path

import pytest
from twosome_envs.virtualhome.env import VirtualHomeEnv
from twosome_envs.virtualhome.simulator import INSTALL

try:
    installed = importlib.metadata.version("virtualhome")
except importlib.metadata.PackageNotFoundError:
    installed = ""
needs_simulator = pytest.mark.skipif(not installed, reason=INSTALL)

DATA = Path(__file__).parent.parent / "data" / "virtualhome"
TASKS = {"VirtualHome-v1": "food_preparation", "VirtualHome-v2": "entertainment"}
FILES = sorted(DATA.glob("*.jsonl.gz"))


def episodes(path):
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


def legal(info):
    return info["action_mask"].nonzero()[0].tolist()


def replay(env, episode):
    """Assert that one recorded episode replays, and return the number of its steps."""
    observation, info = env.reset()
    discounted_return = 0.0
    for t, step in enumerate(episode["steps"]):
        assert observation["vector"].tolist() == step["obs"]
        assert legal(info) == step["legal"]
        observation, reward, terminated, truncated, info = env.step(step["action"])
        assert reward == step["reward"]
        assert (terminated or truncated) == step["done"]
        assert info["success"] == terminated == (step["reward"] == 1)
        assert info["executed"] == step["succeed"]
        assert info["duration"] == 1
        discounted_return += 0.95**t * reward
    assert observation["vector"].tolist() == episode["final_obs"]
    if step["done"]:
        assert info["episode"] == {
            "r": pytest.approx(discounted_return, abs=1e-9),
            "l": len(episode["steps"]),
        }
    return len(episode["steps"])


BACKENDS = ["table", pytest.param("virtualhome", marks=needs_simulator)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name.split(".")[0])
def test_recorded_episodes_replay(path, backend):
    recorded = list(episodes(path))
    assert all(replay(VirtualHomeEnv(TASKS[e["env_id"]], backend=backend), e) for e in recorded)


def test_all_recordings_are_here():
    recorded = [episode for path in FILES for episode in episodes(path)]
    assert len(FILES) == 10
    assert len(recorded) == 270
    assert {episode["policy"] for episode in recorded} == {
        "uniform",
        "optimal",
        "mixed",
        "envlevel",
        "deepwalk",
    }
