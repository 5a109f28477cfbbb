"""Run folders damaged and forged, and folders that are no run: each opens, or is refused in one paragraph.

Nothing outside a folder is ever written, nothing in a folder that is no run is touched, no code runs, nothing hangs.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.faults import Count, kills, paragraph
from tests.faults.forge import Payload, rewrite

SLOWEST = 20.0  # seconds
BESIDE = [  # what lies beside the checkpoints of a run, where no manifest lists it
    *("config.yaml", "best.json", "sound.json", "environment.json", "metrics.jsonl", "decisions.jsonl"),
    *("tracked_states.json", "made_here", "probes.json", "summary.json"),
]
FOLDERS = ["checkpoints", "tensorboard", "faults", "bad_batches"]
FOREIGN = [
    ".notes.tmp",
    ".backup.tmp",
    ".env.old",
    "thesis.tex",
    "checkpoints/weights.bin",
    "checkpoints/.x.old",
    ".git",
]
NOTES = ["[]", "3", '"x"', "null", "{}", "{", "", "\x00", "NaN", "[" * 100_000, '{"checkpoint": "../../../etc"}']
NOTES += ['{"checkpoint": ["x"]}', '{"checkpoint": null, "step": "x", "greedy": "y"}', '{"step": 1e999}', "\x1b[2J"]
LINES = ['{"step": "x"}', '{"step": 1e999}', "{", "\x00" * 1000, '{"step": -1}', "[1]", '{"step": ' + "1" * 5000 + "}"]

Case = Callable[[Path, random.Random, Path], str]


def put_note(folder: Path, rng: random.Random, outside: Path) -> str:
    """Anything in the place of a file beside the checkpoints."""
    name = rng.choice(BESIDE)
    rewrite(folder / name, rng.choice(NOTES).encode())
    return f"{name} holds something else"


def cut(folder: Path, rng: random.Random, outside: Path) -> str:
    path = rng.choice([folder / name for name in BESIDE if (folder / name).is_file()])
    rewrite(path, path.read_bytes()[: rng.randrange(path.stat().st_size + 1)])
    return f"{path.name} cut"


def flip(folder: Path, rng: random.Random, outside: Path) -> str:
    path = rng.choice(
        [folder / name for name in BESIDE if (folder / name).is_file() and (folder / name).stat().st_size]
    )
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    rewrite(path, bytes(data))
    return f"{path.name} flipped"


def lose(folder: Path, rng: random.Random, outside: Path) -> str:
    name = rng.choice([n for n in (*BESIDE, *FOLDERS) if (folder / n).exists()])
    shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    return f"{name} lost"


def spoil_lines(folder: Path, rng: random.Random, outside: Path) -> str:
    path = folder / rng.choice(["metrics.jsonl", "decisions.jsonl"])
    lines = path.read_text().splitlines() if path.exists() else []
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(LINES))
    rewrite(path, "\n".join(lines).encode())
    return f"{path.name} with a line of others"


def disguise(folder: Path, rng: random.Random, outside: Path) -> str:
    name = rng.choice(BESIDE)
    rewrite(folder / name, pickle.dumps(Payload(outside / "canary")))
    return f"{name} is a pickle"


def link(folder: Path, rng: random.Random, outside: Path) -> str:
    name = rng.choice([*BESIDE, *FOLDERS, "checkpoints/step-00000001", ".metrics.jsonl.tmp", "notes", "deep/er"])
    place = folder / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    target = rng.choice([outside, outside / "diary", outside / "new", Path("/dev/zero"), Path("/etc")])
    place.symlink_to(target)
    return f"{name} is a link to {target}"


def no_file(folder: Path, rng: random.Random, outside: Path) -> str:
    name = rng.choice(BESIDE)
    (folder / name).unlink(missing_ok=True)
    kind = rng.randrange(3)
    if kind == 0:
        os.mkfifo(folder / name)
    elif kind == 1:
        (folder / name).mkdir()
    else:
        with (folder / name).open("wb") as file:
            file.truncate(2**40)
    return f"{name} is {('a pipe', 'a folder', 'a terabyte')[kind]}"


def hide_module(folder: Path, rng: random.Random, outside: Path) -> str:
    """A module in the environment's settings, at any depth."""
    evil: Any = rng.choice(["evil:World-v0", {"id": "evil:World-v0"}, [["evil:World-v0"]]])
    path = folder / "config.yaml"
    kwargs = json.dumps({"worlds": [evil]})
    for place in (path, *folder.glob("checkpoints/*/config.yaml")):
        text = place.read_text()
        place.write_text(text.replace("kwargs: {}", f"kwargs: {kwargs}"))
    return "a module in env.kwargs"


