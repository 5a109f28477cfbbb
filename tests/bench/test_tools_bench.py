"""The bench of the tools: sessions add up, the ends are where they belong, rows say what was found."""

import json
from pathlib import Path

import pytest

from twosome.bench import annotators, learners, levels, surprise, tools
from twosome.bench.questions import KINDS, exact, played, shown
from twosome.config.compose import compose, compose_command
from twosome.errors import ConfigError
from twosome.systems.baselines.random import RandomPolicy

ENV = compose(["env=toolbox", "env.kwargs.questions=5"]).env


def composed(*overrides):
    return compose_command(list(overrides), "tools")


def test_sessions_are_the_same_for_all_and_add_up():
    found = played(RandomPolicy(), ENV, 16, 0, greedy=False)
    best, always = (shown(ENV, 16, 0, name) for name in ("clean", "always"))
    for one in (found, best, always):
        assert [one["kinds"][k]["asked"] for k in KINDS] == [best["kinds"][k]["asked"] for k in KINDS]
        assert sum(row["asked"] for row in one["kinds"].values()) == 80
        assert one["calls"] == pytest.approx(sum(r["calls"] * r["asked"] for r in one["kinds"].values()) / 80)
        assert one["right"] == pytest.approx(sum(r["right"] * r["asked"] for r in one["kinds"].values()) / 80)
    assert best["kinds"]["rumour"]["calls"] == 0 < always["kinds"]["rumour"]["calls"] == 1
    assert found["return"] < always["return"] < best["return"]
    known = exact(ENV)
    assert (known["best"], known["best_calls"], known["always_calls"]) == pytest.approx((0.92, 1.0, 1.4))


def result(returned, calls, best=0.9):
    row = {"return": returned, "error": 0.01, "right": 0.9, "calls": calls}
    row["kinds"] = {kind: {"asked": 9, "right": 1.0, "calls": 0.25} for kind in KINDS}
    known = {
        "best": 0.92,
        "best_calls": 1.0,
        "always": 0.76,
        "always_calls": 1.4,
        "always_right": 0.88,
        "annotator": 0.5,
    }
    others = dict.fromkeys(("greedy", "sampled", "clone", "annotator", "always", "unseen"), row)
    return {
        **others,
        "best": {**row, "return": best},
        "best_unseen": {**row, "return": best + 0.092},
        "exact": known,
        "decisions": 100,
        "seconds": 3.0,
    }


def test_a_row_compares_with_the_best_play_on_the_same_sessions():
    found = {("noisy", 1, 0): result(0.9, 1.0), ("noisy", 1, 1): result(0.808, 0.4)}
    cells = [c.strip() for c in levels.table(found).splitlines()[2].strip("|").split("|")]
    assert cells[:7] == ["noisy", "1", "0.920", "1.000 0.900", "0.850", "0.950", "0.950"]
    assert cells[7:12] == ["0.826", "1.00, 0.700", "1.000 0.400", "1.40", "50%"]
    assert cells[14] == "0.250"  # of the rumours
    assert "| noisy | 1 | 0.920 | 0.543 |" in annotators.table(found)


def test_a_method_that_is_not_there_is_left_out_and_said_to_be(capsys):
    cfg = composed("methods=[twosome,nothing]", "worlds=[toolbox]", "seeds=2")
    assert learners.jobs(cfg) == [("twosome", "toolbox", 0), ("twosome", "toolbox", 1)]
    assert "method=nothing is none of this version" in capsys.readouterr().out
    settings = learners.settings_of(cfg, "preference", "toolbox", 0, Path("run"))
    assert (settings.method, settings.log.stop_at, settings.env.optimum) == ("preference", 0.95, 9.2)
    cfg = composed("worlds=[toolbox_cloned]", "seeds=1", "out=here")
    assert ("qhead", "toolbox_cloned", 0) not in learners.jobs(cfg), "it does not read what the clone has learnt"
    settings = learners.settings_of(cfg, "expected", "toolbox_cloned", 0, Path("run"))
    assert settings.init == "here/annotators/noisy/1/seed0/run"
    with pytest.raises(ConfigError, match="is missing, which the row toolbox_cloned begins with: add annotators"):
        learners.measure(cfg, Path("run"), "expected", "toolbox_cloned", 0)
    there = {"decisions": 512, "seconds": 8.0, "simulated": 900.0}
    one = {
        "optimum": 9.2,
        "decisions": 512,
        "to": there,
        "greedy after": 9.2,
        "sampled after": 4.6,
        "sampled before": 2.3,
    }
    row = learners.table({("twosome", "toolbox", 0): one, ("twosome", "toolbox", 1): {**one, "to": None}}).splitlines()[
        2
    ]
    assert row == "| toolbox | twosome | 9.2 | 1 of 2 | 512 | 900 | 8 | 1.000 1.000 | 0.500 | 0.250 |"


def test_the_rows_of_surprise():
    rows = [((0, 0), 0.25, 0.0), ((0, 0), 0.25, 0.0), ((1, 0), 0.25, 0.1), ((1, 1), 1.0, 0.4)]
    found = surprise.summary(rows)
    assert found["plans"]["1 + 1"] == [1.0, 0.4]
    assert found["means"] == pytest.approx(0.8660254)
    habit = surprise.summary([((0, 0), 1.0, 0.0), ((1, 0), 1.0, 0.2)])
    table = surprise.table({("tiny", 0): {"nested": found, "habit": habit}})
    assert "| tiny | nested | 4 | 0 + 0: 0.25, +0.000; 1 + 0: 0.25, +0.100; 1 + 1: 1.00, +0.400 |" in table
    assert table.splitlines()[3].endswith("| - | - |")  # nothing to order


def test_what_cannot_work_is_refused_before_anything_runs(tmp_path):
    for override, said in (
        ("rows=[clan]", r"rows: unknown 'clan'\. Did you mean 'clean'"),
        ("worlds=[tool]", r"worlds: unknown 'tool'"),
        ("parts=[level]", r"Unknown part 'level'\. Did you mean 'levels'"),
        ("sessions=1", "sessions=1"),
        ("models=[]", "models="),
    ):
        with pytest.raises(ConfigError, match=said):
            tools.bench(composed(f"out={tmp_path}", override))


@pytest.mark.slow  # runs of seconds each; the parts by themselves are above
def test_it_runs_and_goes_on_where_it_was(tmp_path):
    small = "num_envs=2,rollout_steps=16,total_steps=32,ppo.actor.minibatch=32,ppo.critic.minibatch=32"
    quick = ["seeds=1", "sessions=8", "questions=3", "rows=[clean]", "how.clean.levels=[1]", "worlds=[toolbox]"]
    quick += ["methods=[twosome,preference]", f"overrides=[{small},env.kwargs.questions=2]", f"out={tmp_path}"]
    quick += ["eval_every=16", "episodes={toolbox: 1, final: 1}"]
    report = tools.bench(composed(*quick))
    assert not report["failed"]
    done = {name: len(found) for name, found in report["results"].items()}
    assert done == {"annotators": 1, "levels": 1, "learners": 2, "surprise": 2}
    file = tmp_path / "levels" / "clean" / "1" / "seed0" / "result.json"
    before = file.stat().st_mtime_ns
    assert tools.bench(composed(*quick))["results"] == json.loads(json.dumps(report["results"]))
    assert file.stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="holds results of other settings"):
        tools.bench(composed(*quick, "sessions=16"))
