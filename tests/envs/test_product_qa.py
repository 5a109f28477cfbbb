"""Laws of ProductQA: the reader of its folders, and the world of its questions. The folders are made here."""

import copy
import json
from collections import Counter

import gymnasium
import pytest
from gymnasium.envs.registration import register, registry
from twosome_envs.agent import SealedError
from twosome_envs.agent.csv_table import TableError
from twosome_envs.desk import product_qa, text
from twosome_envs.desk.product_qa import Item, read_folder
from twosome_envs.desk.product_qa_env import MOST_LOOK_UPS, ProductQAEnv
from twosome_envs.desk.product_qa_world import MOST_FINDS, asked

from tests.envs import test_contract as contract
from tests.envs.desks import legal, random_play, take

LAMPS = """name,brand,colour,weight
Vela lamp,Vela,red,2 kg
Nomi lamp,Nomi,dark blue,
Orso lamp,Vela,dark blue,3 kg
Pita lamp,red,Vela,1 kg
"""
QUESTIONS = [
    {"question": "Is it bright?", "short_answer": "yes", "long_answer": "Yes, it is.", "type": "reasoning"},
    {"Question": "Does it flicker?", "Short Answer": "no", "Question-Type": "Reasoning", "Product_ID": "vela LAMP"},
    {"question": "What does it weigh?", "short_answer": "2 kg", "type": "fact", "product_id": "Vela lamp"},
    {"question": "Who makes it?", "short_answer": "Nomi", "type": "fact", "product_ids": ["Nomi lamp", "Lost lamp"]},
    {"question": "How long is its cord?", "short_answer": "a metre", "type": "fact", "products": ["Orso lamp"]},
    {"question": "A DARK-BLUE one by Vela?", "short_answer": "Orso lamp", "type": "search", "votes": 3},
    {"question": "I need a red one.", "short_answer": "Vela lamp", "type": "recommendation", "product_id": None},
]
CHAIRS = "id,height\n" + "".join(f"chair {k},{k} cm\n" for k in range(40))
CHAIR_QUESTIONS = [
    {"question": f"How high is number {k}?", "short_answer": f"{k} cm", "type": "fact", "product_id": f"chair {k}"}
    for k in range(40)
]


