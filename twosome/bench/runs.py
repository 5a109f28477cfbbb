"""Many runs, each in a process of its own; one that fails leaves the others alone. Knows nothing of what a run does."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import multiprocessing.connection
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from twosome.errors import ConfigError, Stopped, TwosomeError

if TYPE_CHECKING:
    from omegaconf import DictConfig

Job: TypeAlias = tuple[str | int, ...]  # what tells a run from the others: method, environment, seed


def check_numbers(cfg: Mapping[str, object], **least: int) -> None:
    """Refuse a setting that is no whole number of at least so much. Raises `ConfigError` naming it."""
    for name, low in least.items():
        value = cfg[name]
        if type(value) is not int or value < low:
            raise ConfigError(f"{name}={value} cannot work: expected a whole number, {low} or more.")


def check_listed(cfg: Mapping[str, object], *names: str) -> None:
    """Refuse an empty list, or what is none. Raises `ConfigError` naming it."""
    for name in names:
        value = cfg[name]
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise ConfigError(
                f"{name}={value} cannot work: expected a list of one or more, such as {name}=[tomato_salad]."
            )


def shipped(name: str, is_there: bool) -> str | None:
    """The shipped table of a bench, where a run of it `is_there` nowhere and this is a copy of the repository."""
    path = Path(__file__).resolve().parents[2] / "notebooks" / "results" / f"{name}.md"
    if is_there or not path.is_file():
        return None
    return f"{path.read_text(encoding='utf-8')}\nThese are the shipped results, {path}: nothing was run here yet."


def run_dir(folder: Path) -> str:
    """The override that puts a run into a folder, whatever characters its name has."""
    return f"run_dir={quoted(folder)}"


def quoted(path: Path) -> str:
    """A path as the value of an override."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def run_all(
    work: Callable[..., None], cfg: DictConfig, jobs: Sequence[Job], folder_of: Callable[..., Path], workers: int
) -> list[str]:
    """Call `work(cfg, folder, *job)` for every job, `workers` at a time; returns the names of those that failed.

    Forked where possible, so that imports are paid once. What a job prints goes to `output.txt` in its folder, which is
    made for it. When this process is told to stop, so are the runs: each saves where it is.
    """
    context = _context(imports=bool(jobs))
    running: dict[str, BaseProcess] = {}
    failed: list[str] = []

    def wait_until(few: int) -> None:
        while len(running) > few:
            multiprocessing.connection.wait([p.sentinel for p in running.values()])
            for name, process in list(running.items()):
                if not process.is_alive():
                    process.join()
                    failed.extend([name] if process.exitcode else [])
                    del running[name]

    try:
        for number, job in enumerate(jobs, 1):
            wait_until(workers - 1)
            name = " ".join(map(str, job))
            running[name] = context.Process(target=_run_one, args=(work, cfg, folder_of(*job), job, name))
            running[name].start()
            print(f"[{number}/{len(jobs)}] {name}", flush=True)
        wait_until(0)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.join()
    return failed


def _context(*, imports: bool) -> ForkContext | SpawnContext:
    """How processes are started; what takes long to import is imported here, where they inherit it."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    if imports:
        from twosome.lm.loading import quiet

        quiet()
        import peft  # noqa: F401
    return multiprocessing.get_context("fork")


def _run_one(work: Callable[..., None], cfg: DictConfig, folder: Path, job: Job, name: str) -> None:
    """One job in its process, which exits with 1 where it failed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            (folder / "output.txt").open("a", encoding="utf-8") as log,
            contextlib.redirect_stdout(io.TextIOWrapper(log.buffer)),
        ):
            work(cfg, folder, *job)
    except Stopped as stopped:
        print(f"{name}: {stopped}", flush=True)
        sys.exit(stopped.code)
    except (TwosomeError, OSError) as error:
        print(f"{name} failed: {error}", flush=True)
        sys.exit(1)
    except Exception:  # the other runs go on; the table shows which are missing
        print(f"{name} failed:\n{traceback.format_exc()}", flush=True)
        sys.exit(1)


def leave(failed: list[str]) -> None:
    """End the command with 1 where a run has failed."""
    if failed:
        print(
            f"{len(failed)} runs failed: {', '.join(failed)}. The same command line tries them again.", file=sys.stderr
        )
        raise SystemExit(1)
