"""Laws of the Python tool: what is bounded is bounded, and whoever looks sees why. SECURITY.md says what it is not."""

import contextlib
import os
import subprocess
import time

import pytest
from twosome_envs.agent import python_tool
from twosome_envs.agent.python_tool import LONGEST, PythonError, PythonLimits, run_python

pytestmark = pytest.mark.skipif(not python_tool.is_available(), reason="only Unix has limits for processes")
LIMITS = PythonLimits(seconds=20.0, output=500)
SHORT = PythonLimits(seconds=0.5)


def test_what_is_printed_comes_back(monkeypatch):
    """From an empty folder, without this process's environment and packages."""
    monkeypatch.setenv("SECRET", "1")
    said = "print(open('a').read(), 347 + 268, os.listdir(), 'SECRET' in os.environ)"
    code = f"import os\nopen('a', 'w').write('hi')\n{said}"
    assert run_python(code, LIMITS) == "hi 615 ['a'] False\n"
    assert run_python("", LIMITS) == ""
    with pytest.raises(PythonError, match="ModuleNotFoundError: No module named 'numpy'"):
        run_python("import numpy", LIMITS)


FAILS = {
    "1/0": "ZeroDivisionError: division by zero",
    "print(": "SyntaxError: '\\(' was never closed",
    "x = bytearray(1 << 30)": "MemoryError",
    "import os\nos.fork()": "PermissionError: os.fork is not allowed here",
    "import subprocess, sys\nsubprocess.run([sys.executable])": "PermissionError: subprocess.Popen is not allowed here",
    "import socket\nsocket.socket()": "PermissionError: socket.__new__ is not allowed here",
    "print('x' * 10 ** 7)": "it printed more than 500 characters: xxx",
    "open('a', 'w').write('x' * 10 ** 7)": "OSError: .* File too large",
    "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1, 1))": "PermissionError: resource.setrlimit",
    "import os\nos.kill(1, 9)": "PermissionError: os.kill",
    "raise SystemExit(3)": "exit status 3",
    "import os\nos.abort()": "it was ended by signal 6",
}


@pytest.mark.parametrize("code", list(FAILS), ids=lambda it: it[-20:])
def test_what_fails_or_is_too_much_is_told(code):
    with pytest.raises(PythonError, match=FAILS[code]):
        run_python(code, LIMITS)


@pytest.mark.parametrize("mode", ["w", "a", "r+", "x"])
def test_nothing_is_written_outside_of_the_folder(tmp_path, mode):
    path = tmp_path / "kept"
    path.write_text("kept")
    for where in (path, tmp_path / "new"):
        with pytest.raises(PythonError, match=r"writing outside of the folder|FileNotFoundError"):
            run_python(f"open({str(where)!r}, {mode!r})", LIMITS)
    create = f"os.open({str(tmp_path / 'new')!r}, os.O_CREAT)"
    for call in (
        create,
        f"os.remove({str(path)!r})",
        f"os.rename({str(path)!r}, 'here')",
        f"os.truncate({str(path)!r}, 0)",
    ):
        with pytest.raises(PythonError, match="writing outside of the folder is not allowed"):
            run_python(f"import os\n{call}", LIMITS)
    assert [it.name for it in tmp_path.iterdir()] == ["kept"]
    assert path.read_text() == "kept"


@pytest.mark.parametrize(
    "code",
    ["while True: pass", "import time\ntime.sleep(60)", "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(60)"],
)
def test_what_never_ends_is_ended(code):
    before = time.monotonic()
    with pytest.raises(PythonError, match=r"it took more than 0\.5 s|it was ended by signal"):
        run_python(code, SHORT)
    assert time.monotonic() - before < 30


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    """No folder, no process, whether it went well or not."""
    begun, begin = [], subprocess.Popen
    monkeypatch.setattr(python_tool.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(python_tool.subprocess, "Popen", lambda *a, **kw: begun.append(begin(*a, **kw)) or begun[-1])
    for code in ("open('a', 'w').write('x')", "import time\nopen('a', 'w').write('x'); time.sleep(60)"):
        with contextlib.suppress(PythonError):
            run_python(code, SHORT)
        assert [*tmp_path.iterdir()] == []
    assert len(begun) == 2
    for process in begun:
        assert process.returncode is not None
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_code_that_is_too_long_is_refused():
    for code in ("#" * (LONGEST + 1), "\0"):
        with pytest.raises(PythonError, match=f"expected code of at most {LONGEST} characters"):
            run_python(code)


def test_a_system_without_limits_is_told(monkeypatch):
    monkeypatch.setattr(python_tool, "resource", None)
    with pytest.raises(PythonError, match="this system cannot limit"):
        run_python("print(1)")
