"""Laws of the desk's real parts: advisers that err, fail or are persons, a table of the user's, arguments."""

import io
import itertools
import sys
import time
from collections import Counter
from statistics import mean, stdev

import numpy as np
import pytest
from twosome_envs.agent import SealedError
from twosome_envs.desk import optimum, player, text
from twosome_envs.desk.env import DeskEnv
from twosome_envs.desk.groups import MOST_ATTRIBUTES, N_ANSWERS
from twosome_envs.desk.questions import Plan, session

from tests.envs.desks import at_care, legal, random_play, take

# Advisers -------------------------------------------------------------------------------------------------------------


def test_the_oracle_is_wrong_as_often_as_it_is_told_to_be():
    for error in (0.0, 0.1, 1.0):
        sessions = [session(Plan("train", 24, (0.3,), error), number) for number in range(200)]
        right = [question.advice == question.right for here in sessions for question in here.questions]
        assert mean(right) == pytest.approx(1 - error, abs=4 * (error * (1 - error) / len(right)) ** 0.5)


ANSWERING = {
    "off the menu": (lambda question, answers: "ketchup", "AdviceError: 'ketchup' is none of "),
    "nothing": (lambda question, answers: " ", "AdviceError: the adviser said nothing"),
    "raises": (lambda question, answers: {}["x"], "KeyError: 'x'"),
    "is silent": (lambda question, answers: time.sleep(5), "TimeoutError: no answer within 0.05 s"),
    "returns no text": (lambda question, answers: 3, "AdviceError: the adviser returned int, expected str"),
    "returns 10 MB": (lambda question, answers: "x" * 10**7, "AdviceError: 'xxx"),
}


@pytest.mark.parametrize("how", list(ANSWERING))
@pytest.mark.parametrize("is_charged", [True, False])
def test_an_adviser_that_fails_is_told_and_charged_as_set(how, is_charged):
    adviser, told = ANSWERING[how]
    env = DeskEnv(adviser=adviser, charge_failures=is_charged, patience=0.05, session=2)
    before, info = at_care(env)
    observation, reward, info = take(env, info, text.ASK)
    assert observation["scene"].startswith(before["scene"] + f" No advice: {told}")
    assert env.observation_space.contains(observation)
    assert reward == (-0.3 if is_charged else 0.0)
    assert env.kept.advice is None
    assert not {text.ASK, text.NOTE} & {*legal(info)}
    assert [*legal(info)][:N_ANSWERS] == [f"say {answer}" for answer in env.desk.question.answers]
    env.step(0)


def test_a_person_at_the_terminal(monkeypatch, capsys):
    """What they say is the advice; when the input ends, asking fails, and the session goes on."""
    env = DeskEnv(adviser="human", session=2)
    observation, info = at_care(env)
    answers = env.desk.question.answers
    monkeypatch.setattr(sys, "stdin", io.StringIO("3\n"))
    observation, reward, info = take(env, info, text.ASK)
    assert observation["scene"].endswith(f" Advice: {answers[2]}.")
    shown = capsys.readouterr().out
    assert "The adviser is asked: What do I " in shown
    assert all(answer in shown for answer in answers)
    _, _, info = take(env, info, "say " + answers[0])
    observation, reward, info = take(env, info, text.ASK)
    assert observation["scene"].endswith(" No advice: EOFError: the input has ended.")
    assert reward == -0.3


def test_nobody_is_asked_in_a_simulation():
    for adviser in ("human", lambda question, answers: answers[0]):
        env = DeskEnv(adviser=adviser)
        _, info = env.reset()
        env.sealed = True
        with pytest.raises(SealedError, match="ask the adviser"):
            take(env, info, text.ASK)
    env = DeskEnv()
    _, info = env.reset()
    env.sealed = True
    assert take(env, info, text.ASK)[1] == -0.3


def test_what_an_adviser_said_comes_from_the_events_again():
    """Who never answers twice alike, and fails now and then: the same episode, and nobody is asked."""
    calls = itertools.count()

    def adviser(question, answers):
        number = next(calls)
        if number % 3 == 2:
            raise OSError("busy")
        return answers[number % N_ANSWERS]

    def nobody(question, answers):
        raise AssertionError("asked again")

    told = list(random_play(DeskEnv(adviser=adviser), 5))
    events = [event for step in told for event in step[5]["events"]]
    assert len(events) > 3
    again = DeskEnv(adviser=nobody)
    observation, info = again.reset(seed=5, options={"events": events})
    for phrase, *expected in told:
        if phrase is not None:
            observation, *result, info = again.step(legal(info)[phrase])
            np.testing.assert_equal([observation, *result, info], expected)
    assert any("No advice: OSError: busy." in step[1]["scene"] for step in told)


# A table of the user's ------------------------------------------------------------------------------------------------

