"""Weights & Biases, played by a stand-in: every record at its step, one id for a continued run, or a clear error."""

import sys
import types

import pytest

from tests.training.small_run import SMALL
from twosome.config.compose import compose
from twosome.errors import ConfigError
from twosome.training.loop import train
from twosome.training.run_folder import open_run


@pytest.fixture
def wandb(monkeypatch):
    seen = types.SimpleNamespace(inits=[], logs=[], finished=0)

    class Run:
        def log(self, values, step):
            seen.logs.append((step, values))

        def finish(self):
            seen.finished += 1

    def init(**settings):
        seen.inits.append(settings)
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    return seen


def test_every_record_arrives_at_its_step_and_a_continued_run_keeps_its_id(wandb, tmp_path):
    run = [*SMALL, "log.wandb=salads", f"run_dir={tmp_path / 'run'}", "total_steps=128"]
    train(open_run(compose(run)))
    assert [step for step, _ in wandb.logs] == [64, 128]
    assert wandb.logs[-1][1]["speed/steps_per_second"] > 0
    assert wandb.finished == 1
    train(open_run(compose([f"resume={tmp_path / 'run'}", "total_steps=192"])))
    first, second = wandb.inits
    assert first["id"] == second["id"]
    assert (first["project"], first["resume"], first["config"]["env.gamma"]) == ("salads", "allow", 0.95)
    assert wandb.logs[-1][0] == 192


def test_a_package_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r'pip install "twosome\[wandb\]"'):
        train(open_run(compose([*SMALL, "log.wandb=salads", f"run_dir={tmp_path / 'run'}"])))


def test_a_login_that_fails_says_what_to_do(wandb, monkeypatch, tmp_path):
    def refused(**_):
        raise RuntimeError("no key")

    monkeypatch.setattr(sys.modules["wandb"], "init", refused)
    with pytest.raises(ConfigError, match=r"RuntimeError: no key\. Run `wandb login`"):
        train(open_run(compose([*SMALL, "log.wandb=salads", f"run_dir={tmp_path / 'run'}"])))
