"""What SECURITY.md promises of a stranger's checkpoint, adapter or settings.

They run nothing, leave their folder by no way, and are bounded.
"""

import json
import math
import os
import pickle
import re
import shutil
from pathlib import Path

import pytest

import twosome
from tests.faults import forge, paragraph
from twosome import files, tensor_files
from twosome.cli.evaluate import job
from twosome.config.compose import compose, compose_command
from twosome.config.saved import saved_settings
from twosome.errors import CheckpointError, ConfigError, ModelError
from twosome.lm.adapter import load_adapter
from twosome.monitoring.tracked_states import TrackedStates
from twosome.systems.build import build_policy
from twosome.training import checkpoint
from twosome.training.loop import train
from twosome.training.run_folder import Run, open_run
from twosome.training.state import TrainingState

SOURCES = sorted(p for top in ("twosome", "envs") for p in Path(__file__).parents[2].joinpath(top).rglob("*.py"))
LLM = [
    "env=food_preparation",
    "experiment=debug",
    "total_steps=64",
    "log.eval_interval=0",
    "log.eval_episodes_final=1",
    "log.tensorboard=false",
]


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
    imports = r"^\s*(import|from) (pickle|dill|cloudpickle|joblib|marshal|shelve)\b"
    calls = r"\btorch\.load\(|\binstantiate\(|(?<![.\w])(eval|exec)\(|allow_pickle=True"
    forbidden = re.compile(f"{imports}|{calls}", re.M)
    assert len(SOURCES) > 100
    found = {p.name: m.group() for p in SOURCES if (m := forbidden.search(p.read_text(encoding="utf-8")))}
    # the text of the process of its own in which the toolbox's Python runs, off by default (SECURITY.md)
    # and what a world in a process of its own (num_workers) and its asker say to each other: SECURITY.md says of both
    # that they hold what an environment does in any case
    assert found == {"python_tool.py": "exec(", "hosted.py": "import pickle", "process.py": "import pickle"}


def test_a_whole_checkpoint_loads(stranger):
    policy = twosome.load(stranger)
    assert len(policy.log_probs([twosome.types.Decision.plain("You are hungry.", ("eat", "sleep"))])[0]) == 2


def test_the_adapter_config_of_a_stranger_decides_nothing(stranger):
    """It could name another base, code to import, modules to save: it is not read."""
    path = stranger / "adapter" / "adapter_config.json"
    hostile = {
        "peft_type": "LORA",
        "auto_mapping": {"base_model_class": "system", "parent_library": "os"},
        "base_model_name_or_path": "evil/model",
        "target_modules": [".*"],
        "modules_to_save": ["lm_head"],
        "trust_remote_code": True,
        "corda_config": {"cache_file": "/etc/passwd"},
    }
    path.write_text(json.dumps(hostile))
    forge.seal(stranger)
    policy = twosome.load(stranger)
    assert policy.lm.peft_config["default"].base_model_name_or_path != "evil/model"


@pytest.mark.parametrize(
    "name", ["adapter/adapter_model.safetensors", "value_head.safetensors", "state.json", "config.yaml"]
)
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
    with pytest.raises(
        CheckpointError, match=r"import the Python module 'antigravity'.*add env\.id=antigravity:Evil-v0"
    ):
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
    with pytest.raises(CheckpointError, match="antigravity"):
        job(compose_command([f"checkpoint={run_dir}", "episodes=1", f"out={tmp_path / 'out'}"], "eval"))


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
            tensor_files.read_tensors(path)


def test_the_best_checkpoint_cannot_lead_out(whole, tmp_path):
    run_dir = Path(shutil.copytree(whole, tmp_path / "run"))
    (run_dir / "best.json").write_text('{"checkpoint": "../../../etc"}')
    with pytest.raises(CheckpointError, match="names no checkpoint of the run"):
        twosome.load(run_dir, checkpoint="best")


def test_a_hub_name_without_a_network_says_how_to_give_a_folder():
    with pytest.raises((ModelError, ConfigError)) as caught:
        twosome.load("nobody/no-such-model-here")
    assert paragraph(str(caught.value)) is None
    assert "model.name=/path/to/folder" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["[]", "3", '"x"', "{}", '{"checkpoint": ["x"]}', f'{{"checkpoint": "{"x" * 5000}"}}', '{"checkpoint": null}', "["],
)
def test_a_file_that_names_no_best_checkpoint_is_refused(whole, tmp_path, content):
    run_dir = Path(shutil.copytree(whole, tmp_path / "run"))
    (run_dir / "best.json").write_text(content)
    with pytest.raises(CheckpointError) as caught:
        twosome.load(run_dir, checkpoint="best")
    assert paragraph(str(caught.value)) is None