def lines(items):
    return "\n".join(map(json.dumps, items)) + "\n"


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """Two groups, one with its questions in two files."""
    for name, table, files in (
        ("lamps", LAMPS, {"1.jsonl": lines(QUESTIONS[:4]), "2.JSONL": "\ufeff\n" + lines(QUESTIONS[4:])}),
        ("chairs", CHAIRS, {"qa.jsonl": lines(CHAIR_QUESTIONS)}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.csv").write_text(table)
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("What this is.")
    return tmp_path


# The reader -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_read(folder):
    (folder / "lamps" / "2.JSONL").write_text(lines(QUESTIONS[4:]), encoding="utf-8-sig")
    chairs, lamps = read_folder(folder)
    assert (chairs.name, lamps.name) == ("chairs", "lamps")
    assert lamps.table.columns == ("name", "brand", "colour", "weight")
    assert lamps.table.rows[1] == ("Nomi lamp", "Nomi", "dark blue", "")
    assert lamps.items == (
        Item("Is it bright?", "yes", "Yes, it is.", "reasoning", ()),
        Item("Does it flicker?", "no", "", "reasoning", (0,)),
        Item("What does it weigh?", "2 kg", "", "fact", (0,)),
        Item("Who makes it?", "Nomi", "", "fact", (1,)),
        Item("How long is its cord?", "a metre", "", "fact", (2,)),
        Item("A DARK-BLUE one by Vela?", "Orso lamp", "", "recommendation", ()),
        Item("I need a red one.", "Vela lamp", "", "recommendation", ()),
    )
    assert [group.name for group in read_folder(str(folder), ["lamps"])] == ["lamps"]
    assert len(chairs.askable) == 40


def test_what_is_long_is_cut(folder):
    more = [{**QUESTIONS[0], "question": "why " * 900, "short_answer": "so " * 900, "long_answer": "x" * 9000}]
    (folder / "lamps" / "3.jsonl").write_text(lines(more))
    (folder / "lamps" / "metadata.csv").write_text(LAMPS.replace("2 kg", "heavy " * 90))
    lamps = read_folder(folder, ["lamps"])[0]
    item = lamps.items[-1]
    assert len(item.question) <= product_qa.LONGEST_QUESTION
    assert len(item.answer) <= product_qa.LONGEST_ANSWER
    assert len(item.long_answer) <= product_qa.LONGEST_TEXT
    assert len(lamps.table.rows[0][3]) <= product_qa.LONGEST_NAME
    for _, observation, *_ in random_play(ProductQAEnv(folder, ["lamps"]), 0):
        assert len(observation["scene"]) < 4000


GOOD = json.dumps(QUESTIONS[0])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metadata.csv", None, r"holds 0 tables \(\.csv\) and 2 files"),
        ("other.csv", LAMPS, r"holds 2 tables"),
        ("metadata.csv", "name\nx\n", "1 columns and 1 rows, expected 2 to 50"),
        ("metadata.csv", "", "0 columns and 0 rows"),
        ("metadata.csv", "name,brand\n", "2 columns and 0 rows"),
        ("metadata.csv", "name,brand\na,b\nc\n", "line 3: 1 cells, but 2 columns"),
        ("metadata.csv", "name,brand,Brand\na,b,c\n", "line 1: the column 'Brand', expected a name that no other"),
        ("metadata.csv", "name,,x\na,b,c\n", "line 1: the column ''"),
        ("metadata.csv", "name,x\na,b\nc,d\nA,e\n", "line 4: the product 'A', expected a name that no other product"),
        ("metadata.csv", "name,x\n,b\n", "line 2: the product ''"),
        ("metadata.csv", 'name,x\n"a,b\n', "line 2: unexpected end of data"),
        ("metadata.csv", b"name,x\n\xff,b\n", "line 2: not UTF-8"),
        ("metadata.csv", b"x" * (product_qa.MOST_BYTES + 1), "larger than 16,777,216 bytes"),
        ("metadata.csv", "brand,name\nVela,Vela lamp\nNomi,Nomi lamp\n", r"is in the first column of .*\('brand'\)"),
        ("1.jsonl", f"{GOOD}\n{{\n", "line 2: no JSON in UTF-8"),
        ("1.jsonl", b'{"question": "\xff"}', "line 1: no JSON in UTF-8"),
        ("1.jsonl", "[" * 60_000, "line 1: no JSON in UTF-8"),
        ("1.jsonl", "[1]\n", "line 1: list, expected an object with the fields"),
        ("1.jsonl", "x" * (product_qa.LONGEST_LINE + 1), "line 1: longer than 65,536 bytes"),
        ("1.jsonl", '{"short_answer": "x", "type": "fact"}', "line 1: question is None, expected a text"),
        (
            "1.jsonl",
            '{"question": "x", "short_answer": 3, "type": "fact"}',
            "line 1: short_answer is 3, expected a text",
        ),
        ("1.jsonl", '{"question": "x", "short_answer": " ", "type": "fact"}', "short_answer is ' ', expected a text"),
        ("1.jsonl", GOOD.replace('"Yes, it is."', "[]"), r"long_answer is \[\], expected a text"),
        ("1.jsonl", GOOD.replace("reasoning", "guess"), "the type is 'guess', expected one of fact, reasoning"),
        ("1.jsonl", GOOD.replace("}", ', "products": [3]}'), "product_id holds what is no text"),
        ("1.jsonl", GOOD.replace("}", ', "products": 3}'), "product_id holds what is no text"),
    ],
)
def test_what_is_not_of_the_form_is_named_with_its_place(folder, file, content, message):
    path = folder / "lamps" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TableError, match=message):
        read_folder(folder)


def test_a_folder_that_holds_nothing_to_ask_is_named(folder, tmp_path):
    with pytest.raises(TableError, match="cannot be read"):
        read_folder(folder / "README.md")
    with pytest.raises(TableError, match="cannot be read"):
        read_folder(folder / "none")
    with pytest.raises(TableError, match="holds 0 folders"):
        read_folder(folder / "lamps")
    with pytest.raises(TableError, match="no group 'lamp', but chairs, lamps"):
        read_folder(folder, ["lamp"])
    for path in (folder / "lamps").glob("*.[jJ]*"):
        path.write_text(lines([QUESTIONS[0], {**QUESTIONS[0], "short_answer": "YES"}]))
    with pytest.raises(TableError, match="no two questions of one type whose short answers differ"):
        read_folder(folder)


# The contract of all worlds -------------------------------------------------------------------------------------------

ID = "ProductQAOfATest-v0"


@pytest.fixture(name="env")
def _env(folder, monkeypatch):
    register(ID, "twosome_envs.desk.product_qa_env:ProductQAEnv", kwargs={"data": str(folder), "questions": 6})
    monkeypatch.setattr(contract, "DRAWN", {ID})
    try:
        yield gymnasium.make(ID)
    finally:
        del registry[ID]


@pytest.mark.parametrize(
    "law",
    [
        contract.test_observation_and_info,
        contract.test_episode_statistics,
        contract.test_arrays_are_not_shared,
        contract.test_same_actions_same_transcript,
        contract.test_snapshot_and_restore,
        contract.test_snapshots_and_copies,
        contract.test_cleared_caches_change_nothing,
        contract.test_a_step_out_of_order_is_named,
    ],
)
def test_the_contract(env, law):
    law(env)


