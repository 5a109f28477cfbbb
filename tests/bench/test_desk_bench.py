"""The bench of the desk: what is taken down adds up to the returns, the ends are the ends, and a row compares right."""

import dataclasses
import json
from statistics import fmean

import pytest

from twosome.bench import advised, desk, prices
from twosome.bench.answers import answers_of, table, told_questions
from twosome.bench.sessions import FIRST, answers, asking, ends, play, session_of, shown
from twosome.config.compose import compose, compose_command
from twosome.errors import ConfigError
from twosome.systems.baselines.random import RandomPolicy

ENV = compose(["env=desk", "env.kwargs.questions=8"]).env


def test_turns_add_up_to_the_return():
    played = play(RandomPolicy(), ENV, 6, 0, split="test")
    assert len(played) == 6
    for p in played:
        count = [sum(turn.action == action for turn in p.turns) for action in ("right", "wrong", "ask", "other")]
        assert count[0] + count[1] == 8
        assert p.returned == pytest.approx(count[0] - 0.3 * count[2] - 0.02 * count[3])
    assert sum(asking(played, 8)) == pytest.approx(fmean(sum(t.action == "ask" for t in p.turns) for p in played))
    shares = answers(played)
    told = [t for p in played for t in p.turns if t.action in ("right", "wrong") and t.known == "advised"]
    assert shares["advised"] == pytest.approx(sum(t.action == "right" for t in told) / len(told))


def test_the_best_player_is_between_nobody_and_the_optimum():
    """On the same sessions the best is better on average than both ends, which differ."""
    env = dataclasses.replace(ENV, kwargs={**ENV.kwargs, "cost": 0.75})
    found = ends(env, 60, split="train")
    best = [shown(session_of(env, FIRST + k, "train"), "best") for k in range(60)]
    assert fmean(best) > max(found.values())
    assert found["never"] != found["always"]


def result(behind, asked, optimum=20.0, **more):
    """What a run found that fell behind the best player by so much and asked so often at every question."""
    measured = {"return": 0.0, "behind": behind, "error": 0.1, "asking": asked, "noted": 1.0}
    best = {"optimum": optimum, "best_asked": 1.2, "best_asking": [0.2] * 6}
    times = {"never": 1.0, "always": 2.0, "decisions": 100, "seconds": 3.0}
    return {"greedy": measured, "sampled": measured, "met": measured, **best, **times, **more}


def test_a_row_compares_with_the_best_player_and_with_its_course():
    found = {("full", 0.3, 0): result(1.0, [0.2] * 6), ("full", 0.3, 1): result(2.0, [0.3, 0.3, 0.2, 0.2, 0.1, 0.2])}
    row = prices.table(found).splitlines()[2]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:5] == ["full", "0.3", "20.00", "0.950 0.900", "0.925"]
    assert cells[8:11] == ["0.200", "0.200 0.217", "0.100"]  # the first two of six questions: .1 above


def test_asking_is_told_by_tenths_and_a_row_by_its_shares():
    records = [{"step": 10 * k, "agent/asked": float(10 - k), "return/mean": k / 10} for k in range(1, 11)]
    assert advised._asking(records) == [float(10 - k) for k in range(1, 11)]
    there = {"to": {"decisions": 64, "seconds": 2.0}, "optimum": 0.8, "shown": 9, "decisions": 99, "asking": [3.0, 1.0]}
    one = {**there, "always": 0.4, "greedy after": 0.8, "sampled after": 0.6, "learning": 0.2}
    rows = advised.table({("asks", 0.1, 0): one, ("asks", 0.1, 1): {**one, "to": None}}).splitlines()
    cells = [cell.strip() for cell in rows[2].strip("|").split("|")]
    assert cells == ["asks", "0.1", "0.500", "1.000 1.000", "0.750", "3.00", "1.00", "0.25", "64 (9)", "2"]


def test_questions_whose_answer_is_told_and_many_answers_to_choose_from():
    questions = told_questions(ENV, 3)
    assert {q.known for q in questions} == {"table", "noted", "advised"}
    shown = {"advised": "Advice: {}.", "noted": "with {}."}
    for q in questions:
        if q.known in shown:
            assert shown[q.known].format(q.right.removeprefix("say ")) in q.observation["scene"]
    answers = answers_of(ENV, 200)
    assert len({*answers}) == 200
    assert answers_of(ENV, 150) == answers[:150]
    assert {q.right for q in questions if q.known != "table"} <= {*answers_of(ENV, 1000)}


