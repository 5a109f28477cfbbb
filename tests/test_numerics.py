"""A NaN or an infinity never reaches a weight: the step is skipped, counted, kept; too many end the run with an explanation."""

import json

import pytest
import torch

from tests.test_run import SMALL
from twosome.training import checkpoint as files
from twosome.cli import command as cli
from twosome import files
from twosome.config.compose import compose
from twosome.systems.build import build
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.driver import choose
from twosome.training.run_folder import open_run
from twosome.training.loop import _job
from twosome.errors import NumericsError


@pytest.fixture
def parts():
    cfg = compose([*SMALL, "ppo.max_bad_updates=3"])
    generator = torch.Generator().manual_seed(0)
    policy, learner = build(cfg, generator)
    worlds = Worlds(cfg.env, cfg.policy.prompt, 0, cfg.num_envs, None, policy.view)
    return policy, learner, lambda: collect(worlds, policy, cfg.rollout_steps, 0.95, generator)


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
    assert torch.isfinite(torch.cat([s.flatten() for o in learner.optimizers.values() for e in o.state.values() for s in e.values()])).all()
    handle.remove()


def test_a_value_that_is_not_finite_skips_the_update(parts, monkeypatch):
    policy, learner, roll = parts
    rollout = roll()

    def raises(prompts):
        raise NumericsError("The frozen model's state holds a NaN.")

    monkeypatch.setattr(policy, "features", raises)
    before = weights(policy)
    learner.update(rollout, 0.0)
    assert unchanged(policy, before)
    assert learner.bad_updates == 1


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
    """Exit code 1, one paragraph; the batches lie in the run folder, bounded; the last good checkpoint is named and whole."""
    from twosome.rl import losses

    surrogate, calls = losses.clipped_surrogate, []

    def breaks(*args):
        calls.append(args)
        return surrogate(*args) * (torch.nan if len(calls) > 6 else 1.0)

    monkeypatch.setattr(losses, "clipped_surrogate", breaks)
    run_dir = tmp_path / "run"
    with pytest.raises(SystemExit) as leaving:
        cli.run("train", _job, [*SMALL, "ppo.max_bad_updates=9", f"run_dir={run_dir}"])
    said = capfd.readouterr().err.strip()
    assert leaving.value.code == 1
    assert said.startswith("NumericsError: 9 optimiser steps met a NaN or infinity (now in the policy loss")
    newest = files.checkpoints(run_dir)[-1]
    assert f"The last good checkpoint is {newest}" in said
    files.verify(newest)
    kept = sorted((run_dir / "bad_batches").iterdir())
    assert len(kept) == 8
    record = json.loads((kept[0] / "batch.json").read_text())
    tensors = files.read_tensors(kept[0] / "batch.safetensors")
    assert "policy loss" in record["not_finite"]
    assert len(record["decisions"]) == len(tensors["advantages"]) == 32
    open_run(compose([*SMALL, "ppo.max_bad_updates=9", f"run_dir={run_dir}"])).close()


def test_a_dropped_step_leaks_nothing(parts):
    """The steps before it get the advantages they would get if the episode had been cut off there, bootstrapped."""
    from twosome.rl.batch import make_batch

    policy, learner, roll = parts
    with torch.no_grad():
        for p in policy.value_head.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    rollout = roll()
    rollout.is_real[5, 0], rollout.truncated[5, 0], rollout.discounts[5, 0], rollout.rewards[5, 0] = False, True, 0.0, 0.0
    cut = rollout.truncated.clone()
    cut[4, 0] = True  # the reference: the episode is cut off one step earlier
    dropped = make_batch(rollout, policy, learner.settings)
    reference = make_batch(type(rollout)(**{**vars(rollout), "truncated": cut}), policy, learner.settings)
    assert torch.allclose(dropped.advantages, reference.advantages)
    assert len(dropped) == rollout.rewards.numel() - 1
