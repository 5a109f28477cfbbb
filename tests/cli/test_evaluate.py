"""`twosome-eval`: checkpoints x worlds beside the optimum and random play, in one JSON, CSV and picture."""

import csv
import json
import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

import pytest

import twosome
from tests.faults import paragraph
from twosome.cli.evaluate import main
from twosome.cli.evaluate_output import write_results
from twosome.cli.inspect import main as inspect
from twosome.cli.train import main as train
from twosome.config.compose import compose
from twosome.errors import ConfigError

HOW = ("greedy", "sampled", "random")

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
    assert (short_run / f"report_{short_run.name}_FoodPreparation-v0.html").is_file()


def test_a_world_of_ones_own_and_plain_settings_of_the_model(short_run, tmp_path, monkeypatch):
    """`env=own env.id=...` from the folder of its module, and `model.device=cpu` as it is written for training."""
    monkeypatch.chdir(Path(__file__).parents[2] / "notebooks")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(Path.cwd()))])
    prompt = "policy.prompt='Aim, \\'{goal}\\': {scene} Do:'"
    own = ["env=own", "env.id=own_environment:Balcony-v0", "env.kwargs={gamma: 0.9}", "env.gamma=0.9"]
    for source in (short_run, "tiny"):
        main([f"checkpoint={source}", *own, "episodes=1", "model.device=cpu", prompt, f"out={tmp_path}"])
        [result] = json.loads((tmp_path / "eval.json").read_text())["results"]
        assert (result["environment"], result["env_id"]) == ("Balcony-v0", "Balcony-v0")
    inspect([f"checkpoint={short_run}", *own[:2], "model.device=cpu"])
    inspect(own[:2])


@pytest.mark.parametrize("command", [main, inspect], ids=["eval", "inspect"])
def test_a_plain_setting_of_the_model_is_not_ignored(command, short_run, capsys):
    with pytest.raises(SystemExit):
        command([f"checkpoint={short_run}", "model.device=cuda:7"])
    assert "cuda:7" in capsys.readouterr().err


def test_a_mistake_of_a_world_is_told_before_anything_is_loaded(monkeypatch, capsys):
    monkeypatch.setattr("twosome.lm.loading.load_lm", lambda *_: pytest.fail("a model was loaded"))
    for command, argv in ((main, ["checkpoint=tiny"]), (inspect, []), (train, QUICK)):
        with pytest.raises(SystemExit) as stop:
            command([*argv, "env=own", "env.id=CartPole-v1"])
        assert stop.value.code == 1
        assert "wrappers.menu.MenuWrapper" in capsys.readouterr().err


def test_the_best_checkpoint_is_the_one_and_a_worse_newest_is_said(tmp_path, capsys):
    run = tmp_path / "run"
    words = ["log.eval_interval=1", "log.eval_episodes=1", "log.checkpoint_interval=1", "log.keep_checkpoints=9"]
    train([*QUICK, "method=tabular", "env=food_preparation", f"run_dir={run}", *words])
    first, *_, last = sorted((run / "checkpoints").iterdir())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (run / "best.json").write_text(json.dumps({"checkpoint": first.name, "step": 64, "greedy": 0.5, "sampled": 0.4}))
    asked = []
    import twosome.systems.load as load

    verify = load.verify
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(load, "verify", lambda path: asked.append(path) or verify(path))
    for which, taken in (([], first), (["which=newest"], last)):
        main([f"checkpoint={run}", "episodes=1", f"out={tmp_path}", *which])
        said = " ".join(capsys.readouterr().out.split())
        assert "has become worse after its best checkpoint (step 64, 0.5000): at step 128" in said
        assert asked.pop() == taken
    lines[-1]["eval/greedy_return"] = 0.5
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    main([f"checkpoint={run}", "episodes=1", f"out={tmp_path}"])
    assert "worse" not in capsys.readouterr().out
    (run / "best.json").unlink()
    main([f"checkpoint={run}", "episodes=1", f"out={tmp_path}"])
    assert "names no best checkpoint" in " ".join(capsys.readouterr().out.split())
    monkeypatch.undo()


def test_worlds_of_one_name_each_have_their_own_random_play(tmp_path):
    """Two runs in one environment with other arguments: chance is not the same in both."""
    runs = [tmp_path / name for name in ("tomato_salad_w3", "lettuce_onion_tomato_salad")]
    for run in runs:
        train([*QUICK, "method=tabular", f"env={run.name}", f"run_dir={run}"])
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
        (["checkpoint=tiny", "env=[own,cheese]", "env.id=x"], "env.id=x is for one world"),
        (["checkpoint=tiny", "model.device=cpu", "overrides=cpu"], "overrides=cpu cannot work: expected a list"),
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