def test_the_rest_of_the_contract(env, monkeypatch):
    for mode in (None, "rgb_array", "ansi"):
        contract.test_check_env(ID, mode)
    for wrong in (-1, 10**6, 0.0, "0", None, True):
        contract.test_a_wrong_action_is_named(env, wrong)
    contract.test_the_seed_draws_the_start(ID)
    contract.test_frames(ID)
    contract.test_ansi(ID)
    contract.test_everything_is_computed_again_after_the_caches_are_cleared(env, monkeypatch)


# The world ------------------------------------------------------------------------------------------------------------


def test_every_question_comes_once_before_one_comes_again_and_the_right_answer_stands_anywhere(folder):
    env = ProductQAEnv(folder, ["lamps"], questions=14, answers=3)
    items = Counter(env.questions.plan.groups[0].askable)
    places = Counter()
    for seed in range(20):
        env.reset(seed=seed)
        questions = env.questions.session.questions
        assert Counter(question.item for question in questions[:7]) == items
        assert Counter(question.item for question in questions) == items + items
        for question in questions:
            same = {item.answer for item in items if item.kind == question.item.kind}
            assert question.answers[question.right] == question.item.answer
            assert len({*question.answers}) == len(question.answers) == min(3, len(same))
            assert {*question.answers} <= same
            places[question.right] += len(question.answers) == 3
    assert min(places[k] for k in range(3)) > 25, places


def test_the_table_is_looked_up(folder):
    """Every entry of the products that the question is about, and no empty one."""
    env = ProductQAEnv(folder, ["lamps"], questions=7)
    rows = [line.split(",") for line in LAMPS.splitlines()]
    _, info = env.reset(seed=0)
    while (question := env.questions.question) is not None:
        known = {
            f"look up the {column} of the {rows[1 + row][0]}": f"The {column} of the {rows[1 + row][0]} is {entry}."
            for row in question.item.products
            for column, entry in list(zip(rows[0], rows[1 + row], strict=True))[1:]
            if entry
        }
        assert [*known] == [phrase for phrase in legal(info) if phrase.startswith("look up")]
        for phrase, found in known.items():
            observation, reward, info = take(env, info, phrase)
            assert observation["scene"].endswith(found)
            assert reward == -0.02
            assert phrase not in legal(info)
        info = env.step(0)[-1]
    assert info["tally"]["looked_up"] == 3 + 3 + 2 + 3, (
        "of two questions about the first lamp, and one about each other"
    )


def test_a_copy_of_the_world_has_the_data_in_common(folder):
    env = ProductQAEnv(folder)
    assert copy.deepcopy(env).questions.plan.groups[0] is env.questions.plan.groups[0]


def test_what_a_question_names_is_found(folder):
    env = ProductQAEnv(folder, ["lamps"], questions=7)
    _, info = env.reset(seed=0)
    seen = {}
    while (question := env.questions.question) is not None:
        finds = [phrase for phrase in legal(info) if phrase.startswith("find")]
        for phrase in finds:
            observation, _, info = take(env, info, phrase)
            seen[question.item.question, phrase] = observation["scene"].partition(question.item.question)[2]
        info = env.step(0)[-1]
    assert seen == {
        ("A DARK-BLUE one by Vela?", "find one whose colour is dark blue"): (
            " The colour is dark blue: Nomi lamp, Orso lamp."
        ),
        ("A DARK-BLUE one by Vela?", "find one whose brand is Vela"): (
            " The colour is dark blue: Nomi lamp, Orso lamp. The brand is Vela: Vela lamp, Orso lamp."
        ),
        ("A DARK-BLUE one by Vela?", "find one whose colour is Vela"): (
            " The colour is dark blue: Nomi lamp, Orso lamp. The brand is Vela: Vela lamp, Orso lamp."
            " The colour is Vela: Pita lamp."
        ),
        ("I need a red one.", "find one whose colour is red"): " The colour is red: Vela lamp.",
        ("I need a red one.", "find one whose brand is red"): (
            " The colour is red: Vela lamp. The brand is red: Pita lamp."
        ),
    }


