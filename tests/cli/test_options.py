"""Options that every command takes: `--help`, `--cfg job`, `-m` for several runs, `--config-dir` for own settings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from twosome.cli import command, evaluate, inspect, play, train
from twosome.config.schema import SCHEMAS, conf_dir

MAINS = {"train": train.main, "eval": evaluate.main, "inspect": inspect.main, "play": play.main}
MODULES = ("train", "evaluate", "inspect", "play")
CHOICE = {"train": [], "eval": ["checkpoint=tiny"], "inspect": [], "play": []}  # what each cannot do without


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A folder of one's own settings, seen from an empty folder."""
    folder = tmp_path / "own"
    for name, text in {
        "env/mine": "id: twosome_envs:twosome/FoodPreparation-v0\nkwargs: {}\ngamma: 0.9\noptimum: null\n",
        "experiment/mine": "# @package _global_\nseed: 41\n",
    }.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / f"{name}.yaml").write_text(text)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def collected(name: str, argv: list[str]) -> list:
    """The settings with which the command's job would have run."""
    seen: list = []
    command.run(name, seen.append, [*CHOICE[name], *argv])
    return seen


def answer(name: str, argv: list[str], capsys) -> str:
    """What the command prints; it must leave without a fault."""
    code: object = 0
    try:
        MAINS[name](argv)
    except SystemExit as leaving:
        code = leaving.code
    said = capsys.readouterr()
    assert (code or 0, said.err) == (0, "")
    return said.out


@pytest.mark.parametrize("name", MAINS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_says_what_it_is_and_how_it_is_called(name: str, flag: str, capsys):
    said = answer(name, [flag], capsys)
    assert f"twosome-{name} " in said
    assert "Hydra" not in said


def test_help_of_training_lists_the_choices(capsys):
    said = answer("train", ["--help"], capsys)
    for choice in ("tomato_salad", "quickstart", "llama_7b", "tabular_forward"):
        assert choice in said


@pytest.mark.parametrize("name", MAINS)
@pytest.mark.parametrize("argv", [["--cfg", "job", "seed=7"], ["seed=7", "-c", "job"]])
def test_settings_are_shown_and_nothing_runs(name: str, argv: list[str], capsys, own):
    shown = yaml.safe_load(answer(name, argv, capsys))
    assert shown["seed"] == 7
    assert shown.keys() == set(SCHEMAS[name].__dataclass_fields__)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", MAINS)
@pytest.mark.parametrize("argv", [["-m", "seed=1,2"], ["seed=1,2", "--multirun"], ["-m", "seed=range(1,3)"]])
def test_several_runs(name: str, argv: list[str], own):
    seen = collected(name, argv)
    assert [cfg.seed for cfg in seen] == [1, 2]
    assert {type(cfg) for cfg in seen} == {SCHEMAS[name]}
    assert {path.name for path in Path().rglob("*")} <= {"outputs", "multirun.yaml"}, "no file beside the user"


def test_several_runs_of_an_open_mapping(own):
    seen = collected("train", ["-m", "seed=1,2", "env=food_preparation", "env.kwargs.x=3"])
    assert [(cfg.seed, cfg.env.kwargs) for cfg in seen] == [(1, {"x": 3}), (2, {"x": 3})]


@pytest.mark.parametrize("name", ["train", "inspect", "play"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_settings_of_ones_own(name: str, place: int, own):
    """Wherever the option stands among the settings."""
    argv = ["env=mine", "seed=3"]
    [cfg] = collected(name, [*argv[:place], "--config-dir", str(own), *argv[place:]])
    assert (cfg.env.gamma, cfg.seed) == (0.9, 3)
    assert list(Path().iterdir()) == [], "no file beside the user"


def test_an_experiment_of_ones_own(own):
    assert [cfg.seed for cfg in collected("train", ["--config-dir", str(own), "experiment=mine"])] == [41]


def test_a_folder_with_an_equals_sign_in_its_name(own):
    folder = own.rename(own.with_name("a=b"))
    assert [cfg.env.gamma for cfg in collected("train", ["env=mine", "--config-dir", str(folder)])] == [0.9]


def test_an_evaluation_composes_worlds_of_ones_own_too_also_several(own):
    """The command composes settings while Hydra's command line is running."""
    evaluate.main(["-m", "checkpoint=tiny", "env=mine", "episodes=1,2", "out=${episodes}", "--config-dir", str(own)])
    for episodes in (1, 2):
        [result] = json.loads(Path(f"{episodes}/eval.json").read_text())["results"]
        assert (result["environment"], result["greedy"]["episodes"]) == ("mine", episodes)


def test_composing_within_a_program_that_uses_hydra_itself(tmp_path):
    """Its own settings are untouched, and stay in reach after it."""
    (tmp_path / "mine.yaml").write_text("answer: 42\n")
    program = (
        "import hydra\nfrom twosome.config.compose import compose\n"
        "with hydra.initialize_config_dir(config_dir=%r, version_base='1.3'):\n"
        "    assert compose(['seed=3']).seed == 3\n"
        "    assert hydra.compose('mine').answer == 42\n"
        "assert compose(['seed=4']).seed == 4\n"
    )
    done = subprocess.run([sys.executable, "-c", program % str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["train", "evaluate", "play", *(f"cli.{m}" for m in MODULES)])
def test_every_command_is_a_module_too(module: str):
    command = [sys.executable, "-m", f"twosome.{module}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "twosome-" in done.stdout


@pytest.mark.parametrize("module", ["retention", "cli.retention"])
def test_a_command_with_too_few_arguments_says_its_usage(module: str):
    done = subprocess.run([sys.executable, "-m", f"twosome.{module}"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")


def test_every_file_of_commands_has_its_schema():
    """A file of conf/ belongs to a command with a schema, or to a bench."""
    assert {p.stem for p in conf_dir().glob("*.yaml")} == {
        *SCHEMAS,
        "learning",
        "generalization",
        "search",
        "memory",
        "desk",
        "tools",
        "menus",
        "attribution",
        "normalisation",
    }


@pytest.mark.parametrize("name", ["train", "eval", "inspect", "play"])
def test_the_version_is_ours(name: str, capsys):
    import twosome

    said = answer(name, ["--version"], capsys)
    assert said.startswith(f"twosome {twosome.__version__}, torch ")