def test_everything_is_looked_at_before_anything_is_evaluated(short_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("twosome.systems.load.build_found", lambda found: pytest.fail("a model was loaded"))
    (tmp_path / "file").write_text("in the way")
    for argv, said in (
        ([f"checkpoint=[{short_run},{tmp_path / 'nowhere'}]"], "nowhere"),
        ([f"checkpoint={short_run}", f"out={tmp_path / 'file'}"], "Choose a folder that can, with out=PATH"),
        ([f"checkpoint={short_run}", "out='~nobody-at-all/x'"], "is no path"),
        (["checkpoint='~nobody-at-all/x'"], "is no path"),
    ):
        with pytest.raises(SystemExit):
            main([*argv, "env=food_preparation", "episodes=1"])
        err = capsys.readouterr().err
        assert said in err
        assert paragraph(err) is None


def test_what_is_finished_is_written_when_a_later_one_fails(short_run, tmp_path, monkeypatch, capsys):
    from twosome.systems import load

    honest, calls = load.build_found, []

    def fails_at_the_second(found):
        calls.append(found)
        if len(calls) == 2:
            raise ConfigError("the second one is broken")
        return honest(found)

    monkeypatch.setattr(load, "build_found", fails_at_the_second)
    with pytest.raises(SystemExit):
        main([f"checkpoint=[{short_run},tiny]", "env=food_preparation", "episodes=1", f"out={tmp_path / 'out'}"])
    assert "1 finished evaluations are in" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "out" / "eval.json").read_text())["results"]) == 1
    assert len(rows_of(tmp_path / "out")) == 3


def test_nothing_that_is_there_is_written_over(short_run, tmp_path):
    """Each file by itself, and what has the name that it would get too."""
    common = [f"checkpoint={short_run}", "episodes=1", f"out={tmp_path}", "report=true", "report_episodes=1"]
    mine = {"eval.csv": "1,2", "eval.png": "no picture", f"report_{short_run.name}_FoodPreparation-v0.html": "a page"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1, 1))
    [name] = {f"{p.stem}_{datetime.fromtimestamp(1):%Y-%m-%d_%H-%M-%S}.csv" for p in tmp_path.glob("*.csv")}
    (tmp_path / name).write_text("precious")
    main(common)
    main([*common, "seed=9"])
    texts = [p.read_bytes() for p in tmp_path.iterdir()]
    for text in (*mine.values(), "precious"):
        assert text.encode() in texts
    assert len(list(tmp_path.glob("*.html"))) == 3
    assert len(list(tmp_path.glob("eval*.json"))) == 2


@pytest.mark.parametrize("place", ["a checkpoint", "a folder of that name"])
def test_what_cannot_take_results_is_refused_before_the_first_episode(short_run, tmp_path, place, monkeypatch, capsys):
    from twosome.systems import load

    monkeypatch.setattr(load, "build_found", lambda found: pytest.fail("was built"))
    out = next((short_run / "checkpoints").glob("step-*")) if place == "a checkpoint" else tmp_path
    (tmp_path / "eval.csv").mkdir()
    before = sorted(out.iterdir())
    with pytest.raises(SystemExit):
        main([f"checkpoint={short_run}", "episodes=1", f"out={out}"])
    assert paragraph(capsys.readouterr().err) is None
    assert sorted(out.iterdir()) == before


def test_reports_of_equal_names_are_several_files(short_run, tmp_path):
    other = shutil.copytree(short_run, tmp_path / "elsewhere" / short_run.name)
    checkpoints = [next((run / "checkpoints").glob("step-*")) for run in (short_run, other)]
    sources = ",".join(map(str, (short_run, other, *checkpoints)))
    main([f"checkpoint=[{sources}]", "episodes=1", "report=true", "report_episodes=1", f"out={tmp_path / 'out'}"])
    assert sorted(p.name for p in (tmp_path / "out").glob("*.html")) == sorted(
        f"report_{label}_FoodPreparation-v0.html"
        for label in ("run", "run_2", "run_step-00000128", "run_step-00000128_2")
    )


