"""Every command and every program of the README runs. Long trainings are composed and checked; one short one is run."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
INLINE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))


def commands():
    """Lines that a reader would type, without their comments."""
    lines = [line.split("  #")[0].strip() for language, text in BLOCKS if not language for line in text.splitlines()]
    lines += INLINE
    starts = ("twosome-", ".venv/bin/twosome-", "python -m twosome", "make ")
    return sorted({line for line in lines if line.startswith(starts) and len(line.split()) > 1})


@pytest.fixture
def memory_folder(memory_run, tmp_path):
    """A run with a memory, and an export of that beside it; its commands change it."""
    from twosome.cli.memory import main

    folder = shutil.copytree(memory_run, tmp_path / "memory")
    main([str(folder), "export"])
    return folder


def filled(text, run_dir, memory_folder="outputs/memory/<run>"):
    text = text.replace("outputs/memory/<run>", str(memory_folder))
    step = sorted((run_dir / "checkpoints").iterdir())[-1].name
    text = text.replace("outputs/quickstart/<run>/checkpoints/<step>", f"{run_dir}/checkpoints/{step}")
    return text.replace("outputs/quickstart/<run>", str(run_dir))


def test_the_readme_has_commands():
    assert len(commands()) > 15


def test_every_setting_that_is_named_exists():
    """`key=value` in a sentence: the key is a setting, the value of a group one of its files."""
    from twosome.config.known import setting_names
    from twosome.config.schema import conf_dir

    named = [m.groups() for text in INLINE if (m := re.fullmatch(r"([a-z_.]+)=([\w./]*)\S*", text))]
    assert len(named) > 10
    for key, value in named:
        group = conf_dir() / key
        if group.is_dir() and "." not in key:
            assert (group / f"{value}.yaml").is_file(), f"{key}={value}"
        else:
            assert key in setting_names(), key
    for key in (text for text in INLINE if re.fullmatch(r"(model|ppo|policy|log|env)\.[a-z_.]+", text)):
        assert key in setting_names(), key


def test_every_file_that_is_named_exists():
    named = [text for text in INLINE if re.fullmatch(r"(conf|notebooks|envs|tests|twosome)/[\w./]+|[A-Z]+\.md", text)]
    assert len(named) > 8
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    missing = [name for name in [*named, *linked] if not (ROOT / name).exists()]
    assert missing == []


def test_the_map_shows_every_folder():
    [drawn] = [text for language, text in BLOCKS if text.startswith("twosome/ ")]
    package, others = drawn.split("envs/", 1)
    folders = {p.name for p in (ROOT / "twosome").iterdir() if (p / "__init__.py").is_file()}
    assert {name for name in re.findall(r"(\w+)/", package) if name != "twosome"} == folders
    for name in ("overcooked", "virtualhome", "wrappers", "agent"):
        assert f"{name}/" in others
        assert (ROOT / "envs" / name).is_dir()


@pytest.mark.parametrize("command", commands())
def test_command(command, run_dir, memory_folder, tmp_path, monkeypatch, capsys):
    theirs = r"\S*<[^>]*>\S*"  # what is left in <> is the reader's own
    words = shlex.split(re.sub(theirs, "", filled(command, run_dir, memory_folder)))
    monkeypatch.chdir(tmp_path)
    if words[0] == "make":
        if shutil.which("make") is None:
            pytest.skip("make is not installed")
        assert subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True).returncode == 0
        return
    name = words[2] if words[0] == "python" else Path(words[0]).name
    arguments = words[3:] if words[0] == "python" else words[1:]
    _run(name, arguments, tmp_path)
    assert "Traceback" not in capsys.readouterr().err


def _run(name, arguments, tmp_path):
    if name in ("twosome-train", "twosome.train"):
        from twosome.config.compose import compose

        arguments = [a for a in arguments if a != "-m"]
        if "model=hf" in arguments:
            arguments.append("model.name=somewhere")
        first = [a.split(",")[0] for a in arguments]
        for sweep in [first] if first == arguments else [first, arguments]:
            if any("," in a and "[" not in a for a in sweep):
                continue
            if not any(a.startswith("resume=") for a in sweep):
                compose(sweep)
    elif name == "twosome-eval":
        from twosome.cli.evaluate import main

        quick = [a for a in arguments if not a.startswith("episodes=")]
        main([*quick, "episodes=2", "report_episodes=1", f"out={tmp_path}"])
        assert (tmp_path / "eval.json").is_file()
    elif name == "twosome-inspect":
        from twosome.cli.inspect import main

        main(arguments)
    elif name == "twosome-memory":
        from twosome.cli.memory import main

        main(arguments)
    elif name == "twosome.retention":
        from twosome.cli.retention import main

        main(arguments)
    elif name == "twosome-play":
        from twosome.config.compose import compose_command

        compose_command(arguments, "play")
    else:
        assert name == "twosome.bench", f"no test knows the command {name}"
        from twosome.bench import __main__, throughput
        from twosome.config.compose import compose_command

        bench, *arguments = arguments
        assert bench in __main__.BENCHES
        if bench == "throughput":
            throughput.parser().parse_args(arguments)
        else:
            compose_command(arguments, bench)


@pytest.mark.parametrize(
    "program", [text for language, text in BLOCKS if language == "python"], ids=lambda t: t.split("\n")[0][:40]
)
def test_program(program, run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from twosome import tiny

    exec(compile(filled(program, run_dir), "README.md", "exec"), {"base": str(tiny.path()), "__name__": "readme"})
