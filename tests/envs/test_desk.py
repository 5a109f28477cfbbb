"""Laws of the desk: nothing hidden, prices, memory, advisers that fail, sessions, a table of the user's."""

import hashlib
import io
import itertools
import re
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import mean, stdev

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.agent import Agent, SealedError
from twosome_envs.desk import optimum, player, text
from twosome_envs.desk.desk import QuestionsEnv
from twosome_envs.desk.env import DeskEnv
from twosome_envs.desk.groups import MOST_ATTRIBUTES, N_ANSWERS, N_PRODUCTS
from twosome_envs.desk.questions import LOOK_UPS, N_RULES, SHARES, Kind, Plan, session
from twosome_envs.desk.words import WORDS

CONF = Path(__file__).parents[2] / "conf" / "env"
OFF = {"table": False, "notes": False, "memory": False, "advice": False}


def legal(info):
    return {phrase: k for k, phrase in enumerate(info["actions"]) if info["action_mask"][k]}


def take(env, info, phrase):
    """Observation, reward and info of an action by its words."""
    observation, reward, _, _, info = env.step(legal(info)[phrase])
    return observation, reward, info


def random_play(env, seed, episodes=1, is_legal=True):
    """What reset and step return, as (phrase, observation, reward, terminated, truncated, info)."""
    rng = np.random.default_rng(seed)
    for episode in range(episodes):
        observation, info = env.reset(seed=None if episode else seed)
        yield None, observation, 0.0, False, False, info
        while "episode" not in info:
            choices = np.flatnonzero(info["action_mask"]) if is_legal else np.arange(len(info["actions"]))
            action = int(rng.choice(choices))
            phrase = info["actions"][action]
            observation, reward, terminated, truncated, info = env.step(action)
            yield phrase, observation, reward, terminated, truncated, info


def at_care(env, count=1):
    """Reset, and answer wrongly or rightly, whatever comes, until this many care questions were met."""
    observation, info = env.reset()
    while True:
        count -= env.desk.question.kind == Kind.CARE
        if not count:
            return observation, info
        observation, _, _, _, info = env.step(0)


# The world inside, and prices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_legal", [True, False])
def test_without_tools_it_is_the_world_inside(is_legal):
    """Every key, array, reward and flag, step by step; and the spaces."""
    world = QuestionsEnv(Plan("train", 24, (0.3,)))
    for mine in (Agent(QuestionsEnv(Plan("train", 24, (0.3,)))), DeskEnv(**OFF)):
        assert (mine.action_space, mine.observation_space) == (world.action_space, world.observation_space)
        pairs = zip(random_play(mine, 3, 2, is_legal), random_play(world, 3, 2, is_legal), strict=True)
        for (*one, info), (*other, expected) in pairs:
            info.pop("optimum", None)
            np.testing.assert_equal((*one, info), (*other, expected))
    with pytest.raises(AssertionError):
        np.testing.assert_equal(list(random_play(DeskEnv(), 3)), list(random_play(world, 3)))


def test_prices_add_up():
    """The return is what was right less the prices of what was done, read from the phrases that were taken."""
    env = DeskEnv(cost=[0.1, 0.7], look_up_cost=0.03, note_cost=0.05)
    seen = Counter()
    for _ in range(3):
        done, right = Counter(), 0
        for phrase, observation, reward, *_, info in random_play(env, int(seen.total())):
            last = info
            if phrase is None:
                price = float(re.match(r"Asking costs (\S+)\. ", observation["scene"])[1])
                continue
            kind = phrase.split()[0]
            assert reward == {"look": -0.03, "find": -0.03, "ask": -price, "note": -0.05, "say": reward}[kind]
            assert reward in (0.0, 1.0) or kind != "say"
            done[kind] += 1
            right += reward == 1.0
        prices = 0.03 * (done["look"] + done["find"]) + price * done["ask"] + 0.05 * done["note"]
        assert last["episode"]["r"] == pytest.approx(right - prices)
        assert last["tally"] == {
            "looked_up": done["look"] + done["find"],
            "asked": done["ask"],
            "noted": done["note"],
            "right": right,
        }
        assert done["say"] == 24
        seen += done
    assert min(seen[kind] for kind in ("look", "find", "ask", "note", "say")) > 0