@pytest.mark.parametrize("method", ["mlp", "tabular"])
def test_baselines_are_evaluated_and_not_inspected(method, tmp_path, capsys):
    run = tmp_path / "run"
    train([*QUICK, f"method={method}", "env=food_preparation", f"run_dir={run}"])
    main([f"checkpoint={run}", "episodes=2", "report=true", "report_episodes=1"])
    [result] = json.loads((run / "eval.json").read_text())["results"]
    assert result["greedy"]["episodes"] == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        inspect([f"checkpoint={run}"])
    assert f"method={method}, which reads numbers" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="there is no language model"):
        twosome.load(run)


def test_results_replace_links_and_do_not_follow_them(short_run, tmp_path):
    """A run folder may come from a stranger; what is written there must stay there."""
    run = shutil.copytree(short_run, tmp_path / "run")
    (tmp_path / "diary").write_text("dear diary")
    for name in ("eval.json", "eval.csv", "eval.png", "report_run_own.html", "report_run_own.gif", ".eval.json.tmp"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(tmp_path / "diary")
    main([f"checkpoint={run}", "episodes=1", "report=true", "report_episodes=1"])
    assert (tmp_path / "diary").read_text() == "dear diary"
    assert json.loads((run / "eval.json").read_text())["results"]


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "{", "\x00", '{"env_steps": NaN}'])
@pytest.mark.parametrize("name", ["summary.json", "best.json"])
def test_notes_beside_a_run_that_are_none_are_told_in_a_paragraph(short_run, tmp_path, name, content, capsys):
    run = shutil.copytree(short_run, tmp_path / "run")
    (run / name).write_text(content)
    try:
        main([f"checkpoint={run}", "episodes=1"])
    except SystemExit:
        assert paragraph(capsys.readouterr().err) is None


def test_cells_that_a_spreadsheet_would_compute_are_texts(tmp_path):
    result = {how: {"episodes": 1, "return_mean": 0.5, "success_rate": 1.0, "length_mean": 3.0} for how in HOW}
    for e in result.values():
        e |= {"return_interval": (0.4, 0.6), "success_interval": (0.9, 1.0)}
    result |= {
        "checkpoint": '=HYPERLINK("http://x")',
        "environment": "@SUM(1)",
        "optimum": None,
        "search": None,
        "memory": None,
    }
    write_results(tmp_path, [result])
    row = rows_of(tmp_path)[0]
    assert (row["checkpoint"], row["environment"]) == ('\'=HYPERLINK("http://x")', "'@SUM(1)")
    assert row["return"] == "0.5"


def test_the_picture_has_the_optimum_at_every_bar_that_has_one(tmp_path, monkeypatch):
    """At a return of 0 too, and with its legend where the first world has none."""
    from matplotlib.figure import Figure

    from twosome.cli import evaluate_output

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    row = {"return": 0.0, "return_low": 0.0, "return_high": 0.0}
    known = [row | {"environment": "a", "policy": p, "optimum": 0.9} for p in ("greedy", "sampled", "random")]
    unknown = [row | {"environment": "b", "policy": p, "optimum": None} for p in ("greedy", "sampled", "random")]
    evaluate_output._draw([*unknown, *known], tmp_path / "eval.png", "puct, 32 simulations")
    [axes] = drawn[0].axes
    [lines] = [c for c in axes.collections if c.get_label() == "optimum"]
    assert [segment[0][1] for segment in lines.get_segments()] == [0.9] * 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["optimum"]
    assert axes.get_title(loc="right") == "puct, 32 simulations"


def test_an_earlier_evaluation_is_kept_and_a_table_names_its_search(short_run, tmp_path, capsys):
    common = [f"checkpoint={short_run}", "episodes=1", f"out={tmp_path}"]
    main(common)
    alone = capsys.readouterr().out
    assert "step-00000128 (" in alone
    assert "simulations" not in alone
    ahead = ["search.simulations=4", "search.algorithm=gumbel", "report=true", "report_episodes=1"]
    main([*common, *ahead])
    assert "gumbel, 4 simulations" in capsys.readouterr().out
    assert {r["search"] for r in rows_of(tmp_path)} == {"gumbel, 4 simulations", ""}
    assert json.loads((tmp_path / "eval.json").read_text())["search"]["simulations"] == 4
    [earlier] = tmp_path.glob("eval_*.json")
    assert json.loads(earlier.read_text())["search"] is None
    assert sorted(p.suffix for p in tmp_path.glob("eval_*")) == [".csv", ".json", ".png"]
    assert (tmp_path / f"report_{short_run.name}_FoodPreparation-v0_4_simulations.html").is_file()
