"""Training from Python: keyword arguments are settings, errors are raised, the run can be looked at."""

import importlib
import inspect
import json
import pydoc
import re
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import twosome
from tests.faults import paragraph
from twosome import files
from twosome.config.compose import compose
from twosome.config.python import as_overrides, literal
from twosome.errors import CheckpointError, ConfigError, EnvironmentFault, MenuError, TwosomeError
from twosome.systems.checkpoints import choose_checkpoint

QUICK = {"experiment": "debug", "log": {"tensorboard": False, "eval_interval": 1, "checkpoint_interval": 1}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "it's a run"
    return twosome.train("tomato_salad", "tiny", total_steps=192, seed=3, run_dir=folder, **QUICK)


def test_a_run_has_its_policy_its_metrics_and_its_curve(run):
    assert run.settings.seed == 3
    assert run.summary["env_steps"] == 192
    assert [r["step"] for r in run.metrics] == [64, 128, 192]
    assert run.policy is run.policy
    [axes] = run.plot().axes
    assert {line.get_label() for line in axes.lines} >= {"evaluation, greedy", "optimum"}
    again = twosome.TrainedRun(run.folder)
    assert again.summary == run.summary
    assert str(run.folder) in repr(again)


def test_a_policy_acts_in_an_environment(run):
    import torch

    env = gymnasium.make("twosome_envs:twosome/TomatoSalad-v0")
    observation, info = env.reset(seed=0)
    likely = run.policy.act(observation, info)
    decision = twosome.inspect_state(run.policy, observation, info)
    assert info["actions"][likely] == decision.actions[int(decision.probs.argmax())]
    generator = torch.Generator().manual_seed(0)
    assert len({run.policy.act(observation, info, generator=generator) for _ in range(40)}) > 1
    mask = info["action_mask"] & (info["action_mask"].cumsum() > 2)
    assert run.policy.act(observation, info | {"action_mask": mask}) >= 2, "an index of the world's actions"
    with pytest.raises(MenuError, match="without text"):
        run.policy.act([0.0], info)
    with pytest.raises(MenuError, match=r"info\['actions'\]"):
        run.policy.act(observation, {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"env": "tomato_sald"}, "Did you mean 'tomato_salad'"),
        ({"sed": 3}, "Did you mean 'seed'"),
        ({"ppo": {"clip": -1}}, "ppo.clip=-1.0 cannot work"),
        ({"seed": object()}, "no value of a setting"),
        ({"total_steps": "many"}, "expected a whole number"),
        ({"plan": True}, "use twosome-train plan=true"),
        ({"ppo": {"actor=3 seed": 1}}, "Unknown setting 'actor=3 seed' of ppo"),
        ({"ppo": {1: 1}}, "Unknown setting 1 of ppo"),
        ({"env": {"id": "x:Y-v0", "kwargs": {"it's": 1}}}, "is no key of a setting"),
        ({"env": {"id": "x:Y-v0", "kwargs": {"true": 1}}}, "is no key of a setting"),
        ({"env": {"id": "x:Y-v0", "kwargs": {None: 1}}}, "None is no key of a setting"),
        ({"env": 5}, "Unknown env '5'"),
        ({"env": True}, "Unknown env 'true'"),
        ({"@x": 1}, "'@x=1' is no setting"),
        ({"seed": 10**400}, "seed cannot work: expected a number that a float can hold"),
        ({"ppo": {"clip": -(10**5000)}}, "ppo.clip cannot work"),
        ({"policy": {"prompt": "${seed} {scene}"}}, "policy.prompt holds an interpolation"),
        ({"policy": {"temperature": 1e-320}}, "policy.temperature=1e-320 cannot work: expected"),
        ({"overrides": [1]}, "overrides=[1] cannot work: expected a list of texts"),
        ({"overrides": None}, "overrides=None cannot work"),
        ({"overrides": "seed=1"}, "overrides='seed=1' cannot work"),
        ({"overrides": ["name=${seed}"]}, "holds an interpolation"),
    ],
)
def test_a_mistake_is_raised_and_not_an_exit(settings, said):
    with pytest.raises(ConfigError) as caught:
        twosome.train(**settings)
    assert said in str(caught.value)