def no_run(folder: Path, rng: random.Random, outside: Path) -> str:
    """A folder of somebody's, with or without checkpoints of ours."""
    if rng.random() < 0.5:
        shutil.rmtree(folder)
        folder.mkdir()
    else:
        (folder / "config.yaml").unlink()
    for name in rng.sample(FOREIGN, rng.randrange(1, len(FOREIGN))):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("years of work")
    if rng.random() < 0.3:
        (folder / "config.yaml").write_text(rng.choice(["lr: 3", "seed: 1", "[", "model: {name: x}"]))
    return "no run"


CASES: list[Case] = [put_note, cut, flip, lose, spoil_lines, disguise, link, no_file, hide_module, no_run]


def contents(folder: Path) -> dict[str, Any]:
    """Everything below a folder."""
    found = {}
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent) / name for name in (*folders, *names)):
            is_file = path.is_file() and not path.is_symlink() and path.stat().st_size < 2**30
            found[str(path.relative_to(folder))] = path.read_bytes() if is_file else path.lstat().st_mode
    return found


def run(n: int, seed: int = 0) -> Count:
    """Attack `n` copies of a run that was stopped."""
    from twosome.config.compose import compose

    kills.warm_up()
    count = Count("damaged and forged run folders")
    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="twosome-folders-"))
    whole, folder, outside = (place / name for name in ("whole", "run", "outside"))
    line = [*kills.BASE, "method=tabular", "env=food_preparation", "total_steps=192", "log.checkpoint_interval=1"]
    try:
        if code := kills.finish(kills.start([*line, f"run_dir={whole}"], place / "log")):
            raise RuntimeError(f"the run ended with {code}: {(place / 'log').read_text()}")
        (whole / "summary.json").unlink()
        cfg = compose([*line, f"run_dir={folder}"])
        for i in range(n):
            case = CASES[i % len(CASES)]
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(outside, ignore_errors=True)
            outside.mkdir()
            (outside / "diary").write_text("dear diary")
            shutil.copytree(whole, folder)
            what = case(folder, rng, outside)
            before, started = contents(folder), time.monotonic()
            count.made += 1
            count.note(case.__name__.replace("_", " "))
            wrong = _opened(folder, copy.deepcopy(cfg), count, saves=i % 7 == 0)
            wrong = wrong or _read(folder, is_hostile=case is hide_module)
            if wrong is None and time.monotonic() - started > SLOWEST:
                wrong = f"took {time.monotonic() - started:.0f} s"
            if wrong is None and case is no_run and contents(folder) != before:
                wrong = "a folder that is no run was changed"
            if contents(outside) != {"diary": b"dear diary"}:
                wrong = f"OUTSIDE was changed: {sorted(contents(outside))}"
            if wrong is not None:
                count.failures.append(f"{i} {what}: {wrong}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return count


def _opened(folder: Path, cfg: Any, count: Count, *, saves: bool) -> str | None:
    """What is wrong with how a run is continued there: by its command line up to the first step."""
    from twosome.errors import TwosomeError
    from twosome.monitoring.monitor import Monitor
    from twosome.training.metrics import Metrics
    from twosome.training.run_folder import open_run
    from twosome.training.state import TrainingState

    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            run = open_run(cfg)
            try:
                state = TrainingState(run)
                metrics = Metrics(run.folder, False, state.progress.steps)
                metrics.close()
                Monitor(run.folder, cfg, state.policy, None, state.progress.steps)
                state.note_sound()
                if saves:
                    state.save()
            finally:
                run.close()
    except TwosomeError as error:
        count.note("refused")
        return paragraph(str(error))
    except BaseException as error:
        return f"opened, {type(error).__name__}: {error!r:.300}"
    return None


def _read(folder: Path, *, is_hostile: bool) -> str | None:
    """What is wrong with how it is read by `twosome-eval` and `resume`, up to the model. A hostile one must not be."""
    from twosome.cli.evaluate import _history
    from twosome.config.saved import saved_settings
    from twosome.config.trust import must_be_trusted
    from twosome.errors import TwosomeError
    from twosome.systems.checkpoints import choose_checkpoint
    from twosome.systems.load import find

    def evaluated() -> None:
        chosen = choose_checkpoint(folder, "best")
        must_be_trusted(find(folder, checkpoint=chosen.which).settings, (), folder, runs_environment=True)

    for name, attempt in (
        ("evaluated", evaluated),
        ("its history", lambda: _history(str(folder))),
        ("resumed", lambda: saved_settings(folder / "config.yaml", runs_environment=True)),
    ):
        try:
            attempt()
            if is_hostile and name != "its history":
                return f"{name}: it would import a module of others"
        except TwosomeError as error:
            if wrong := paragraph(str(error)):
                return f"{name}, {wrong}"
        except BaseException as error:
            return f"{name}, {type(error).__name__}: {error!r:.300}"
    return None