TABLE = """name,material,colour,price,place
Vela lamp,glass,red,19.90,shelf 1
Nomi cup,glass,blue,7,shelf 2
Orso chair,oak,green,120,hall
"Luma ""L"" desk",oak,white,340,hall
Tiko pan,steel,black,35,shelf 3
Raku pot,steel,red,42.5,shelf 1
Grüner Krug,clay,grey,12,shelf 4
Sava tray,clay,pink,13,hall
"""


def table(tmp_path, text=TABLE):
    path = tmp_path / "products.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_questions_about_a_table_of_the_users(tmp_path):
    """They are of its rows and columns, the table knows the answers, and the best play earns the optimum."""
    env = DeskEnv(table=table(tmp_path))
    rows = [line.split(",") for line in TABLE.replace('"Luma ""L"" desk"', 'Luma "L" desk').splitlines()]
    names = {row[0] for row in rows[1:]}
    returns, seen = [], Counter()
    env.reset(seed=0)
    for _ in range(30):
        observation, info = env.reset()
        group = env.session.group
        assert {*group.names} <= names
        assert group.attributes == ("colour", "price", "place")
        assert Counter(group.material_of) == {0: 2, 1: 2, 2: 2}
        while "episode" not in info:
            seen[env.desk.question.kind] += 1
            assert env.observation_space.contains(observation)
            observation, _, _, _, info = env.step(player.action(env))
        returns.append(info["episode"]["r"])
    assert min(seen.values()) > 20
    expected = optimum.best(env.rules, 24, 0.3).value
    assert mean(returns) == pytest.approx(expected, abs=4 * stdev(returns) / 30**0.5)


def test_only_some_columns_of_a_wide_table_are_asked_about(tmp_path):
    columns = [f"c{k}" for k in range(12)]
    lines = [f"product {k},{'abc'[k % 3]}," + ",".join(f"v{k}{c}" for c in columns) for k in range(9)]
    env = DeskEnv(table=table(tmp_path, "\n".join([f"name,kind,{','.join(columns)}", *lines])), material="kind")
    drawn = set()
    for seed in range(9):
        env.reset(seed=seed)
        drawn.add(env.session.group.attributes)
        assert len(env.session.group.attributes) == MOST_ATTRIBUTES
    assert len(drawn) > 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TABLE.replace("material", "stuff"),
            "no column 'material', on which care depends; its columns are name, stuff",
        ),
        (TABLE + "vela LAMP,oak,red,1,hall\n", r"line 10: The row 'vela LAMP' is there already \(line 2\)"),
        (
            "name,material,x\na,oak,1\nb,oak,2\nc,tin,3\nd,tin,4\n",
            r"'material' has 2 entries that 2 rows or more share",
        ),
        ("name,material,x\n" + "".join(f"{k},m{k % 3},{k % 3}\n" for k in range(6)), "No column can be asked about"),
        ("name,material,x\n" + "".join(f"{k},m{k % 3},{k} and 1\n" for k in range(6)), "none of which holds ' and '"),
    ],
)
def test_a_table_that_cannot_be_asked_about_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        DeskEnv(table=table(tmp_path, text))


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "tests"}, ValueError, r"Unknown split 'tests'\. Did you mean 'test'"),
        ({"questions": 0}, ValueError, "questions=0, expected an int of 1 or more"),
        ({"questions": 24.0}, TypeError, "questions=24.0"),
        ({"questions": 1001}, ValueError, "questions is too large"),
        ({"cost": -0.1}, ValueError, "cost=-0.1, expected a finite number of 0 or more"),
        ({"cost": float("nan")}, ValueError, "cost=nan"),
        ({"cost": "much"}, TypeError, "cost='much'"),
        ({"cost": []}, ValueError, "cost holds 0 numbers, expected 1 to 100"),
        ({"cost": [0.1, None]}, TypeError, "cost=None"),
        ({"look_up_cost": True}, TypeError, "look_up_cost=True"),
        ({"note_cost": float("inf")}, ValueError, "note_cost=inf"),
        ({"error": 1.5}, ValueError, "error=1.5, expected a number from 0 to 1"),
        ({"table": 3}, TypeError, "table=3, expected true, false or the path of a CSV file"),
        ({"table": "none.csv"}, ValueError, "table=none.csv is no file"),
        ({"adviser": "humna"}, ValueError, r"Unknown adviser 'humna'\. Did you mean 'human'.*module:function"),
        ({"adviser": "os:nothing"}, ValueError, "adviser='os:nothing' cannot be imported"),
        ({"adviser": None}, ValueError, "Unknown adviser None"),
        ({"patience": -1}, ValueError, "patience=-1"),
        ({"session": -1}, ValueError, "session=-1, expected an int of 0 or more"),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        DeskEnv(**arguments)
