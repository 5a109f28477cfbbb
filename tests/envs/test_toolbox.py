"""Laws of the toolbox: prices, questions, frames, the scene. Its optimum and demonstrations have their own file."""

import hashlib
import itertools
import re
from collections import Counter
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.agent import SealedError
from twosome_envs.agent.calculator import CalculatorError
from twosome_envs.agent.frames import depth
from twosome_envs.toolbox import documents, optimum, player, text, tools
from twosome_envs.toolbox.env import MOST_CALLS, ToolboxEnv
from twosome_envs.toolbox.questions import MISLEADS, N_ANSWERS, SHARES, STEP, Kind, Plan, session
from twosome_envs.toolbox.words import HABITS, PEOPLE, PLACES, RUMOURS, WORDS

from tests.envs.desks import legal, random_play, take

CONF = Path(__file__).parents[2] / "conf" / "env"
PLAN = Plan("train", 10, (1.0,))


def at(env, kind, number=0):
    """Observation and info at the first question of a kind in some session."""
    for seed in itertools.count(number):
        observation, info = env.reset(seed=seed)
        while env.view.question:
            if env.view.question.kind == kind:
                return observation, info
            observation, _, _, _, info = env.step(0)


def questions(split="train", nesting=1, sessions=400):
    plan = Plan(split, 10, (1.0,), nesting)
    return [question for number in range(sessions) for question in session(plan, number).questions]


# Prices ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", [1, 3])
def test_the_return_is_what_was_right_less_the_prices(nesting):
    """Read from the phrases that were taken and the prices that the scene tells; and the tally counts just these."""
    env = ToolboxEnv(level=[1, 4], search_cost=0.03, calculation_cost=0.07, nesting=nesting)
    seen = Counter()
    for seed in range(8):
        done, right = Counter(), 0
        for phrase, observation, reward, *_, info in random_play(env, seed):
            last = info
            if phrase is None:
                told = re.match(
                    r"Searching costs (\S+), calculating (\S+)\. 10 questions left\. ", observation["scene"]
                )
                search, calculation = map(float, told.groups())
                assert search / 0.03 == pytest.approx(calculation / 0.07) == pytest.approx(env.world_inside.level)
                continue
            kind = re.split(r"[: ]", phrase)[0]
            prices = {"search": search, "calculate": calculation, "give": 0.0, "say": -reward}
            assert reward == pytest.approx(-prices[kind])
            assert reward in (0.0, 1.0) or kind != "say"
            assert info["closes"] == (kind == "say")
            done[kind] += 1
            right += reward == 1.0
        tally, kinds = last["tally"], [kind.name.lower() for kind in Kind]
        paid = search * done["search"] + calculation * done["calculate"]
        assert last["episode"]["r"] == pytest.approx(right - paid)
        assert (tally["searched"], tally["calculated"], tally["right"]) == (done["search"], done["calculate"], right)
        assert sum(tally[f"{kind}_right"] for kind in kinds) == right
        assert sum(tally[f"{kind}_calls"] for kind in kinds) == done["search"] + done["calculate"]
        assert sum(tally[kind] for kind in kinds) == done["say"] == 10
        assert Counter(it.kind for it in env.world_inside.asked) == {
            kind: tally[kind.name.lower()] for kind in Kind if tally[kind.name.lower()]
        }
        seen += done
    assert min(seen[kind] for kind in ("search", "calculate", "give", "say")) > 0


def test_at_no_price_the_reward_is_exact():
    """Level 0, or prices 0: 1 for a right answer and 0 for everything else, not even a negative zero."""
    for kwargs in ({"level": 0}, {"search_cost": 0, "calculation_cost": 0}):
        rewards = [step[2] for seed in range(4) for step in random_play(ToolboxEnv(**kwargs), seed)]
        assert {*rewards} == {0.0, 1.0}
        assert not np.signbit(rewards).any()


def test_a_masked_action_costs_a_step_only():
    env = ToolboxEnv()
    _, info = at(env, Kind.NESTED)
    observation, _, info = take(env, info, legal_one(info, "calculate"))
    before = env.snapshot().state
    masked = np.flatnonzero(~info["action_mask"])
    assert {0, 1, 2, 3} < {*masked.tolist()}, "inside a frame nothing is said"
    for action in masked:
        again, *result, _ = env.step(int(action))
        np.testing.assert_equal(again, observation)
        assert result == [0.0, False, False]
        assert env.snapshot().state == before


