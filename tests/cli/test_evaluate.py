"""`twosome-eval`: checkpoints x worlds beside the optimum and random play, in one JSON, CSV and picture."""

import csv
import json

import pytest

from twosome.cli.evaluate import main
from twosome.cli.train import main as train
from twosome.config.compose import compose

QUICK = [
    "experiment=debug",
    "total_steps=128",
    "log.eval_interval=0",
    "log.eval_episodes_final=1",
    "log.tensorboard=false",
]


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval") / "run"
    train([*QUICK, "env=food_preparation", f"run_dir={folder}"])
    return folder


def rows_of(folder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "eval.csv").read_text().splitlines()))


def test_checkpoints_times_worlds_beside_random_play(short_run, tmp_path):
    main([f"checkpoint=[{short_run},tiny]", "env=[food_preparation,cheese]", "episodes=3", f"out={tmp_path}"])
    report = json.loads((tmp_path / "eval.json").read_text())
    tables = [(r["checkpoint"], r["environment"]) for r in report["results"]]
    assert tables == [(c, e) for c in (str(short_run), "tiny") for e in ("food_preparation", "cheese")]
    assert report["eval_after"]["greedy"]["episodes"] == 3  # the first result stands at the top
    assert {r["optimum"] for r in report["results"]} == {compose(["env=cheese"]).env.optimum}
    assert all(r["random"]["episodes"] == 3 for r in report["results"])
    rows = rows_of(tmp_path)
    assert [r["policy"] for r in rows].count("random") == 2  # once for every world
    assert len(rows) == 4 * 2 + 2
    assert (tmp_path / "eval.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_brings_its_world_and_what_is_known_of_it(short_run):
    main([f"checkpoint={short_run}", "episodes=1", "report=true", "report_episodes=1"])
    [result] = json.loads((short_run / "eval.json").read_text())["results"]
    assert result["environment"] == "FoodPreparation-v0"
    assert result["env_steps"] == 128
    assert result["eval_before"]["greedy"]["episodes"] == 1
    assert (short_run / f"report_{short_run.name}_own.html").is_file()


def test_worlds_of_one_name_each_have_their_own_random_play(tmp_path):
    """Two runs in one environment with other arguments: chance is not the same in both."""
    runs = [tmp_path / name for name in ("tomato_salad_w3", "lettuce_onion_tomato_salad")]
    for run in runs:
        train([*QUICK, f"env={run.name}", f"run_dir={run}"])
    main([f"checkpoint=[{runs[0]},{runs[1]},{runs[0]}]", "episodes=8", f"out={tmp_path}"])
    results = json.loads((tmp_path / "eval.json").read_text())["results"]
    assert len({r["environment"] for r in results}) == 1
    assert results[0]["random"] == results[2]["random"] != results[1]["random"]
    assert [r["policy"] for r in rows_of(tmp_path)].count("random") == 2


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "checkpoint=... is missing"),
        (["checkpoint=[]"], "checkpoint=... is missing"),
        (["checkpoint=[tiny,{a: 1}]"], "expected a name, or a list of names"),
        (["checkpoint=tiny", "env=[tomato_salad,chese]"], "Did you mean 'cheese'"),
        (["checkpoint=tiny", "which=newst"], "Did you mean 'newest'"),
        (["checkpoint=tiny", "episodes=0"], "episodes=0 cannot work: expected a finite number above 0"),
        (["checkpoint=tiny", "episodes=abc"], "episodes=abc cannot work: expected a whole number"),
        (["checkpoint=tiny", "report_episodes=0"], "report_episodes=0"),
        (["checkpoint=tiny", "seed=-1"], "seed=-1"),
        (["checkpoint=tiny", "episodez=3"], "Did you mean 'episodes'"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_loaded(argv, said, capsys, monkeypatch):
    def must_not(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("twosome.systems.load.load_with_settings", must_not)
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1
