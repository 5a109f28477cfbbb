"""Laws of the desk: nothing hidden, prices, memory, sessions. Its optimum and its real parts have their own files."""

import hashlib
import itertools
import re
from collections import Counter
from pathlib import Path
from statistics import mean, stdev

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.agent import Agent
from twosome_envs.desk import optimum, player, text
from twosome_envs.desk.desk import QuestionsEnv
from twosome_envs.desk.env import DeskEnv
from twosome_envs.desk.groups import N_ANSWERS, N_PRODUCTS
from twosome_envs.desk.questions import LOOK_UPS, N_RULES, SHARES, Kind, Plan, session
from twosome_envs.desk.words import WORDS

from tests.envs.desks import at_care, legal, random_play, take

CONF = Path(__file__).parents[2] / "conf" / "env"
OFF = {"table": False, "notes": False, "memory": False, "advice": False}


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
    price, count, every, recalled, left, question = re.match(
        r"Asking costs (\S+)\. (No|\d+) notes?(?:: (.*?)|\. Recalled: (.*?))?\. (\d+) questions? left\. (.*)", scene
    ).groups()
    n, notes = 0 if count == "No" else int(count), every or recalled
    remembered = [] if notes is None else notes.split(", ")
    assert every is None or len(remembered) == n
    if care := re.match(r"What do I (\w+) the (\w+) (\w+) with\?(?: Advice: (\w+)\.)?$", question):
        topic, material, _, advice = care.groups()
        if advice and text.NOTE in can and int(left) > 1:
            return can[text.NOTE]
        [known] = [note.split()[-1] for note in remembered if note.startswith(f"{topic} {material} ")] or [advice]
        if known is None and asks(int(left), n, float(price)):
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
@pytest.mark.parametrize(("price", "shows"), [(0.3, "recalled"), (1.0, "recalled"), (0.3, "all")])
def test_what_the_best_play_needs_stands_in_the_scene(split, price, shows):
    """Whoever reads scene and menu alone does what the best play does, and answers rightly whatever can be known."""
    env = DeskEnv(split, cost=price, shows=shows)

    def asks(left, notes, price):
        return optimum.choice(env.rules, 24, price, left, notes).ask

    for seed in range(6):
        observation, info = env.reset(seed=seed)
        guessed = 0
        while "episode" not in info:
            action = reader(env, observation, info, asks)
            assert action == player.action(env)
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
                assert best.setdefault(key, player.action(env)) == player.action(env)
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
        rule_told = f"{topic} {made_of} with {env.kept.advice}"
        assert f" 1 note. Recalled: {rule_told}. " in observation["scene"]
        assert text.NOTE not in legal(info), "it is noted"
        while "episode" not in info:
            observation, _, _, _, info = env.step(0)
            question = env.desk.question
            if question and question.kind == Kind.CARE:
                is_known = env.session.rule(question) == rule
                assert (f" 1 note. Recalled: {rule_told}. " in observation["scene"]) == is_known
                assert is_known or f" 1 note. {env.desk.left} question" in observation["scene"]
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


DIGEST = "220136e53cecd68c"


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


# Settings, pictures ---------------------------------------------------------------------------------------------------


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