def legal_one(info, start):
    """The first legal phrase that begins so."""
    return next(phrase for phrase in legal(info) if phrase.startswith(start))


# Frames ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", [1, 2, 3])
def test_frames_open_and_return_in_order_and_once(nesting):
    """Whatever is played: as many frames as calculations of what is missing, each returns once, none is too deep."""
    env = ToolboxEnv(nesting=nesting)
    deepest = returned = 0
    for seed in range(25):
        still_open, gone, before = [], set(), None
        for phrase, *_ in random_play(env, seed):
            stack = env.kept.stack
            numbers = [frame.number for frame in stack.frames[1:]]
            if phrase is None or phrase.startswith("say"):
                assert (numbers, env.kept.taken) == ([], ())
                still_open, gone = [], set()
            else:
                left = [number for number in still_open if number not in numbers]
                new = [number for number in numbers if number not in still_open]
                assert numbers == still_open[: len(still_open) - len(left)] + new, "those on top leave, one comes"
                assert len(new) <= 1
                assert not (new and left)
                assert not gone & {*numbers}
                # A frame leaves when nothing is missing in it, or it is given up, and its result stands below.
                told = sum(len(frame.results) for frame in stack.frames)
                was = sum(len(frame.results) for frame in before.frames)
                assert told > was or left or new
                gone |= {*left}
                returned += len(left)
                assert len(env.kept.taken) == len({*env.kept.taken}) <= MOST_CALLS
            still_open, before = numbers, stack
            deepest = max(deepest, depth(stack))
            assert all(tools.missing(stack, frame.task.expression) for frame in stack.frames[1:]), "else it returned"
    assert deepest == nesting
    assert returned > 5


def test_a_calculation_of_what_is_missing_opens_a_frame_that_returns_by_itself():
    env = ToolboxEnv()
    observation, info = at(env, Kind.NESTED)
    one, other = env.view.question.words
    expression = f"price of the {one} + price of the {other}"
    start = observation["scene"]
    observation, reward, info = take(env, info, f"calculate: {expression}")
    assert reward == -0.05
    missing = f"price of the {one}, price of the {other}"
    assert observation["scene"] == f"{start} To calculate: {expression}. Missing: {missing}."
    assert {*legal(info)} == {f"search: price of the {one}", f"search: price of the {other}", "give up"}
    observation, reward, info = take(env, info, f"search: price of the {other}")
    assert reward == -0.1
    price = int(
        re.search(rf"Missing: price of the {one}\. The price of the {other} is (\d+)\.$", observation["scene"])[1]
    )
    observation, reward, info = take(env, info, f"search: price of the {one}")
    [total] = re.findall(r"\? price of the \w+ \+ price of the \w+ = (\d+)\.$", observation["scene"])
    assert int(total) == price + int(dict(env.view.question.facts)[f"price of the {one}"])
    assert f"say {total}" in legal(info)
    assert observation["scene"].startswith(start)
    assert {*legal(info)} == {*map(text.say, env.view.question.answers)}, "everything was used"
    _, reward, _ = take(env, info, f"say {total}")
    assert reward == 1.0


def test_what_was_found_before_is_not_missing():
    """Both prices first, then the calculation: the same calls, and no frame stays open."""
    env = ToolboxEnv()
    _, info = at(env, Kind.NESTED)
    for topic in env.view.question.topics:
        _, _, info = take(env, info, f"search: {topic}")
    assert not depth(env.kept.stack)
    observation, reward, info = take(env, info, legal_one(info, "calculate"))
    assert reward == -0.05
    assert depth(env.kept.stack) == 0
    assert observation["scene"].endswith(f" = {env.view.question.answers[env.view.question.right]}.")


def test_what_was_found_is_cleared_at_the_answer():
    """Notes, frames and used phrases; the next scene is that of somebody who used nothing."""
    env, other = ToolboxEnv(), ToolboxEnv()
    for kind in (Kind.FRESH, Kind.NESTED, Kind.RUMOUR):
        _, info = at(env, kind)
        at(other, kind)
        _, _, info = take(env, info, legal_one(info, "search"))
        assert env.kept.stack != other.kept.stack
        np.testing.assert_equal(env.step(0)[0], other.step(0)[0])
        assert (env.kept.stack, env.kept.taken) == (other.kept.stack, ())