def test_shares_are_of_the_questions_that_something_told():
    row = {"known": "table", "all": True, "beam 8": False, "proposals": False}
    rows = [row, {**row, "beam 8": True}, {**row, "known": "noted", "all": False}]
    cost = {"all": [2.0, 1500.0, 0.5], "beam 8": [3.0, 400.0, 0.25], "proposals": [0.0, 0.0, 1.0]}
    lines = table({("reader", 0): {"k": 8, "candidates": 2048, "rows": rows, "cost": cost}}).splitlines()
    assert "| table | 2 | 1.000 | 0.500 | 0.000 |" in lines
    assert "| noted | 1 | 0.000 | 0.000 | 0.000 |" in lines
    assert "| advised | 0 | - | - | - |" in lines
    assert "| all of them | 3 | 0.667 | 0.333 | 0.000 |" in lines
    assert "| all | 2.0 | 1,500 | 0.500 |" in lines


def test_what_cannot_work_is_refused_before_anything_runs(tmp_path):
    def bench(*overrides):
        return desk.bench(compose_command([f"out={tmp_path}", *overrides], "desk"))

    with pytest.raises(ConfigError, match=r"how\.full\.desk: unknown 'ful'\. Did you mean 'full'"):
        bench("how.full.desk=ful")
    with pytest.raises(ConfigError, match=r"rows: unknown 'ful'\. Did you mean 'full'"):
        bench("rows=[ful]")
    with pytest.raises(ConfigError, match=r"Unknown part 'price'\. Did you mean 'prices'"):
        bench("parts=[price]")
    with pytest.raises(ConfigError, match="sessions=1"):
        bench("sessions=1")


@pytest.mark.slow  # two runs of seconds each; the parts by themselves are above
def test_it_runs_and_goes_on_where_it_was(tmp_path, capsys):
    quick = ["parts=[clones,prices]", "seeds=1", "sessions=2", "rows=[full]", "how.full.costs=[1]"]
    small = "num_envs=2,rollout_steps=32,total_steps=64,env.kwargs.questions=2"
    small += ",ppo.actor.warmup_updates=0,ppo.accumulation=1"
    quick += [f"overrides=[{small}]", f"out={tmp_path}"]
    report = desk.bench(compose_command(quick, "desk"))
    assert not report["failed"]
    [found] = report["results"]["prices"]
    assert found["job"] == ["full", 1, 0]
    assert {"greedy", "sampled", "clone", "met", "never", "always", "optimum"} <= found["found"].keys()
    before = (tmp_path / "prices" / "full" / "1" / "seed0" / "result.json").stat().st_mtime_ns
    again = desk.bench(compose_command(quick, "desk"))
    assert again["results"] == json.loads(json.dumps(report["results"]))
    assert (tmp_path / "prices" / "full" / "1" / "seed0" / "result.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="holds results of other settings"):
        desk.bench(compose_command([*quick, "sessions=3"], "desk"))


@pytest.mark.slow  # thousands of answers to every question
def test_a_shortlist_is_measured_beside_all_answers(tmp_path):
    small = ["answers.sessions=1", "answers.candidates=300", "answers.widths=[8,300]", "answers.models=[tiny]"]
    report = desk.bench(compose_command(["parts=[answers]", *small, f"out={tmp_path}"], "desk"))
    assert not report["failed"]
    [found] = (row["found"] for row in report["results"]["answers"])
    assert found["candidates"] == 300
    assert all(row["beam 300"] == row["all"] for row in found["rows"])
    assert found["cost"]["beam 8"][1] < found["cost"]["all"][1]


@pytest.mark.slow  # three short runs
def test_an_adviser_around_a_world_is_measured_beside_those_who_learn_alone(tmp_path):
    small = "num_envs=2,rollout_steps=32,total_steps=64,ppo.actor.warmup_updates=0"
    quick = ["parts=[advised]", "seeds=1", "advised.costs=[0.1]", "advised.every=1", f"overrides=[{small}]"]
    report = desk.bench(compose_command([*quick, f"out={tmp_path}"], "desk"))
    assert not report["failed"]
    found = {tuple(row["job"]): row["found"] for row in report["results"]["advised"]}
    assert set(found) == {("asks", 0.1, 0), ("alone", "-", 0), ("usual", "-", 0)}
    assert found["asks", 0.1, 0]["shown"] == 64
    assert found["asks", 0.1, 0]["always"] < found["asks", 0.1, 0]["optimum"]
    assert not found["alone", "-", 0]["asking"]
