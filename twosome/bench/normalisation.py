"""Which normalisation of an action's score learns fastest and stays, where most nouns are several tokens.

    python -m twosome.bench normalisation seeds=5

The runs are those of `twosome.bench.attribution`, with other rows and a model of its own: the embedded one with a
vocabulary of a few hundred tokens, made once into an ignored folder. Beside steps, seconds and curves: how far a policy
prefers long or short phrases before and after it has learnt, and whether it stays at the optimum.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twosome.bench import attribution
from twosome.bench.curves import MethodResult, Results
from twosome.bench.learning import result_file
from twosome.bench.runs import check_numbers, leave
from twosome.errors import ModelError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.types import Decision


def main(argv: list[str]) -> None:
    """The command; `argv` are Hydra overrides of conf/normalisation.yaml. Exits with 1 where a run has failed."""
    from twosome.cli import command

    command.run("normalisation", lambda cfg: leave(bench(cfg)["failed"]), argv)


def bench(cfg: DictConfig) -> dict[str, Any]:
    """Make the model and do the runs that are missing; write `normalisation.json`, `.md` and `.png` into `cfg.out`."""
    check_numbers(cfg, vocabulary=260, model_steps=1, decisions=1)
    return attribution.bench(cfg, "normalisation", lambda: make_model(cfg), lambda results: below(cfg, results))


def make_model(cfg: DictConfig) -> None:
    """Train the model, unless it is there. Raises `ModelError` where that fails."""
    folder = Path(cfg.model_folder).expanduser()
    if (folder / "model.safetensors").exists():
        return
    print(f"Making {folder}, once.", flush=True)
    words = ["--vocabulary", str(cfg.vocabulary), "--steps", str(cfg.model_steps), "--out", str(folder)]
    done = subprocess.run([sys.executable, "-m", "twosome.tiny.train", *words])
    if done.returncode:
        raise ModelError(f"The model of {folder} could not be made: `python -m twosome.tiny.train {' '.join(words)}`.")


# Reports --------------------------------------------------------------------------------------------------------------


def below(cfg: DictConfig, results: Results) -> str:
    """The tables of stability and of length bias, of what has finished."""
    if not results:
        return ""
    return f"\n{stability(results)}\n{bias_table(cfg, results)}"


def stability(results: Results) -> str:
    """Rows x tasks: of the evaluations after the first at 99 % of the optimum, the share at 95 % or more."""
    return _table(
        "evaluations after the first at 99 % of the optimum that are at 95 % or more, mean (worst seed)",
        results,
        {(task, row): _kept(found) for task, rows in results.items() for row, found in rows.items()},
    )


def _kept(found: MethodResult) -> str:
    optimum = found["optimum"]
    shares = []
    for curve, step in zip(found["curves"], found["steps_to"]["0.99"], strict=True):
        later = [value for at, value in curve if step is not None and at > step]
        if later and optimum:
            shares.append(float(np.mean([value >= 0.95 * optimum for value in later])))
    return f"{np.mean(shares):.0%} ({min(shares):.0%})" if shares else "-"


def bias_table(cfg: DictConfig, results: Results) -> str:
    """Rows x tasks: the length bias before learning, and after it, mean over the seeds."""
    cells = {}
    for task, rows in results.items():
        for row in rows:
            before, *after = biases(cfg, row, task)
            learnt = f"{np.mean(after):+.3f}" if after else "-"
            cells[task, row] = f"{before:+.3f} / {learnt}"
    return _table("length bias, before / after learning: nats of log pi for each token more", results, cells)


def biases(cfg: DictConfig, row: str, task: str) -> list[float]:
    """The length bias of the policy that has learnt nothing, and of every finished seed's."""
    from twosome.bench.sample import distinct_decisions
    from twosome.systems.build import build_policy
    from twosome.systems.load import load

    out = Path(cfg.out).expanduser()
    settings = attribution.settings_of(cfg, row, task, 0, out)
    decisions = distinct_decisions(settings, cfg.decisions)
    folders = [result_file(out, row, task, seed).parent for seed in range(cfg.seeds)]
    learnt = (load(str(folder)) for folder in folders if (folder / "summary.json").exists())
    return [bias_of(policy, decisions) for policy in (build_policy(settings, adapter=False), *learnt)]


def bias_of(policy: LLMPolicy, decisions: list[Decision]) -> float:
    """The length bias of a policy in some decisions."""
    counts = [[len(s.continuation) for s in policy.engine.encoder(d.prompt, d.menu)] for d in decisions]
    return length_bias([row.tolist() for row in policy.log_probs(decisions)], counts)


def length_bias(log_probs: Sequence[Sequence[float]], counts: Sequence[Sequence[int]]) -> float:
    """The slope of log pi over the number of tokens inside the menus, in nats a token; below 0 it prefers short ones.

    By least squares, with an intercept for every menu. `nan` where all phrases of each menu are equally long.

    >>> length_bias([[-1.0, -1.5, -2.0], [-3.0, -3.5]], [[1, 2, 3], [4, 5]])
    -0.5
    """
    x = np.concatenate([np.array(row, float) - np.mean(row) for row in counts])
    y = np.concatenate([np.array(row, float) - np.mean(row) for row in log_probs])
    return float(x @ y / (x @ x)) if (x @ x) > 0 else float("nan")


def _table(title: str, results: Results, cells: dict[tuple[str, str], str]) -> str:
    names = list(dict.fromkeys(row for rows in results.values() for row in rows))
    lines = [f"| {title} | {' | '.join(task.replace('_', ' ') for task in results)} |", "|---|" + "---|" * len(results)]
    lines += [f"| {name} | {' | '.join(cells.get((task, name), '') for task in results)} |" for name in names]
    return "\n".join([*lines, ""])
