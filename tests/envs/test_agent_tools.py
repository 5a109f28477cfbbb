"""Laws of the real parts of an agent: tools made of functions, a database, a table from a file, advisers."""

import doctest
import io
import sys
import threading
import time

import gymnasium
import pytest
import twosome_envs.agent.advisers
import twosome_envs.agent.tools
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.agent import Agent, FunctionTool, SealedError
from twosome_envs.agent.advisers import AdviceError, Function, Person, meant, named
from twosome_envs.agent.csv_table import LONGEST, MOST_BYTES, MOST_ROWS, Table, TableError, read_csv, shown
from twosome_envs.agent.database import Database, quoted
from twosome_envs.agent.tools import within

SALAD = {"id": "twosome/TomatoSalad-v0"}
N = gymnasium.make(**SALAD).action_space.n


# Functions as tools ---------------------------------------------------------------------------------------------------


def with_tool(function, **kwargs):
    tool = FunctionTool("weather", ("look out", "look up"), function, **{"cost": 0.25, **kwargs})
    env = Agent(SALAD, (tool,), max_internal=9, max_note=100)
    env.reset()
    return env


def test_any_function_is_a_tool():
    env = with_tool(lambda phrase, state: f"{phrase}: {len(state.notes)} notes")
    observation, reward, _, _, info = env.step(N)
    assert observation["scene"].endswith("\nNote: look out: 0 notes")
    assert reward == -0.25
    assert info["events"] == ({"action": "weather", "slot": 0, "note": "look out: 0 notes"},)
    assert info["action_mask"][N:].tolist() == [False, True]
    assert env.step(N + 1)[0]["scene"].endswith("\nNote: look up: 1 notes")


def raising(phrase, state):
    raise OSError("no\nway")


@pytest.mark.parametrize(
    ("function", "note"),
    [
        (raising, "look out failed: OSError: no way"),
        (lambda *_: time.sleep(5), "look out failed: TimeoutError: no answer within 0.05 s"),
        (lambda *_: "x" * 10_000_000, "x" * 96 + " ..."),
        (lambda *_: " " * 10_000_000, "look out: nothing"),
        (lambda *_: None, "look out failed: TypeError: run() returned None (NoneType), expected the note as str"),
    ],
)
def test_a_tool_that_fails_is_noted_and_charged(function, note):
    """One that raises, hangs, or returns 10 MB or no text; the episode goes on."""
    env = with_tool(function, seconds=0.05)
    observation, reward, terminated, truncated, _ = env.step(N)
    assert observation["scene"].splitlines()[-1] == f"Note: {note}"
    assert (reward, terminated, truncated) == (-0.25, False, False)
    env.step(0)


def test_a_pure_function_runs_in_simulations_and_its_errors_are_the_programs():
    pure, outside = with_tool(lambda *_: "It rains.", is_external=False), with_tool(lambda *_: "It rains.")
    for env in (pure, outside):
        env.sealed = True
    assert pure.step(N)[0]["scene"].endswith("It rains.")
    with pytest.raises(SealedError):
        outside.step(N)
    with pytest.raises(OSError, match="no"):
        with_tool(raising, is_external=False).step(N)


def test_to_leave_the_program_is_no_failure_of_a_tool():
    with pytest.raises(SystemExit):
        with_tool(lambda *_: sys.exit("away")).step(N)


def test_a_limit_of_time_passes_results_and_errors_on():
    assert within(5, lambda: 3) == within(None, lambda: 3) == 3
    for seconds in (5, None):
        with pytest.raises(KeyError, match="x"):
            within(seconds, lambda: {}["x"])
    assert within(5, threading.current_thread) is not threading.current_thread()


# The database ---------------------------------------------------------------------------------------------------------

COLUMNS = ("name", 'we"ight', "colour")
ROWS = tuple((f"product {k}", k + 0.5, ("red", "blue", "o'brien; --")[k % 3]) for k in range(60))


@pytest.fixture(name="database")
def _database():
    return Database(Table(COLUMNS, ROWS))


