"""Whether `reward=surprise` orders the tools as exact rewards do.

After every use of tools that a question allows: how much likelier the frozen model finds the right answer, beside how
often one who believes what was found is right.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from twosome.bench.questions import KINDS
from twosome.bench.runs import Job
from twosome.types import Reference

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from twosome.config.schema import EnvSettings, TrainSettings

Plan = tuple[int, int]
"""Searches and calculations."""
Row = tuple[str, Plan, float, Reference]
"""The kind of a question, what was done, how often the answer is right then, what the frozen model is asked."""


def jobs(cfg: DictConfig) -> list[Job]:
    """Every model once: nothing is learnt, nothing drawn but the questions."""
    return [(model, 0) for model in cfg.models]


def asked(cfg: DictConfig, model: str, seed: int) -> dict[str, Any]:
    """What a measurement depends on. Raises `ConfigError` for a model or override that does not exist."""
    settings_of(cfg, model, seed)
    return {"questions": cfg.questions, "overrides": list(cfg.overrides)}


def settings_of(cfg: DictConfig, model: str, seed: int) -> TrainSettings:
    """The settings of a frozen model. Raises `ConfigError` for a model or override that does not exist."""
    from twosome.config.compose import compose

    return compose([f"model={model}", "env=toolbox", "env.kwargs.questions=1", f"seed={seed}", *cfg.overrides])


def measure(cfg: DictConfig, folder: Any, model: str, seed: int) -> dict[str, Any]:
    """For every kind: what plans come to by both, and the rank correlations."""
    from twosome.agents.frozen import surprises
    from twosome.systems.build import build_policy

    settings = settings_of(cfg, model, seed)
    rows = [row for number in range(cfg.questions) for row in plans(settings.env, number)]
    found = surprises(build_policy(settings), [reference for *_, reference in rows], settings.reward.cap).tolist()
    return {kind: summary([(n, right, gain) for (k, n, right, _), gain in zip(rows, found, strict=True) if k == kind])
            for kind in KINDS}  # fmt: skip


def plans(env: EnvSettings, number: int) -> list[Row]:
    """One question after every use of tools from which it can be answered, in every order; nothing is given up."""
    from twosome.rollout.contract import make_env

    made: Any = make_env(dataclasses.replace(env, kwargs={**env.kwargs, "session": number})).unwrapped
    info, found = made.reset(seed=0)[1], []
    waiting = [((0, 0), info, made.snapshot())]
    while waiting:
        (searches, calculations), info, snapshot = waiting.pop()
        legal = {phrase: k for k, phrase in enumerate(info["actions"]) if info["action_mask"][k]}
        for phrase, index in legal.items():
            is_search, is_calculation = phrase.startswith("search"), phrase.startswith("calculate")
            if is_search or is_calculation:
                made.restore(snapshot)
                info = made.step(index)[-1]
                waiting.append(((searches + is_search, calculations + is_calculation), info, made.snapshot()))
        answers = [index for phrase, index in legal.items() if phrase.startswith("say ")]
        if answers:
            made.restore(snapshot)
            kind, right = KINDS[made.view.question.kind], made.worth
            found.append((kind, (searches, calculations), right, Reference(**made.step(answers[0])[-1]["reference"])))
    made.close()
    return found


def summary(rows: list[tuple[Plan, float, float]]) -> dict[str, Any]:
    """Of one kind: (plan, right, gain) -> means by plan, and rank correlations over uses of tools and over plans."""
    known = sorted({plan for plan, *_ in rows})
    by = {
        f"{plan[0]} + {plan[1]}": np.mean([row[1:] for row in rows if row[0] == plan], axis=0).tolist()
        for plan in known
    }
    each = spearman([right for _, right, _ in rows], [gain for *_, gain in rows])
    means = spearman(*(list(column) for column in zip(*by.values(), strict=True))) if by else None
    return {"uses": len(rows), "plans": by, "each": each, "means": means}


def spearman(one: list[float], other: list[float]) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank; None where one does not vary."""
    ranks = [ranked(np.asarray(values)) for values in (one, other)]
    if min(len(set(values.tolist())) for values in ranks) < 2:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def ranked(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 on; equal values have the mean of theirs.

    >>> ranked(np.array([3.0, 1.0, 3.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[place]


def table(found: dict[Job, Any]) -> str:
    """Every model and kind."""
    lines = [
        "| model | kind | uses of tools | searches + calculations: right, surprise | rank correlation, every use | of "
        "plans |",
        "|---|---|---|---|---|---|",
    ]
    for (model, _), kinds in found.items():
        for kind, row in kinds.items():
            steps = "; ".join(f"{plan}: {right:.2f}, {gain:+.3f}" for plan, (right, gain) in row["plans"].items())
            both = " | ".join("-" if row[name] is None else f"{row[name]:.3f}" for name in ("each", "means"))
            lines.append(f"| {model} | {kind} | {row['uses']} | {steps} | {both} |")
    return "\n".join(lines) + "\n"
