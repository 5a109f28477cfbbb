"""What is printed: text of others is shown and not obeyed, and an output that fails ends nothing."""

import doctest
import io
import json
import logging
import os
import subprocess
import sys

import pytest
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from tests.training.small_run import SMALL
from twosome import terminal

HOSTILE = "\x1b[2J\x1b]0;pwned\x07\r\x9b31m\u202e\ud800\x00"
FORBIDDEN = set("\x1b\x07\r\x9b\u202e\ud800\x00")


def test_the_examples_run():
    assert doctest.testmod(terminal).failed == 0


def test_ordinary_text_stays_as_it_is():
    text = "Grüße, 你好 🙂\n\tزبان — ‘x’ [bold] :smile: \\x1b"
    assert terminal.printable(text) == text
    assert not FORBIDDEN & set(terminal.printable(HOSTILE))


@pytest.mark.parametrize("make", [str, Text, lambda text: Text(text, style="bold"), lambda text: [text]])
def test_a_console_obeys_no_text(make):
    out = io.StringIO()
    terminal.Console(file=out, width=200).print(make(HOSTILE + "[red]:smile:[/] shown"))
    assert not FORBIDDEN & set(out.getvalue())
    assert "[red]:smile:[/] shown" in out.getvalue()


def test_nor_of_a_table_or_a_bar():
    out = io.StringIO()
    console = terminal.Console(file=out, width=200)
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(f"[/x] {HOSTILE}")
    console.print(table)
    assert not FORBIDDEN & set(out.getvalue())
    assert "[/x]" in out.getvalue()


def test_colours_of_our_own_are_kept():
    out = io.StringIO()
    console = terminal.Console(file=out, width=80, force_terminal=True, color_system="standard")
    console.print(Text("red", style="red"))
    with Progress(console=console) as bar:
        bar.add_task("x\x1b[2J")
    assert "\x1b[31mred" in out.getvalue()
    assert r"x\x1" in out.getvalue()
    assert "x\x1b" not in out.getvalue()


def test_warnings_are_printed_the_same_way(capsys):
    logger = logging.getLogger("twosome.test_terminal")
    logger.propagate = False  # without pytest's own handlers, as in a command
    with terminal.protected():
        logger.warning("An episode is dropped: %s", HOSTILE)
    said = capsys.readouterr().err
    assert "An episode is dropped" in said
    assert not FORBIDDEN & set(said)


@pytest.mark.parametrize("error", [OSError(28, "No space left"), BrokenPipeError(), ValueError("closed file")])
def test_an_outlet_survives_its_stream(error):
    class Broken:
        def write(self, text=""):
            raise error

        flush = write

    outlet = terminal.Outlet(Broken())
    assert outlet.write("abc") == 3
    terminal.Console(file=outlet).print("abc")
    terminal.Outlet(None).write("abc")


def command(place, *more):
    line = [*SMALL, "method=tabular", "total_steps=64", f"run_dir={place}", *more]
    return [sys.executable, "-m", "twosome.train", *line]


@pytest.mark.parametrize("output", ["full", "closed", "a pipe without reader", "ascii"])
def test_a_run_outlives_its_output(tmp_path, output):
    run, environment = tmp_path / "[x] run ü", {**os.environ, "OMP_NUM_THREADS": "1"}
    line = command(f"'{run}'")
    if output == "full":
        with open("/dev/full", "w") as full:
            done = subprocess.run(line, stdout=full, stderr=full, env=environment, timeout=300)
    elif output == "closed":
        quoted = " ".join(f'"{part}"' for part in line)
        done = subprocess.run(["sh", "-c", f"{quoted} >&- 2>&-"], env=environment, timeout=300)
    elif output == "ascii":
        environment |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        done = subprocess.run(line, env=environment, timeout=300, capture_output=True)
        assert b"[x] run \\xfc" in done.stdout
    else:
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(line, stdout=write, stderr=write, env=environment, timeout=300)
        os.close(write)
    assert done.returncode == 0
    assert json.loads((run / "summary.json").read_text())["env_steps"] == 64
