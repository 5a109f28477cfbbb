"""A few updates of the real trainer in third-party environments."""

import json
import shutil
import subprocess

import pytest

from twosome import train

SHORT = [
    "experiment=debug",
    "total_steps=64",
    "num_envs=2",
    "rollout_steps=8",
    "log.tensorboard=false",
    "log.tracked_states=0",
]
SHORT += [
    "ppo.actor.minibatch=16",
    "ppo.critic.minibatch=16",
    "ppo.actor.warmup_updates=1",
    "log.eval_episodes_final=1",
]


@pytest.mark.slow  # menus of hundreds
def test_scienceworlds_experiment_runs_with_its_worlds_in_processes_and_closes_them(tmp_path):
    pytest.importorskip("scienceworld", reason="the optional extra scienceworld is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java runtime")
    sizes = ["total_steps=32", "num_envs=2", "num_workers=2", "rollout_steps=8", "env.kwargs.max_steps=6"]
    sizes += ["ppo.actor.minibatch=8", "ppo.critic.minibatch=8", "ppo.actor.warmup_updates=1"]
    quiet = ["log.tensorboard=false", "log.tracked_states=0", "log.eval_interval=0", "log.eval_episodes_final=1"]
    before = javas()
    train.main(["experiment=scienceworld", *sizes, *quiet, f"run_dir={tmp_path / 'run'}"])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["env_steps"] == 32
    assert summary["scorer"]["scorer"] == "trie"
    assert javas() <= before


def javas():
    """The Java processes of this user."""
    found = subprocess.run(["pgrep", "-x", "java"], capture_output=True, text=True, check=False).stdout
    return set(found.split())


@pytest.mark.parametrize(("env", "package"), [("babyai", "minigrid"), ("textworld", "textworld")])
def test_the_trainer_runs_in_a_third_party_environment(env, package, tmp_path):
    pytest.importorskip(package, reason=f"the optional extra {package} is not installed")
    train.main([*SHORT, f"env={env}", f"run_dir={tmp_path / 'run'}", "log.eval_episodes=1"])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["env_steps"] == 64
    assert summary["scorer"]["scorer"] == "trie"
    assert summary["eval_after"]["greedy"]["episodes"] == 1