def test_what_is_asked_is_what_the_table_says(database):
    for name, weight, colour in ROWS:
        assert database.value(name, 'we"ight') == weight
        assert database.value(name, "colour") == colour
        assert database.rows_with("colour", colour) == tuple(row[0] for row in ROWS if row[2] == colour)
    assert database.select("SELECT count(*) FROM products WHERE colour = ?", ("red",)) == ((20,),)
    assert database.select('SELECT name FROM products ORDER BY "we""ight" DESC LIMIT 1') == (("product 59",),)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE products",
        "DELETE FROM products",
        "INSERT INTO products VALUES ('x', 1, 'y')",
        "UPDATE products SET colour = 'x'",
        "CREATE TABLE other (x)",
        "CREATE TEMP TABLE other (x)",
        "ATTACH '/tmp/x' AS other",
        "VACUUM INTO '/tmp/x'",
        "PRAGMA query_only=OFF",
        "BEGIN",
        "",
        "VALUES (1)",
        "REINDEX",
        "EXPLAIN SELECT name FROM products LIMIT 1",
        "SELECTED",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pragma_table_info('products')",
        "SELECT load_extension('x')",
        "SELECT zeroblob(1000000000)",
        "SELECT name FROM products; DROP TABLE products",
        "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t",
        "SELECT count(*) FROM products a, products b, products c, products d",
        "SELECT a.name FROM products a, products b",
        "SELECT",
        "SELECT \0",
        "SELECT '\ud800'",
        "SELECT missing FROM products",
        "SELECT " + "name, " * 1000 + "name FROM products",
    ],
)
def test_whatever_is_more_than_a_small_select_is_refused(database, sql):
    """Before it runs, or when it has taken too much work; the table is as it was, and can still be asked."""
    with pytest.raises(TableError):
        database.select(sql)
    assert database.select("SELECT * FROM products") == ROWS


def test_work_is_counted_for_each_query_alone(database):
    for _ in range(300):
        assert database.select("SELECT count(*) FROM products a, products b") == ((3600,),)


def test_a_column_that_there_is_not_is_named(database):
    """SQLite itself would take the quoted name for a text."""
    with pytest.raises(TableError, match=r"no column 'size', but name, we\"ight, colour"):
        database.value("product 1", "size")
    with pytest.raises(TableError, match="no row 'x'"):
        database.value("x", "colour")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30), st.text(max_size=9))
def test_hostile_names_stay_names(name, odd):
    odd = odd.encode("utf-8", "ignore").decode().replace("\0", "")
    database = Database(Table(("key", "k" + name), ((odd, name), (odd + "x", "other"))))
    assert database.value(odd, "k" + name) == name
    assert database.rows_with("k" + name, "other") == (odd + "x",)
    assert quoted(name).count('"') % 2 == 0


# A table from a file --------------------------------------------------------------------------------------------------


