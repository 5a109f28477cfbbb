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


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    from twosome.training import loop as train

    folder = tmp_path_factory.mktemp("readme") / "run"
    train.main(["experiment=debug", "env=tomato_salad", f"run_dir={folder}", "log.tensorboard=false"])
    return folder


def filled(text, run_folder):
    step = sorted((run_folder / "checkpoints").iterdir())[-1].name
    text = text.replace("outputs/quickstart/<run>/checkpoints/<step>", f"{run_folder}/checkpoints/{step}")
    return text.replace("outputs/quickstart/<run>", str(run_folder))


def test_the_readme_has_commands():
    assert len(commands()) > 15


@pytest.mark.parametrize("command", commands())
def test_command(command, run_folder, tmp_path, monkeypatch, capsys):
    words = shlex.split(re.sub(r"\S*<[^>]*>\S*", "", filled(command, run_folder)))  # what is left in <> is the reader's own
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
    if name in ("twosome-train", "twosome.training.loop"):
        from twosome.config.compose import compose

        arguments = [a for a in arguments if a != "-m"]
        if "model=hf" in arguments:
            arguments.append("model.name=somewhere")
        for sweep in ([a.split(",")[0] for a in arguments], arguments):
            if any("," in a and "[" not in a for a in sweep):
                continue
            if not any(a.startswith("resume=") for a in sweep):
                compose(sweep)
    elif name == "twosome-eval":
        from twosome.rollout import evaluate

        quick = [a for a in arguments if not a.startswith("episodes=")]
        evaluate.main([*quick, "episodes=2", "report_episodes=1", f"out={tmp_path}"])
        assert (tmp_path / "eval.json").is_file()
    elif name == "twosome-inspect":
        from twosome.cli import inspect as inspect_cli

        inspect_cli.main(arguments)
    elif name == "twosome.lm.retention":
        from twosome.lm import retention

        retention.main(arguments)
    elif name == "twosome-play":
        from twosome.config.compose import compose

        compose(arguments, "play")
    else:
        assert name == "twosome.bench", f"no test knows the command {name}"
        from twosome.bench import __main__

        assert arguments[0] in __main__.BENCHES
        assert callable(__main__.main)


@pytest.mark.parametrize("program", [text for language, text in BLOCKS if language == "python"], ids=lambda t: t.split("\n")[0][:40])
def test_program(program, run_folder):
    from twosome import tiny

    exec(compile(filled(program, run_folder), "README.md", "exec"), {"base": str(tiny.path()), "__name__": "readme"})