def test_a_masked_action_costs_a_step_only():
    env = DeskEnv(advice_answers=True)
    observation, info = at_care(env)
    observation, _, info = take(env, info, text.ASK)
    before = env.snapshot().state
    masked = np.flatnonzero(~info["action_mask"])
    assert {0, 1, 2, 3} - {*masked.tolist()}, "what was advised can be said"
    assert len({*masked.tolist()} & {0, 1, 2, 3}) == 3
    for action in masked:
        again, *result, info = env.step(int(action))
        np.testing.assert_equal(again, observation)
        assert result == [0.0, False, False]
        assert env.snapshot().state == before


# Nothing is hidden ----------------------------------------------------------------------------------------------------


def reader(env, observation, info, asks):
    """What somebody does who reads scene and menu alone, and knows the prices; `asks(left, notes, price)`."""
    scene, can = observation["scene"], legal(info)
    price, notes, left, question = re.match(
        r"Asking costs (\S+)\. (?:No notes|\d+ notes?: (.*?))\. (\d+) questions? left\. (.*)", scene
    ).groups()
    remembered = [] if notes is None else notes.split(", ")
    if care := re.match(r"What do I (\w+) the (\w+) (\w+) with\?(?: Advice: (\w+)\.)?$", question):
        topic, material, _, advice = care.groups()
        if advice and text.NOTE in can and int(left) > 1:
            return can[text.NOTE]
        [known] = [note.split()[-1] for note in remembered if note.startswith(f"{topic} {material} ")] or [advice]
        if known is None and asks(int(left), len(remembered), float(price)):
            return can[text.ASK]
        return can[f"say {known}"] if known else 0
    if wish := re.match(r"Recommend one whose (\w+) is (.+?)\.(?: The \w+ of the (\w+) is )?", question):
        return can[f"say the {wish[3]}"] if wish[3] else can[f"find one whose {wish[1]} is {wish[2]}"]
    attribute, *names = re.match(
        r"(?:Compare|What is) the (\w+) of the (\w+)(?: and the (\w+))?[.?]", question
    ).groups()
    values = []
    for name in filter(None, names):
        found = re.search(rf"The {attribute} of the {name} is (.+?)\.", question)
        if not found:
            return can[f"look up the {attribute} of the {name}"]
        values.append(found[1])
    return can[f"say {' and '.join(values)}"]


@pytest.mark.parametrize("split", list(WORDS))
@pytest.mark.parametrize("price", [0.3, 1.0])
def test_what_the_best_play_needs_stands_in_the_scene(split, price):
    """Whoever reads scene and menu alone does what the best play does, and answers rightly whatever can be known."""
    env = DeskEnv(split, cost=price)

    def asks(left, notes, price):
        return optimum.choice(env.rules, 24, price, left, notes).ask

    for seed in range(6):
        observation, info = env.reset(seed=seed)
        guessed = 0
        while "episode" not in info:
            action = reader(env, observation, info, asks)
            assert action == player.action(env, info)
            is_sure = env.desk.question.kind != Kind.CARE or env.kept.advice or env.remembered
            observation, reward, _, _, info = env.step(action)
            if action < N_ANSWERS:
                assert reward == 1.0 or not is_sure
                guessed += not is_sure
        assert guessed == 0 or price == 1.0


def test_the_vector_is_enough_for_the_best_play():
    """Equal vectors, equal best actions, wherever random play comes to; the last numbers are what was advised."""
    env = DeskEnv(session=7)
    best, met = {}, 0
    for seed in range(30):
        for _, observation, *_, info in random_play(env, seed):
            assert env.observation_space.contains(observation)
            if "episode" not in info:
                met += 1
                key = observation["vector"].tobytes()
                assert best.setdefault(key, player.action(env, info)) == player.action(env, info)
    assert len(best) < met, "some were met again"
    assert len(set(best.values())) > 10
    _, info = at_care(env)
    answers = env.desk.question.answers
    observation, _, info = take(env, info, text.ASK)
    assert observation["vector"][-N_ANSWERS:].tolist() == [answer == env.kept.advice for answer in answers]


# Notes and memory -----------------------------------------------------------------------------------------------------