def test_what_is_given_up_returns_nothing_and_is_not_begun_again():
    env = ToolboxEnv(nesting=2)
    before, info = at(env, Kind.NESTED)
    _, _, info = take(env, info, legal_one(info, "calculate"))
    observation, reward, info = take(env, info, "give up")
    assert reward == 0.0
    assert observation["scene"] == f"{before['scene']} {env.view.question.expression}: given up."
    assert {*legal(info)} == {*map(text.say, env.view.question.answers), *map(text.search, env.view.question.topics)}
    assert env.kept.stack.opened == 1


def test_the_depth_is_limited(monkeypatch):
    """With room for two frames a third calculation is masked, and the way out is to give up."""
    monkeypatch.setattr(tools, "MOST_DEPTH", 2)
    env = ToolboxEnv(nesting=3)
    _, info = at(env, Kind.NESTED)
    while True:
        if depth(env.kept.stack) == 2 and [*legal(info)] == ["give up"]:
            break
        begins = next(p for p in legal(info) if p.startswith(("calculate", "search")))
        _, _, info = take(env, info, begins)
        assert depth(env.kept.stack) <= 2
    [masked] = [phrase for phrase in info["actions"] if phrase.startswith("calculate")]
    assert env.kept.stack.opened == 2
    env.step(info["actions"].index(masked))
    assert env.kept.stack.opened == 2
    _, _, info = take(env, info, "give up")
    assert depth(env.kept.stack) == 1


def test_from_inside_a_frame_snapshots_go_on_as_if_nothing_had_been():
    """Equal situations by different ways have equal snapshots' states and hashes; restored, all goes on alike."""
    env, other = ToolboxEnv(nesting=2), ToolboxEnv(nesting=2)
    at(env, Kind.NESTED)
    at(other, Kind.NESTED)
    while env.view.question.kind == Kind.NESTED:
        here = env.snapshot()
        first, _ = other.restore(here)
        assert (other.snapshot(), hash(other.snapshot())) == (here, hash(here))
        np.testing.assert_equal(first, env.restore(here)[0])
        action = player.action(env)
        one, *rest = env.step(action)
        two, *again = other.step(action)
        np.testing.assert_equal((one, rest), (two, again))
        assert hash(env.snapshot()) == hash(other.snapshot())
    assert here.own.kept.stack.opened == 2


def test_a_calculator_that_fails_says_so_and_the_frame_returns(monkeypatch):
    def refuse(expression):
        raise CalculatorError("the number is too large")

    monkeypatch.setattr(tools.calculator, "calculate", refuse)
    env = ToolboxEnv()
    _, info = at(env, Kind.SUM)
    phrase = legal_one(info, "calculate")
    observation, reward, info = take(env, info, phrase)
    assert observation["scene"].endswith(f"? {phrase} failed: the number is too large.")
    assert (reward, depth(env.kept.stack), env.kept.stack.opened) == (-0.05, 0, 1)
    assert {*map(text.say, env.view.question.answers)} < {*legal(info)}


# Searches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", list(WORDS))
@pytest.mark.parametrize("nesting", [1, 3])
def test_the_search_finds_what_there_is(split, nesting):
    """Of everything that a question can need, the best document says it, and that of nothing else does."""
    for question in questions(split, nesting, 25):
        for topic, value in question.facts:
            found = documents.search(split, question, topic)
            assert (found.topic, found.value) == (topic, value)
            assert all(part.split()[-1] in found.words for part in value.split(" + "))
            others = [it for it in documents.documents(split, question) if it.topic == topic]
            assert others == [found]


def test_what_is_not_there_is_not_found():
    env = ToolboxEnv()
    for seed in range(99):
        _, info = at(env, Kind.SUM, seed)
        observation, reward, info = take(env, info, legal_one(info, "search"))
        expression = env.view.question.expression
        if observation["scene"].endswith(f" Nothing was found about {expression}."):
            assert reward == -0.1
            return
    raise AssertionError("every number was the price of something")


def test_searching_misleads_about_rumours_and_about_nothing_else():
    """In 80 % (within four standard deviations), and then the wrong answer is on offer."""
    for split in WORDS:
        rumours = [it for it in questions(split) if it.kind == Kind.RUMOUR]
        said = [dict(it.facts)[it.words[0]] for it in rumours]
        assert all(who in it.answers for who, it in zip(said, rumours, strict=True))
        wrong = np.mean([who != it.answers[it.right] for who, it in zip(said, rumours, strict=True)])
        assert wrong == pytest.approx(MISLEADS, abs=4 * (MISLEADS * (1 - MISLEADS) / len(rumours)) ** 0.5)
        for it in questions(split, 1, 40):
            if it.kind in (Kind.HABIT, Kind.FRESH):
                assert it.facts[0][1] == it.answers[it.right]


