"""Many runs, each in a process of its own; one that fails leaves the others alone. Knows nothing of what a run does."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import multiprocessing.connection
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twosome.types import TwosomeError


def run_all(work: Callable[..., None], cfg: Any, jobs: Sequence[tuple[Any, ...]], folder_of: Callable[..., Path], workers: int) -> None:
    """Call `work(cfg, folder, *job)` for every job, `workers` at a time. Forked where possible, so that imports are paid once.

    What a job prints goes to `output.txt` in its folder, which is made for it.
    """
    kinds = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in kinds else "spawn")
    if "fork" in kinds:
        import peft  # noqa: F401
        import transformers  # noqa: F401
    running: list[Any] = []
    for number, job in enumerate(jobs, 1):
        while len(running) >= workers:
            multiprocessing.connection.wait([p.sentinel for p in running])
            running = [p for p in running if p.is_alive()]
        process = context.Process(target=_run_one, args=(work, cfg, folder_of(*job), job))
        process.start()
        running.append(process)
        print(f"[{number}/{len(jobs)}] {' '.join(map(str, job))}", flush=True)
    for process in running:
        process.join()


def _run_one(work: Callable[..., None], cfg: Any, folder: Path, job: tuple[Any, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = " ".join(map(str, job))
    try:
        with (folder / "output.txt").open("a", encoding="utf-8") as log, contextlib.redirect_stdout(io.TextIOWrapper(log.buffer)):
            work(cfg, folder, *job)
    except TwosomeError as error:
        print(f"{name} failed: {error}", flush=True)
    except Exception:  # the other runs go on; the table shows which are missing
        print(f"{name} failed:\n{traceback.format_exc()}", flush=True)