STATE = {"prompt": "Goal: x.\nScene: y.", "menu": ["eat", "sleep"]}
ENTRY = {"step": 0, "probs": [[0.5, 0.5]], "values": [0.0]}


@pytest.mark.parametrize(
    "content",
    [
        *(
            [],
            3,
            {},
            {"decisions": 3, "history": []},
            {"decisions": [], "history": 3},
            {"decisions": ["x"], "history": []},
        ),
        *({"decisions": [STATE | {"menu": menu}], "history": []} for menu in (3, "ab", [1, 2], [["x"], "y"])),
        *({"decisions": [STATE | {"prompt": prompt}], "history": []} for prompt in (None, 3, ["x"], "\ud800")),
        *({"decisions": [STATE], "history": [wrong]} for wrong in (3, [], {}, {"step": "0"}, {"step": None})),
    ],
)
@pytest.mark.parametrize("name", ["tracked_states.json", "probes.json"])
def test_tracked_states_of_a_stranger_are_data(tmp_path, name, content):
    """They lie beside the checkpoints, where no manifest lists them."""
    (tmp_path / name).write_text(json.dumps({"decisions": [STATE], "history": [ENTRY]}))
    assert TrackedStates(tmp_path / "tracked_states.json", 1, resume_step=64).decisions[0].menu == ("eat", "sleep")
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(CheckpointError) as caught:
        TrackedStates(tmp_path / "tracked_states.json", 1, resume_step=64)
    assert paragraph(str(caught.value)) is None


def sparse(path, tensors):
    """A safetensors file of zeros that takes no room on the disk. `tensors`: shapes in float32 by name."""
    head, end = {}, 0
    for name, shape in tensors.items():
        size = 4 * math.prod(shape)
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(head).encode()
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Fails where a tensor is loaded; the heads of the files may be read."""
    import safetensors.torch

    def refuse(path, *_, **__):
        raise AssertionError(f"{path} was read")

    def start():
        monkeypatch.setattr(safetensors.torch, "load_file", refuse)

    return start


@pytest.mark.parametrize("name", ["value_head.safetensors", "adapter/adapter_model.safetensors"])
@pytest.mark.parametrize("how", ["one more", "another shape", "one less"])
def test_tensors_that_do_not_fit_are_refused_unread(stranger, nothing_is_read, name, how):
    """Three gigabytes of zeros in a file of no size were read three times over."""
    path = stranger / name
    shapes = {key: list(entry.shape) for key, entry in tensor_files.head(path).items()}
    first = min(shapes)
    if how == "one more":
        shapes["more"] = [2**24]
    elif how == "another shape":
        shapes[first] = [2**24]
    else:
        del shapes[first]
    sparse(path, shapes)
    forge.seal(stranger)
    policy = build_policy(saved_settings(stranger / "config.yaml"))
    nothing_is_read()
    with pytest.raises(CheckpointError, match="1 tensors are missing, unknown or of another shape"):
        load_adapter(policy.lm, stranger / "adapter") if "adapter" in name else policy.load_weights(stranger)


@pytest.mark.parametrize(
    "more", [{"x": [2**26]}, {"policy.features": [2**20, 64]}, {"$texts": [2**31], "$lengths": [1]}]
)
def test_training_tensors_beyond_this_policy_are_refused_unread(stranger, nothing_is_read, more):
    cfg = saved_settings(stranger / "config.yaml")
    state = TrainingState(Run(stranger.parent, None, cfg))
    path = stranger / "training.safetensors"
    shapes = {key: list(entry.shape) for key, entry in tensor_files.head(path).items()}
    sparse(path, shapes | more)  # not sealed again: digests are not looked at here, and those of gigabytes take long
    state.policy.load_weights(stranger)
    state.policy.load_weights = lambda folder: None
    nothing_is_read()
    with pytest.raises(CheckpointError, match="holds more than the training of this policy does; refused unread"):
        checkpoint.read(stranger, state.policy, state.parts)
