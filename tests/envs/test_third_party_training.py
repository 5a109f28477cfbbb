"""A few updates of the real trainer in third-party environments."""

import json

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


@pytest.mark.parametrize(("env", "package"), [("babyai", "minigrid"), ("textworld", "textworld")])
def test_the_trainer_runs_in_a_third_party_environment(env, package, tmp_path):
    pytest.importorskip(package, reason=f"the optional extra {package} is not installed")
    train.main([*SHORT, f"env={env}", f"run_dir={tmp_path / 'run'}", "log.eval_episodes=1"])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["env_steps"] == 64
    assert summary["scorer"]["scorer"] == "trie"
    assert summary["eval_after"]["greedy"]["episodes"] == 1