def test_overrides_of_what_is_loaded_are_texts(run):
    wrong = [([1], "a list of texts"), (None, "a list of texts"), (["name=${seed}"], "interpolation")]
    huge, target = [f"policy.temperature=1{'0' * 400}"], ["env.kwargs={a: {_target_: x}}"]
    wrong += [
        (huge, r"policy\.temperature cannot work: expected a number"),
        (target, r"env\.kwargs\.a holds a _target_"),
    ]
    for overrides, said in wrong:
        with pytest.raises(ConfigError, match=said):
            twosome.load(run.folder, overrides=overrides)


def test_a_fault_of_the_world_is_raised():
    with pytest.raises(EnvironmentFault, match="MenuWrapper"):
        twosome.train(env="CartPole-v1")


def test_what_holds_no_run_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="holds no run"):
        twosome.TrainedRun(tmp_path)


@pytest.mark.parametrize("method", ["mlp", "tabular"])
def test_the_policy_of_a_baseline_acts_too(tmp_path, method):
    run = twosome.train(env="tomato_salad", method=method, total_steps=64, run_dir=tmp_path / "run", **QUICK)
    env = gymnasium.make("twosome_envs:twosome/TomatoSalad-v0")
    observation, info = env.reset(seed=0)
    menu = {"actions": info["actions"], "action_mask": info["action_mask"] & (info["action_mask"].cumsum() > 2)}
    assert info["action_mask"][run.policy.act(observation, info)]
    assert run.policy.act(observation, info | menu) >= 2, "an index of the world's actions"
    with pytest.raises(MenuError, match="vector"):
        run.policy.act({"scene": "s", "goal": "g"}, info)


@pytest.mark.parametrize(
    "value", [1, 0.5, None, True, "tiny", "null", "a b", "it's", "back\\'s\\", "x=1,y", "", [1, "a,b"]]
)
def test_a_value_comes_through_as_it_is(value):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_override(f"key={literal(value)}").value() == value


@pytest.mark.parametrize(
    "key",
    ["a b", "a:b", "a=b,c", "(x)", "[1]", "{a}", "a\\b", "a.b/c", "-x", "$x", "a@b", "x*", "a|b", "what?", "e9", 3],
)
def test_a_key_comes_through_as_it_is(key):
    value = {"outer": {key: [1, {"x": "it's"}]}}
    assert compose(as_overrides({"env": {"id": "x:Y-v0", "kwargs": value}})).env.kwargs == value


def test_numbers_of_numpy_and_torch_are_numbers():
    import torch

    ours = {"seed": np.int64(3), "ppo": {"clip": np.float32(0.25), "gae_lambda": np.float64(0.5)}}
    ours |= {
        "env": {"id": "x:Y-v0", "kwargs": {"sizes": np.arange(3), "is_wide": np.bool_(True), "k": torch.tensor(2)}}
    }
    cfg = compose(as_overrides(ours))
    assert (cfg.seed, cfg.ppo.clip, cfg.ppo.gae_lambda) == (3, 0.25, 0.5)
    assert cfg.env.kwargs == {"sizes": [0, 1, 2], "is_wide": True, "k": 2}


FORGED = {
    "summary.json": ("3", "[]", '"x"', "{", "[" * 100_000, "NaN"),
    "metrics.jsonl": (
        '{"step": "x", "return/mean": 1}\n{"return/mean": 1}\n3\n[]\n{\n',
        '{"step": 1, "return/mean": "much"}\n{"step": 2, "return/mean": [1]}\n{"step": null, "return/mean": 1}\n',
        f'{{"step": {10**400}, "return/mean": 1}}\n{{"step": 1, "return/mean": {10**400}}}\n',
        '{"step": 1, "return/mean": NaN, "eval/greedy_return": Infinity}\n',
        "\0" * 1000,
    ),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FORGED.items() for text in texts])
def test_a_forged_file_of_a_run_is_read_or_refused_in_one_paragraph(run, tmp_path, name, text):
    (tmp_path / "config.yaml").write_bytes((run.folder / "config.yaml").read_bytes())
    (tmp_path / name).write_text(text)
    forged = twosome.TrainedRun(tmp_path)
    assert isinstance(forged.metrics, list)
    forged.plot()
    if name == "summary.json":
        with pytest.raises(CheckpointError) as caught:
            _ = forged.summary
        assert paragraph(str(caught.value)) is None