def written(tmp_path, text):
    path = tmp_path / "products.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table_is_read_and_typed(tmp_path):
    text = '\ufeffname, price,code,"colour, main"\r\nlamp,19.90,007,red\r\n\r\n"cup, small",7,010,"blue"\n'
    table = read_csv(written(tmp_path, text))
    assert table.columns == ("name", "price", "code", "colour, main")
    assert table.rows == (("lamp", 19.9, "007", "red"), ("cup, small", 7, "010", "blue"))
    assert [shown(value) for value in table.column("price")] == ["19.9", "7"]
    assert table.column("code") == ("007", "010"), "a code is no number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("name,price\n", "has no rows"),
        ("name;price\nlamp;3\n", "line 1: one column.*separated by commas here, not by semicolons"),
        ("name,price\nlamp,3,4\n", "line 2: 3 cells, but 2 columns"),
        ("name,price\nlamp\n", "line 2: 1 cells, but 2 columns"),
        ("name,price\nlamp,\n", "line 2, column 'price': an empty cell"),
        ("name,Name\nlamp,3\n", r"line 1: The column 'Name' is there already \(line 1\)"),
        ("name,price\nlamp,3\ncup,4\nLAMP,5\n", r"line 4: The row 'LAMP' is there already \(line 2\)"),
        ("name,price\nlamp,a\tb\n", r"line 2, column 'price': 'a\\tb', expected printable text on one line"),
        ('name,price\nlamp,"a\nb"\n', r"line 3, column 'price'"),
        (f"name,price\nlamp,{'x' * (LONGEST + 1)}\n", f"of 1 to {LONGEST} characters"),
        ('name,price\nlamp,"3\n', "line 2: unexpected end of data"),
        (b"name,price\nlamp,3\nc\xfcp,4\n", "line 3: not UTF-8. Save the table as CSV with UTF-8"),
        (b"PK\x00\x01", "holds zero bytes"),
        ("name,price\n" + "lamp,3\n" * MOST_ROWS + "lamp,3\n", f"5,001 rows, expected at most 50 and {MOST_ROWS:,}"),
        (b"x" * (MOST_BYTES + 1), "larger than 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_csv(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path, "/dev/zero"):
        with pytest.raises(TableError, match="is no file"):
            read_csv(path)


# Advisers -------------------------------------------------------------------------------------------------------------

ANSWERS = ("soap", "soapy water", "2")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("soap", "soap"),
        (" SOAP\n", "soap"),
        ("soapy", "soapy water"),
        ("Soapy  water", "soapy water"),
        ("1", "soap"),
        ("2", "2"),
        ("3", "2"),
        ("Soap.", "soap"),
        (' "soapy water"! ', "soapy water"),
        ("1.", "soap"),
    ],
)
def test_an_answer_is_meant_by_its_words_their_beginning_or_its_number(said, answer):
    assert meant(said, ANSWERS) == answer


def test_an_answer_that_has_signs_of_its_own_is_meant_with_them():
    assert meant("no.", ("no.", "no")) == "no."


@pytest.mark.parametrize("said", ["", " \n", "...", "so", "oil", "0", "4", "-1", "²", "9" * 5000, None, 3, "x" * 10**7])
def test_any_other_answer_is_none(said):
    with pytest.raises(AdviceError) as error:
        meant(said, ANSWERS)
    assert len(str(error.value)) < 200


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_person_is_shown_the_question_and_says_a_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("2\n\n"))
    person = Person()
    assert person("Why?", ANSWERS) == "2\n"
    assert person("Why?", ANSWERS) == "\n"
    with pytest.raises(EOFError, match="ended"):
        person("Why?", ANSWERS)
    assert capsys.readouterr().out.count("The adviser is asked: Why?\n  1 soap\n  2 soapy water\n  3 2\nadviser> ") == 3
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(EOFError, match="no input"):
        person("Why?", ANSWERS)


def test_silence_at_a_terminal_ends(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("soap\n"))
    waited = []
    for ready in ([], [sys.stdin]):
        monkeypatch.setattr("select.select", lambda *args, r=ready: (waited.append(args), (r, [], []))[1])
        if ready:
            assert Person(0.5)("Why?", ANSWERS) == "soap\n"
        else:
            with pytest.raises(TimeoutError, match=r"within 0\.5 s"):
                Person(0.5)("Why?", ANSWERS)
    assert [args[3] for args in waited] == [0.5, 0.5]


def test_a_function_is_an_adviser_with_a_limit():
    assert Function(lambda question, answers: answers[1])("Why?", ANSWERS) == "soapy water"
    with pytest.raises(TimeoutError):
        Function(lambda question, answers: time.sleep(5), 0.05)("Why?", ANSWERS)


def test_a_function_by_its_name():
    assert named("os.path:join") is __import__("os").path.join
    for wrong in ("no_such_module:f", "os:no_such_name", "os:", ":x"):
        with pytest.raises(ValueError, match=f"adviser='{wrong}' cannot be imported"):
            named(wrong)
    with pytest.raises(ValueError, match="is str, expected a function"):
        named("os:sep")


@pytest.mark.parametrize("module", [twosome_envs.agent.tools, twosome_envs.agent.advisers])
def test_the_docstrings_run(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