def test_a_rule_that_is_noted_answers_for_both_products_of_the_material():
    met = Counter()
    for number in range(8):
        env = DeskEnv(session=number)
        _, info = at_care(env)
        rule, product = env.session.rule(env.desk.question), env.desk.question.products
        _, _, info = take(env, info, text.ASK)
        observation, reward, info = take(env, info, text.NOTE)
        assert reward == -0.02
        made_of = env.session.group.materials[rule % 3]
        topic = env.session.topics[rule // 3]
        assert f" 1 note: {topic} {made_of} with {env.kept.advice}. " in observation["scene"]
        assert text.NOTE not in legal(info), "it is noted"
        while "episode" not in info:
            _, _, _, _, info = env.step(0)
            question = env.desk.question
            if question and question.kind == Kind.CARE:
                is_known = env.session.rule(question) == rule
                assert env.remembered == (question.answers[question.right] if is_known else None)
                met[is_known, question.products == product] += 1
    assert min(met[key] for key in itertools.product((True, False), repeat=2)) > 0


def test_without_notes_what_was_advised_is_remembered_of_the_product_alone():
    met = Counter()
    for number in range(8):
        env = DeskEnv(session=number, notes=False)
        _, info = at_care(env)
        first = env.desk.question
        observation, reward, info = take(env, info, text.ASK)
        assert reward == -0.3
        assert text.NOTE not in info["actions"]
        name = env.session.group.names[first.products[0]]
        told = f" Recalled: {env.session.topics[first.topic]} the {name} with {env.kept.advice}. "
        assert f" 1 note.{told}" in observation["scene"]
        while "episode" not in info:
            observation, _, _, _, info = env.step(0)
            question = env.desk.question
            assert " 1 note." in observation["scene"]
            if question and question.kind == Kind.CARE:
                is_same = (question.topic, question.products) == (first.topic, first.products)
                assert (env.remembered is not None) == is_same == (told in observation["scene"])
                met[is_same, env.session.rule(question) == env.session.rule(first)] += 1
    assert min(met[key] for key in ((True, True), (False, True), (False, False))) > 0


def test_without_a_note_and_without_memory_advice_is_gone_at_the_answer():
    for kwargs in ({}, {"memory": False}):
        env = DeskEnv(session=1, **kwargs)
        _, info = at_care(env)
        observation, _, info = take(env, info, text.ASK)
        assert observation["scene"].endswith(f" Advice: {env.kept.advice}.")
        assert (text.NOTE in info["actions"]) == (not kwargs)
        observation, _, info = take(env, info, f"say {env.kept.advice}")
        assert "Advice" not in observation["scene"]
        assert env.kept.memory == ()
        assert ("No notes." in observation["scene"]) == (not kwargs)


def test_what_was_looked_up_is_cleared_at_the_answer_and_can_be_looked_up_again():
    env = DeskEnv(session=1)
    _, info = at_care(env)
    [phrase, *_] = [phrase for phrase in legal(info) if phrase.startswith("look up")]
    observation, _, info = take(env, info, phrase)
    [found] = re.findall(r"\? (The \w+ of the \w+ is .*\.)$", observation["scene"])
    assert phrase not in legal(info)
    env.restore(env.snapshot())
    observation, *_ = env.step(0)
    assert found not in observation["scene"]
    assert env.snapshot().own.counts == (0,) * len(env.snapshot().own.counts)


@pytest.mark.parametrize(
    ("off", "gone", "without"),
    [
        ("table", ("look up", "find"), "The "),
        ("notes", ("note",), "~"),
        ("memory", ("note",), "note"),
        ("advice", ("ask", "note"), "Asking"),
    ],
)
def test_what_is_switched_off_is_on_no_menu(off, gone, without):
    env = DeskEnv(**{off: False})
    for _, observation, *_, info in random_play(env, 0):
        assert not any(phrase.startswith(gone) for phrase in info["actions"])
        assert without not in observation["scene"]


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


# Sessions -------------------------------------------------------------------------------------------------------------


def test_sessions_never_change():
    """Numbers are part of results, so their meaning is pinned; price, adviser and length change nothing else."""
    told = [session(Plan(split, 24, (0.3,)), number) for split in WORDS for number in range(50)]
    assert hashlib.sha256(repr([tuple(here) for here in told]).encode()).hexdigest()[:16] == DIGEST
    for number in range(10):
        here = session(Plan("train", 24, (0.3,)), number)
        longer = session(Plan("train", 48, (0.1, 1.0), 0.5), number)
        assert longer.group == here.group
        assert [it._replace(advice=0) for it in longer.questions[:24]] == [
            it._replace(advice=0) for it in here.questions
        ]
    costs = {session(Plan("train", 24, (0.1, 1.0)), number).cost for number in range(30)}
    assert costs == {0.1, 1.0}


DIGEST = "1d04392737212597"


def test_splits_share_no_word():
    train, test = (
        {*w.products, *w.materials, *w.topics, *w.means, *sum(w.values.values(), ())} for w in WORDS.values()
    )
    assert not train & test
    for words in WORDS.values():
        listed = [*words.products, *words.materials, *words.topics, *words.means, *sum(words.values.values(), ())]
        assert len({*listed}) == len(listed)
        assert all(len(values) > N_PRODUCTS for values in words.values.values())


@pytest.mark.parametrize("split", list(WORDS))
def test_questions_are_as_often_as_said_and_tell_nothing(split):
    """Kinds, and places of the right answer, within four standard deviations; rules are independent of each other."""
    sessions = [session(Plan(split, 24, (0.3,)), number) for number in range(400)]
    asked = [(here, question) for here in sessions for question in here.questions]
    kinds = Counter(question.kind for _, question in asked)
    for kind, share in SHARES.items():
        assert kinds[kind] == pytest.approx(share * len(asked), abs=4 * (share * (1 - share) * len(asked)) ** 0.5)
    for kind, place in itertools.product(Kind, range(N_ANSWERS)):
        n = kinds[kind] if kind != Kind.CARE else 400 * N_RULES  # a rule is asked for again and again
        rights = Counter(question.right for _, question in asked if question.kind == kind)
        share = rights[place] / kinds[kind]
        assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / n) ** 0.5)
    alike = []
    for here in sessions:
        rules = {here.rule(question): question for question in here.questions if question.kind == Kind.CARE}
        assert len(rules) <= N_RULES
        pairs = itertools.combinations(rules.values(), 2)
        alike += [one.right == two.right for one, two in pairs if one.topic == two.topic]
        for question in here.questions:
            assert question.kind != Kind.CARE or question.answers == rules[here.rule(question)].answers
            assert len({*question.answers}) == N_ANSWERS
    assert mean(alike) == pytest.approx(0.25, abs=0.03)