# Questions ------------------------------------------------------------------------------------------------------------


def test_sessions_never_change():
    """Numbers are part of results, so their meaning is pinned; level and length change nothing else."""
    told = [tuple(session(Plan(split, 10, (1.0,)), number)) for split in WORDS for number in range(50)]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == DIGEST
    for number in range(10):
        here = session(PLAN, number)
        assert session(Plan("train", 30, (1.0, 16.0)), number).questions[:10] == here.questions
        nested = session(Plan("train", 10, (1.0,), 3), number)
        pairs = zip(here.questions, nested.questions, strict=True)
        assert all((it == other) == (it.kind != Kind.NESTED) for it, other in pairs)
        assert all(it.answers == other.answers for it, other in zip(here.questions, nested.questions, strict=True))
    assert {session(Plan("train", 1, (1.0, 16.0)), number).level for number in range(30)} == {1.0, 16.0}


DIGEST = "0cd9b3933b3f0d05"


def test_words():
    """Splits share no word of what is fresh; a habit or rumour is the same in both; 20 and 12 of them."""
    train, test = ({*w.things, *sum(w.values.values(), ())} for w in WORDS.values())
    assert not train & test
    fixed = {*HABITS, *PLACES, *PEOPLE}
    assert not fixed & (train | test)
    assert (len(HABITS), len(RUMOURS)) == (20, 12)
    assert {*HABITS.values()} == {*PLACES}
    assert {*RUMOURS.values()} <= {*PEOPLE}
    assert all(len(values) >= N_ANSWERS for words in WORDS.values() for values in words.values.values())
    truths = {split: {} for split in WORDS}
    for split in WORDS:
        for it in questions(split):
            if it.kind in (Kind.HABIT, Kind.RUMOUR):
                assert truths[split].setdefault(it.words, it.answers[it.right]) == it.answers[it.right]
    assert truths["train"] == truths["test"]
    assert len(truths["train"]) == 32


@pytest.mark.parametrize("split", list(WORDS))
def test_kinds_are_as_often_as_said_and_the_answers_on_offer_tell_nothing(split):
    """Kinds, places of the right answer and its rank among the sums, within four standard deviations."""
    asked = questions(split)
    kinds = Counter(it.kind for it in asked)
    for kind, share in SHARES.items():
        assert kinds[kind] == pytest.approx(share * len(asked), abs=4 * (share * (1 - share) * len(asked)) ** 0.5)
    for kind, place in itertools.product(Kind, range(N_ANSWERS)):
        share = np.mean([it.right == place for it in asked if it.kind == kind])
        assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / kinds[kind]) ** 0.5)
    sums = [it for it in asked if it.kind in (Kind.SUM, Kind.NESTED)]
    for rank in range(N_ANSWERS):
        share = np.mean([sorted(map(int, it.answers))[rank] == int(it.answers[it.right]) for it in sums])
        assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / len(sums)) ** 0.5)
    for it in asked:
        assert len({*it.answers}) == N_ANSWERS
        if it.kind in (Kind.SUM, Kind.NESTED):
            numbers = sorted(map(int, it.answers))
            assert [b - a for a, b in itertools.pairwise(numbers)] == [STEP] * 3
            parts = it.words if it.kind == Kind.SUM else [value for _, value in it.facts]
            assert sum(map(int, parts)) == int(it.answers[it.right])
            assert all(100 <= int(part) <= 999 for part in parts)


def test_one_of_two_prices_leaves_all_candidates():
    """What remains to be the other price is one of three digits for each of them, but near the ends."""
    sums = [it for it in questions() if it.kind == Kind.NESTED]
    possible = []
    for it, (_, price) in itertools.chain.from_iterable(((it, fact) for fact in it.facts) for it in sums):
        possible.append(np.mean([100 <= int(answer) - int(price) <= 999 for answer in it.answers]))
    assert np.mean(possible) > 0.99


def test_the_kind_of_a_question_is_told_by_its_words_alone():
    begins = {Kind.HABIT: "Where do we keep the ", Kind.FRESH: "What is the ", Kind.NESTED: "What do the "}
    begins |= {Kind.RUMOUR: "Who "}
    env = ToolboxEnv()
    for kind in Kind:
        observation, _ = at(env, kind)
        question = observation["scene"].split(" left. ")[1]
        assert re.match(r"What is \d+ \+ \d+\?$" if kind == Kind.SUM else begins[kind], question)


