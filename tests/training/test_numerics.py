"""A NaN or an infinity never reaches a weight: the step is skipped, counted, kept; too many end the run, explained."""

import json

import pytest
import torch

from twosome import checkpoint_folder, tensor_files
from twosome.cli import command
from twosome.cli.train import job
from twosome.config.compose import compose
from twosome.errors import NumericsError
from twosome.rl.optimizers import remedy
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.driver import choose
from twosome.systems.build import build
from twosome.training.loop import train
from twosome.training.run_folder import open_run

SMALL = ["method=mlp", "env=food_preparation", "experiment=debug", "log.eval_episodes=1", "log.eval_episodes_final=1"]
SMALL += ["log.checkpoint_interval=2", "log.keep_checkpoints=9", "log.tensorboard=false", "ppo.actor.warmup_updates=0"]


@pytest.fixture
def parts():
    """A policy, its learner, and a function that plays a rollout."""
    cfg = compose([*SMALL, "ppo.max_bad_updates=3"])
    generator = torch.Generator().manual_seed(0)
    policy, learner, *_ = build(cfg, generator)
    worlds = Worlds(cfg.env, policy, 0, cfg.num_envs)
    return policy, learner, lambda: collect(worlds, cfg.rollout_steps, generator)


def weights(policy):
    return [p.detach().clone() for p in (*policy.actor_parameters(), *policy.value_head.parameters())]