def test_one_look_up_of_a_comparison_leaves_two_answers():
    for number in range(40):
        here = session(Plan("train", 24, (0.3,)), number)
        for question in here.questions:
            if question.kind == Kind.COMPARISON:
                firsts, seconds = zip(*(answer.split(" and ") for answer in question.answers), strict=True)
                assert Counter(firsts).most_common()[0][1] == Counter(seconds).most_common()[0][1] == 2
                values = [here.group.values[product][question.attribute] for product in question.products]
                assert question.answers[question.right].split(" and ") == values
    assert LOOK_UPS[Kind.COMPARISON] == 2


def test_the_order_of_the_answers_changes_nothing(monkeypatch):
    """The same words earn the same, wherever they stand in the menu."""
    plain = session(Plan("train", 24, (0.3,)), 3)
    order = (2, 0, 3, 1)
    turned = [
        question._replace(
            answers=tuple(question.answers[k] for k in order),
            right=order.index(question.right),
            advice=order.index(question.advice),
        )
        for question in plain.questions
    ]
    told = list(random_play(DeskEnv(session=3), 8))
    monkeypatch.setattr("twosome_envs.desk.desk.session", lambda plan, number: plain._replace(questions=tuple(turned)))
    env = DeskEnv(session=3)
    _, info = env.reset()
    for phrase, observation, reward, *_, expected in told[1:]:
        seen, gain, info = take(env, info, phrase)
        assert (seen["scene"], seen["goal"], gain) == (observation["scene"], observation["goal"], reward)
        assert {*legal(info)} == {*legal(expected)}


def test_random_play():
    """The figure that `conf/env/desk.yaml` tells, within four standard errors."""
    returns = []
    env = DeskEnv()
    for seed in range(60):
        *_, (*_, info) = random_play(env, seed)
        returns.append(info["episode"]["r"])
    assert mean(returns) == pytest.approx(RANDOM, abs=4 * stdev(returns) / 60**0.5)


RANDOM = 4.1


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
            observation, _, _, _, info = env.step(player.action(env, info))
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


# Errors, settings, pictures -------------------------------------------------------------------------------------------


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
        ({"cost": []}, ValueError, "cost holds 0 prices, expected 1 to 100"),
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


@pytest.mark.parametrize("name", ["desk", "desk_test"])
def test_conf(name):
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.gamma == config["gamma"]
    assert env.desk.plan == Plan("train" if name == "desk" else "test", 24, (0.3,))
    assert env.rules == DeskEnv().rules
    assert config["optimum"] is None
    assert env.reset(seed=0)[1]["optimum"] == pytest.approx(22.007, abs=0.0005)


def test_states_look_different():
    env = DeskEnv(render_mode="rgb_array", session=4)
    frames, scenes = [], []
    for _, observation, *_ in itertools.islice(random_play(env, 1), 30):
        frames.append(env.render().tobytes())
        scenes.append(observation["scene"])
    assert len({*frames}) == len({*scenes})
    assert env.picture().shape == (330, 660, 3)
