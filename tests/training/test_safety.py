"""What SECURITY.md promises: a stranger's checkpoint, adapter or settings run nothing, leave their folder by no way, and are bounded."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import pytest

import twosome
from tests.faults import forge, paragraph
from tests.test_run import SMALL
from twosome import files
from twosome.config.compose import compose
from twosome.training.run_folder import open_run
from twosome.config.saved import saved_settings
from twosome.training.loop import train
from twosome.errors import CheckpointError, ConfigError, ModelError

SOURCES = sorted(p for top in ("twosome", "envs") for p in Path(__file__).parents[1].joinpath(top).rglob("*.py"))
LLM = ["env=food_preparation", "experiment=debug", "total_steps=64", "log.eval_interval=0", "log.eval_episodes_final=1", "log.tensorboard=false"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strangers") / "run"
    train(open_run(compose([*LLM, f"run_dir={folder}"])))
    return folder


@pytest.fixture
def stranger(whole, tmp_path):
    """A checkpoint as it may come from anyone."""
    return Path(shutil.copytree(next((whole / "checkpoints").iterdir()), tmp_path / "checkpoint"))


def test_no_source_can_unpickle_or_instantiate():
    """Neither torch.load, pickle, eval, exec nor Hydra's instantiate is anywhere in the packages."""
    forbidden = re.compile(r"\btorch\.load\(|^\s*(import|from) (pickle|dill|cloudpickle|joblib|marshal|shelve)\b|\binstantiate\(|(?<![.\w])(eval|exec)\(|allow_pickle=True", re.M)
    found = {p.name: m.group() for p in SOURCES if (m := forbidden.search(p.read_text(encoding="utf-8")))}
    assert not found


def test_a_whole_checkpoint_loads(stranger):
    policy = twosome.load(stranger)
    assert len(policy.log_probs([twosome.types.Decision.plain("You are hungry.", ("eat", "sleep"))])[0]) == 2


def test_the_adapter_config_of_a_stranger_decides_nothing(stranger):
    """It could name another base, code to import, modules to save: it is not read."""
    path = stranger / "adapter" / "adapter_config.json"
    hostile = {"peft_type": "LORA", "auto_mapping": {"base_model_class": "system", "parent_library": "os"}, "base_model_name_or_path": "evil/model",
               "target_modules": [".*"], "modules_to_save": ["lm_head"], "trust_remote_code": True, "corda_config": {"cache_file": "/etc/passwd"}}  # fmt: skip
    path.write_text(json.dumps(hostile))
    forge.seal(stranger)
    policy = twosome.load(stranger)
    assert policy.lm.peft_config["default"].base_model_name_or_path != "evil/model"


@pytest.mark.parametrize("name", ["adapter/adapter_model.safetensors", "value_head.safetensors", "state.json", "config.yaml"])
def test_a_pickle_in_disguise_is_refused_and_not_run(stranger, tmp_path, name):
    canary = tmp_path / "canary"
    forge.rewrite(stranger / name, pickle.dumps(forge.Payload(canary)))
    forge.seal(stranger)
    if name == "state.json":
        with pytest.raises(CheckpointError):
            files.read_json(stranger / name)
    else:
        with pytest.raises(CheckpointError) as caught:
            twosome.load(stranger)
        assert paragraph(str(caught.value)) is None
    assert not canary.exists()


def test_remote_code_needs_the_users_own_word(stranger):
    path = stranger / "config.yaml"
    path.write_text(path.read_text().replace("trust_remote_code: false", "trust_remote_code: true"))
    forge.seal(stranger)
    with pytest.raises(CheckpointError, match=r"add model\.trust_remote_code=true"):
        twosome.load(stranger)
    assert saved_settings(path, ["model.trust_remote_code=true"]).model.trust_remote_code


def test_a_module_for_the_environment_needs_the_users_own_word(stranger, monkeypatch):
    path = stranger / "config.yaml"
    path.write_text(path.read_text().replace("twosome_envs:twosome/FoodPreparation-v0", "antigravity:Evil-v0"))
    with pytest.raises(CheckpointError, match=r"import the Python module 'antigravity'.*add env\.id=antigravity:Evil-v0"):
        saved_settings(path, runs_environment=True)
    assert saved_settings(path, ["env.id=antigravity:Evil-v0"], runs_environment=True).env.id == "antigravity:Evil-v0"
    assert saved_settings(path).env.id == "antigravity:Evil-v0"  # loading the policy makes no environment


def test_evaluating_and_resuming_ask_for_that_word(whole, tmp_path):
    run_dir = Path(shutil.copytree(whole, tmp_path / "run"))
    (run_dir / "summary.json").unlink()
    for path in run_dir.rglob("config.yaml"):
        path.write_text(path.read_text().replace("twosome_envs:twosome/FoodPreparation-v0", "antigravity:Evil-v0"))
    forge.seal(next((run_dir / "checkpoints").glob("step-*")))
    with pytest.raises(CheckpointError, match="antigravity"):
        compose([f"resume={run_dir}"])
    from twosome.rollout.collect.evaluate import _job

    with pytest.raises(CheckpointError, match="antigravity"):
        _job(compose([f"checkpoint={run_dir}", "episodes=1", f"out={tmp_path / 'out'}"], "eval"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system ['true']", "tags"),
        ("a: &x [1]\nb: [*x, *x]", "anchors"),
        ("name: ${oc.env:HOME}", "interpolation"),
        ('name: "\\x24{oc.env:HOME}"', "interpolation"),
        ("env: {kwargs: {_target_: os.system}}", "_target_"),
        ("x: " + "y" * 2**20, "refused unread"),
    ],
)
def test_saved_settings_are_plain_data(tmp_path, text, said):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=said):
        saved_settings(path)


def test_only_regular_files_of_bounded_size_are_read(tmp_path):
    pipe, link, large = tmp_path / "pipe", tmp_path / "link", tmp_path / "large"
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    with large.open("wb") as file:
        file.truncate(2**40)
    for path in (pipe, link, large, tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError):
            files.read_json(path)
        with pytest.raises(CheckpointError):
            files.read_tensors(path)


def test_the_best_checkpoint_cannot_lead_out(whole, tmp_path):
    run_dir = Path(shutil.copytree(whole, tmp_path / "run"))
    (run_dir / "best.json").write_text('{"checkpoint": "../../../etc"}')
    with pytest.raises(CheckpointError, match="leads out"):
        twosome.load(run_dir, checkpoint="best")


def test_a_hub_name_without_a_network_says_how_to_give_a_folder():
    with pytest.raises((ModelError, ConfigError)) as caught:
        twosome.load("nobody/no-such-model-here")
    assert paragraph(str(caught.value)) is None
    assert "model.name=/path/to/folder" in str(caught.value)


def test_settings_of_tests_hold():
    assert compose(SMALL).method == "mlp"