@pytest.mark.parametrize("where", ["~nobody-at-all/run", "a\0b", "nothing/here"])
def test_what_is_no_folder_says_so(where):
    with pytest.raises(TwosomeError):
        twosome.TrainedRun(where)


@pytest.mark.parametrize("step", [10**400, -1, True, "1", None, 1.5])
@pytest.mark.parametrize("greedy", [10**400, "x", None, float("nan"), 0.9])
def test_a_forged_best_checkpoint_has_no_say(run, tmp_path, step, greedy):
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "best.json").write_text(json.dumps({"checkpoint": "step-1", "step": step, "greedy": greedy}))
    forged = {"step": step, "eval/greedy_return": greedy}
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(forged) + "\n")
    assert choose_checkpoint(tmp_path / "run", "best") == ("best", "")


def test_long_metrics_are_read_record_by_record(tmp_path):
    """A run's choice of a checkpoint, and its way back to one, hold a record at a time and not the file."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "best.json").write_text('{"checkpoint": "step-1", "step": 1, "greedy": 0.5}')
    record = {"eval/greedy_return": 0.25} | {f"metric/{k}": k / 7 for k in range(50)}
    with (tmp_path / "metrics.jsonl").open("w") as file:
        for step in range(4000):
            file.write(json.dumps(record | {"step": step}) + "\n")
    size = (tmp_path / "metrics.jsonl").stat().st_size
    for read in (
        lambda: choose_checkpoint(tmp_path, "best"),
        lambda: files.cut_lines(tmp_path / "metrics.jsonl", 3999),
    ):
        tracemalloc.start()
        read()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < size / 4
    assert (tmp_path / "metrics.jsonl").stat().st_size == size


def test_settings_of_python_are_those_of_the_command_line():
    ours = {
        "env": {"id": "x:Y-v0", "kwargs": {"size": 3}},
        "policy": {"prompt": "It's\n{goal}, {scene}:"},
        "ppo": "published",
    }
    ours |= {"ppo.actor.minibatch": 32, "model": "some/model", "log": {"stop_at": None}}
    cfg = compose(as_overrides(ours))
    assert (cfg.env.id, cfg.env.kwargs, cfg.model.name) == ("x:Y-v0", {"size": 3}, "some/model")
    assert (cfg.policy.prompt, cfg.log.stop_at) == ("It's\n{goal}, {scene}:", None)
    assert (cfg.ppo.truncation, cfg.ppo.actor.minibatch) == ("death", 32)
    assert as_overrides({"env": "salads"}) == ["env=salads"]
    assert as_overrides({"env": "mine:Own-v3"}) == ["env=own", "env.id='mine:Own-v3'"]


def test_the_public_names_are_listed_and_explained():
    assert set(twosome.__all__) <= set(dir(twosome))
    told = pydoc.render_doc(twosome, renderer=pydoc.plaintext)
    for name in twosome.__all__:
        assert getattr(twosome, name).__doc__
        assert name in told
    assert "class LLMPolicy" in told
    assert "score_actions(" in told


def test_the_function_bears_the_name_of_a_module_and_both_work():
    """In whatever order they are asked for: `import twosome.train` sets the package's attribute."""
    assert importlib.import_module("twosome.train") is twosome.train
    assert callable(twosome.train.main)
    assert list(inspect.signature(twosome.train).parameters) == ["env", "model", "overrides", "settings"]
    for first in ("import twosome.train", "from twosome import train", "pass"):
        code = f"{first}\nimport twosome\ntry: twosome.train(sed=1)\nexcept twosome.TwosomeError: print('raised')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout.strip() == "raised"
    assert issubclass(ConfigError, TwosomeError)


def test_the_pages_of_the_api_show_signatures_and_docstrings(tmp_path):
    """By the command of `make docs`, for the trainer alone."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    [code] = re.findall(r'python -c "(import pdoc.*)"', makefile)
    code = code.replace("'docs'", repr(str(tmp_path))).replace(", 'twosome_envs'", "")
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=300, check=True)
    page = (tmp_path / "twosome.html").read_text(encoding="utf-8")
    for name in twosome.__all__:
        assert f'id="{name}"' in page or (tmp_path / "twosome" / f"{name}.html").is_file()
    assert "log-probability of each action" in page.lower() or "softmaxed" in page
    assert "normalization" in page