def test_menus_are_bounded(folder):
    """However wide the table, however much a question names, however many rows share an entry."""
    columns = [f"c{k}" for k in range(49)]
    head = ",".join(["name", *columns])
    table = "\n".join([head, *(",".join([f"p{k}", *(f"v{c}" for c in columns)]) for k in range(20))])
    (folder / "lamps" / "metadata.csv").write_text(table)
    words = " ".join(f"v{c}" for c in columns)
    items = [
        {"question": f"{words}?", "short_answer": str(k), "type": "search", "products": ["p0", "p1"]} for k in range(2)
    ]
    for path in (folder / "lamps").glob("*.[jJ]*"):
        path.write_text(lines(items))
    env = ProductQAEnv(folder, ["lamps"], questions=1)
    _, info = env.reset(seed=0)
    phrases = [*legal(info)]
    assert sum(phrase.startswith("look up") for phrase in phrases) == MOST_LOOK_UPS
    assert sum(phrase.startswith("find") for phrase in phrases) == MOST_FINDS
    observation, _, _ = take(env, info, "find one whose c0 is vc0")
    assert observation["scene"].endswith("p0, p1, p2, p3, p4, p5, p6, p7 and 12 more.")


def test_who_always_asks_is_always_right_and_pays(folder):
    env = ProductQAEnv(folder, questions=12, cost=0.25)
    _, info = env.reset(seed=0)
    total = 0.0
    while "episode" not in info:
        observation, reward, info = take(env, info, text.ASK)
        advice = observation["scene"].rpartition(" Advice: ")[2].removesuffix(".")
        assert text.ASK not in legal(info)
        total += reward
        _, reward, info = take(env, info, text.say(advice))
        total += reward
    assert total == pytest.approx(12 * 0.75)
    assert info["success"]
    assert info["tally"] == {"looked_up": 0, "asked": 12, "noted": 0, "right": 12}


def test_what_is_noted_stands_in_the_scene_where_a_question_is_like_it(folder):
    """The second time round every question has its own answer in the scene, and asking is not needed."""
    env = ProductQAEnv(folder, ["lamps"], questions=14)
    observation, info = env.reset(seed=0)
    assert observation["scene"].startswith("Asking costs 0.3. No notes. 14 questions left.")
    for k in range(14):
        question = env.questions.question
        if k < 7:
            assert "note the answer" not in legal(info)
            _, _, info = take(env, info, text.ASK)
            observation, reward, info = take(env, info, "note the answer")
            assert reward == -0.02
            assert "note the answer" not in legal(info)
        noted = f"{min(k + 1, 7)} note{'s' * (k > 0)}. Noted: {asked(env.questions.session, question)} "
        assert observation["scene"].startswith(f"Asking costs 0.3. {noted}{question.item.answer}. ")
        observation, reward, info = take(env, info, text.say(question.item.answer))
        assert reward == 1.0
    assert info["tally"]["asked"] == info["tally"]["noted"] == 7


@pytest.mark.parametrize("is_charged", [True, False])
def test_an_adviser_outside_may_fail_and_is_not_asked_in_a_simulation(folder, is_charged):
    said = iter(["2", "ketchup"])
    adviser = lambda question, answers: next(said)  # noqa: E731
    env = ProductQAEnv(folder, adviser=adviser, charge_failures=is_charged)
    told = []
    _, info = env.reset(seed=0)
    for expected, price in (
        (f" Advice: {env.questions.question.answers[1]}.", 0.3),
        (" No advice: AdviceError: 'ketchup' is none of", 0.3 * is_charged),
        (" No advice: StopIteration:.", 0.3 * is_charged),
    ):
        observation, reward, info = take(env, info, text.ASK)
        told.append((observation["scene"], info["events"]))
        assert expected in observation["scene"]
        assert reward == -price
        assert ("note the answer" in legal(info)) == expected.startswith(" Advice: ")
        info = env.step(0)[-1]
    again = ProductQAEnv(folder, adviser=adviser)
    _, info = again.reset(seed=0, options={"events": [event for _, events in told for event in events]})
    for scene, _ in told:
        observation, _, info = take(again, info, text.ASK)
        assert observation["scene"] == scene
        info = again.step(0)[-1]
    again.sealed = True
    with pytest.raises(SealedError):
        take(again, info, text.ASK)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": 3}, TypeError, "data=3, expected the path of a folder"),
        ({"data": ""}, TypeError, "data='', expected the path of a folder"),
        ({"groups": "lamps"}, TypeError, "groups='lamps', expected a list"),
        ({"groups": []}, TypeError, r"groups=\[\], expected a list"),
        ({"groups": ["tables"]}, ValueError, "no group 'tables'"),
        ({"answers": 1}, ValueError, "answers=1, expected an int of 2 or more"),
        ({"answers": 257}, ValueError, "answers is too large"),
        ({"questions": 0}, ValueError, "questions=0"),
        ({"cost": -1}, ValueError, "cost=-1"),
        ({"adviser": "humna"}, ValueError, "Did you mean 'human'"),
        ({"render_mode": "rgb-array"}, ValueError, "Did you mean 'rgb_array'"),
    ],
)
def test_a_wrong_argument_is_named(folder, arguments, error, message):
    with pytest.raises(error, match=message):
        ProductQAEnv(**{"data": folder, **arguments})