# The vector, Python, settings, pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", [1, 2])
def test_the_vector_is_enough_for_the_best_play(nesting):
    """Equal vectors, equal best actions, wherever random play comes to; and it lies in its space."""
    env = ToolboxEnv(level=[1, 4, 8, 16], nesting=nesting)
    best, met = {}, 0
    for seed in range(25):
        for _, observation, *_, info in random_play(env, seed):
            assert env.observation_space.contains(observation)
            if "episode" not in info:
                met += 1
                action = player.action(env)
                assert info["action_mask"][action]
                assert best.setdefault(observation["vector"].tobytes(), action) == action
    assert len(best) < met, "some were met again"
    assert len({*best.values()}) > 6


def test_python_is_off_by_default_and_outside():
    """Its result and its failures are text; it is not run in simulations; its events bring the result back."""
    assert not any(phrase.startswith("python") for phrase in at(ToolboxEnv(), Kind.SUM)[1]["actions"])
    env = ToolboxEnv(python=True)
    _, info = at(env, Kind.SUM)
    phrase = f"python: print({env.view.question.expression})"
    env.sealed = True
    with pytest.raises(SealedError, match="python: print"):
        take(env, info, phrase)
    env.sealed = False
    answer = env.view.question.answers[env.view.question.right]
    observation, reward, after = take(env, info, phrase)
    assert observation["scene"].endswith(f"? Python prints {answer}.")
    assert (reward, env.kept.ran[Kind.SUM], after["events"][0]["note"]) == (-0.05, 1, answer)
    assert phrase not in legal(after)
    assert player.action(env) == env.view.question.right


def test_python_that_fails_is_told_and_paid_for(monkeypatch):
    def fail(code, limits):
        raise tools_error("it took more than 5 s")

    tools_error = type("PythonError", (RuntimeError,), {})
    monkeypatch.setattr(tools, "run_python", fail)
    env = ToolboxEnv(python=True)
    _, info = at(env, Kind.SUM)
    phrase = legal_one(info, "python")
    observation, reward, info = take(env, info, phrase)
    assert observation["scene"].endswith(f"? {phrase} failed: PythonError: it took more than 5 s")
    assert reward == -0.05
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize("name", ["toolbox", "toolbox_test"])
def test_conf(name):
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.gamma == config["gamma"]
    assert env.world_inside.plan == Plan("train" if name == "toolbox" else "test", 10, (1.0,))
    assert env.rules == optimum.Rules()
    assert config["optimum"] is None
    assert env.reset(seed=0)[1]["optimum"] == pytest.approx(9.2)


def test_states_look_different():
    env = ToolboxEnv(render_mode="rgb_array", nesting=3, session=4)
    frames, scenes = [], []
    for _, observation, *_ in itertools.islice(random_play(env, 1), 9):
        frames.append(env.render().tobytes())
        scenes.append(observation["scene"])
    assert len({*frames}) == len({*scenes})
    assert env.picture().shape == (330, 660, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "tests"}, ValueError, r"Unknown split 'tests'\. Did you mean 'test'"),
        ({"questions": 0}, ValueError, "questions=0, expected an int of 1 or more"),
        ({"questions": 1001}, ValueError, "questions is too large"),
        ({"level": -1}, ValueError, "level=-1, expected a finite number of 0 or more"),
        ({"level": []}, ValueError, "level holds 0 numbers, expected 1 to 100"),
        ({"level": [1, "4"]}, TypeError, "level='4'"),
        ({"search_cost": float("nan")}, ValueError, "search_cost=nan"),
        ({"calculation_cost": True}, TypeError, "calculation_cost=True"),
        ({"nesting": 4}, ValueError, "nesting is too large: expected an int of at most 3"),
        ({"nesting": 0}, ValueError, "nesting=0"),
        ({"python": "yes"}, TypeError, "python='yes', expected true or false"),
        ({"noise": 1.5}, ValueError, "noise=1.5, expected a number from 0 to 1"),
        ({"demonstrates": "best"}, ValueError, r"Unknown demonstrates 'best'.*'clean', 'noisy', 'mistaken'"),
        ({"session": -1}, ValueError, "session=-1, expected an int of 0 or more"),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ToolboxEnv(**arguments)


def test_a_system_without_limits_for_processes_is_told(monkeypatch):
    monkeypatch.setattr("twosome_envs.toolbox.env.is_available", lambda: False)
    ToolboxEnv()
    with pytest.raises(ValueError, match="python=true needs Unix's limits for processes"):
        ToolboxEnv(python=True)