def unchanged(policy, before):
    return all(torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", ["rewards", "log_probs"])
def test_a_rollout_with_a_nan_is_skipped_whole(parts, where, value):
    policy, learner, roll = parts
    rollout = roll()
    getattr(rollout, where)[3, 1] = value
    before = weights(policy)
    learner.update(rollout, 0.0)
    assert unchanged(policy, before)
    assert learner.bad_updates == 1
    learner.update(roll(), 0.0)  # and the next is learnt from
    assert not unchanged(policy, before)
    assert all(torch.isfinite(p).all() for p in weights(policy))


@pytest.mark.parametrize("which", ["actor", "critic"])
def test_a_nan_in_a_gradient_skips_its_step(parts, which):
    policy, learner, roll = parts
    parameters = policy.actor_parameters() if which == "actor" else list(policy.value_head.parameters())
    handle = parameters[0].register_hook(lambda gradient: gradient * torch.nan)
    before = [p.detach().clone() for p in parameters]
    rollout = roll()
    rollout.rewards[:] = torch.randn(rollout.rewards.shape)
    learner.settings.max_bad_updates = 100
    learner.update(rollout, 0.0)
    assert all(torch.equal(p, b) for p, b in zip(parameters, before, strict=True))
    assert learner.bad_updates > 0
    moments = [s for o in (learner.actor, learner.critic) for e in o.state.values() for s in e.values()]
    assert moments
    assert all(torch.isfinite(s).all() for s in moments)
    handle.remove()


def test_a_value_that_is_not_finite_skips_the_update(parts, monkeypatch):
    policy, learner, roll = parts
    rollout = roll()

    def raises(states):
        raise NumericsError("The frozen model's state holds a NaN.")

    monkeypatch.setattr(policy, "features", raises)
    before = weights(policy)
    learner.update(rollout, 0.0)
    assert unchanged(policy, before)
    assert learner.bad_updates == 1
    assert learner.samples is None


def test_a_policy_without_log_probabilities_still_acts_and_its_rollout_is_skipped(parts, monkeypatch):
    policy, learner, roll = parts
    log_probs, bad = policy.log_probs, []

    def sometimes(decisions):
        if any("1.0" in d.prompt for d in decisions) and len(bad) < 5:
            bad.append(decisions)
            raise NumericsError("NaN")
        return log_probs(decisions)

    monkeypatch.setattr(policy, "log_probs", sometimes)
    rollout = roll()
    assert bad
    before = weights(policy)
    learner.update(rollout, 0.0)
    assert learner.bad_updates == (0 if torch.isfinite(rollout.log_probs).all() else 1)
    assert learner.bad_updates == 0 or unchanged(policy, before)


def test_choosing_among_nans_is_even():
    generator = torch.Generator().manual_seed(0)
    row = torch.full((3,), torch.nan)
    assert {choose([row], generator)[0] for _ in range(50)} == {0, 1, 2}


def test_too_many_end_the_run_with_an_explanation(tmp_path, monkeypatch, capfd):
    """Exit code 1, one paragraph; the batches lie in the run folder, bounded; the last good checkpoint is named."""
    from twosome.rl import losses

    surrogate, calls = losses.clipped_surrogate, []

    def breaks(*args):
        calls.append(args)
        return surrogate(*args) * (torch.nan if len(calls) > 6 else 1.0)

    monkeypatch.setattr(losses, "clipped_surrogate", breaks)
    run_dir = tmp_path / "run"
    overrides = [*SMALL, "ppo.max_bad_updates=9", f"run_dir={run_dir}"]
    with pytest.raises(SystemExit) as leaving:
        command.run("train", job, overrides)
    said = capfd.readouterr().err.strip()
    assert leaving.value.code == 1
    assert said.startswith("NumericsError: 9 optimiser steps met a NaN or infinity (now in the policy loss")
    sound = checkpoint_folder.checkpoints(run_dir)[0]
    assert f"init={sound}." in said
    checkpoint_folder.verify(sound)
    kept = sorted((run_dir / "bad_batches").iterdir())
    assert len(kept) == 8
    record = json.loads((kept[0] / "batch.json").read_text())
    tensors = tensor_files.read_tensors(kept[0] / "batch.safetensors")
    assert "policy loss" in record["not_finite"]
    assert len(record["decisions"]) == len(tensors["advantages"]) == 32
    assert record["decisions"][0].keys() == {"state", "prompt", "menu", "bias"}
    open_run(compose(overrides)).close()


def test_what_was_sound_is_kept_and_named_after_a_divergence(tmp_path, monkeypatch):
    """A ruined checkpoint may be whole, and newer than every good one: rotation must not take the good ones."""
    from twosome.rl.ppo import PPO

    run_dir, update = tmp_path / "run", PPO.update

    def ruined(self, rollout, progress):
        metrics = update(self, rollout, progress)
        if self.updates == 4:
            with torch.no_grad():
                self.policy.actor_parameters()[0].fill_(torch.inf)
        return metrics

    monkeypatch.setattr(PPO, "update", ruined)
    often = ["log.checkpoint_interval=1", "log.keep_checkpoints=1", "ppo.max_bad_updates=3", "log.eval_interval=0"]
    with pytest.raises(NumericsError) as caught:
        train(open_run(compose([*SMALL, *often, f"run_dir={run_dir}"])))
    sound, *later = checkpoint_folder.checkpoints(run_dir)
    assert sound.name == f"step-{3 * 64:08d}"
    assert later
    assert f"init={sound}." in str(caught.value)
    policy = build(compose(SMALL), torch.Generator())[0]
    policy.load_weights(sound)
    assert all(torch.isfinite(p).all() for p in weights(policy))


@pytest.mark.parametrize("content", [None, "[]", '{"checkpoint": "../../etc"}', '{"checkpoint": 3}', "{", '"x"'])
def test_a_damaged_note_of_the_sound_one_names_none(tmp_path, content):
    run = open_run(compose([*SMALL, f"run_dir={tmp_path / 'run'}"]))
    if content is not None:
        (run.folder / "sound.json").write_text(content)
    assert run.sound() is None
    assert "no checkpoint from before" in run.last_sound()
    run.close()


@pytest.mark.parametrize(
    ("reward", "said"), [(1e20, "rewards are as large as 1e+20"), (1.0, "Lower the learning rates")]
)
def test_huge_rewards_do_not_blame_the_learning_rate(reward, said):
    assert said in remedy(torch.tensor([[0.0, -reward]]), "ppo.actor.learning_rate")


def test_the_learner_says_so(parts):
    _, learner, roll = parts
    rollout = roll()
    rollout.rewards[:] = 1e20
    rollout.log_probs[0, 0] = torch.nan
    learner.settings.max_bad_updates = 1
    with pytest.raises(NumericsError, match=r"rewards are as large as 1e.20: scale them"):
        learner.update(rollout, 0.0)
