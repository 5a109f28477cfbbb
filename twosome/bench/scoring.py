"""The two measurements of the scorer: single passes without reuse, and whole PPO updates with it."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from typing import Any

import torch

from twosome.bench import measure
from twosome.bench.measure import Job, Row, Seconds
from twosome.bench.models import Built
from twosome.bench.sample import distinct_decisions, rollouts
from twosome.bench.schemes import OURS, PER_PASS, PER_UPDATE, PUBLISHED, Runner, Scheme, make
from twosome.config.schema import TrainSettings
from twosome.errors import NumericsError
from twosome.types import Decision, Rollout

TOLERANCE = {torch.float32: 1e-4}
HALF_TOLERANCE = 0.15
SAMPLE = 32  # decisions of a pass: an optimiser step of the paper's settings


def check_equal(runners: Mapping[str, Runner], decisions: list[Decision], dtype: torch.dtype) -> float:
    """The largest difference of any scheme's log-probabilities from the first's.

    Raises `NumericsError` beyond the tolerance.
    """
    (first, reference), *others = [(key, runner.score(decisions)) for key, runner in runners.items()]
    worst = 0.0
    for key, rows in others:
        error = max((a - b).abs().max().item() for a, b in zip(reference, rows, strict=True))
        if not error <= TOLERANCE.get(dtype, HALF_TOLERANCE):
            raise NumericsError(f"{key} and {first} differ by {error:.2e} nats; nothing is timed before they agree.")
        worst = max(worst, error)
    return worst


def jobs_of(runner: Runner, decisions: list[Decision], batch: int, seed: int) -> dict[str, Job]:
    """What is timed of a pass, by its mode.

    `score`: log-probabilities of the menus, a batch of worlds at a time; `value`: the critic; `train`: an optimiser
    step.
    """
    batches = [decisions[i : i + batch] for i in range(0, len(decisions), batch)]
    weights = torch.randn(len(decisions), generator=torch.Generator().manual_seed(seed)) / len(decisions)

    def score() -> None:
        for some in batches:
            runner.score(some)

    def value() -> None:
        for some in batches:
            runner.values([d.state for d in some])

    return {"score": score, "value": value, "train": lambda: runner.train(decisions, weights)}


def per_pass(built: Built, cfg: TrainSettings, keys: list[str] | None, repetitions: int) -> list[Row]:
    """Every scheme on the same distinct decisions: nothing repeats, nothing is kept.

    `act` is `score` and `value` together.
    """
    device = built.lm.get_input_embeddings().weight.device
    schemes = chosen(PER_PASS, keys)
    decisions = distinct_decisions(cfg, SAMPLE)
    runners = {s.key: make(s, built, cfg) for s in schemes}
    error = check_equal(runners, decisions[:8], getattr(torch, built.settings.dtype))
    tasks = {key: jobs_of(runner, decisions, cfg.num_envs, cfg.seed) for key, runner in runners.items()}
    rows = []
    for mode in ("score", "value", "train"):
        work = {key: _work(tasks[key][mode], built, device) for key in tasks}
        jobs = {key: tasks[key][mode] for key in tasks if "failed" not in work[key]}
        times = measure.interleaved(jobs, repetitions, device)
        rows += [_row(s, cfg, mode, len(decisions), work[s.key], times.get(s.key, [])) for s in schemes]
        for row in rows[-len(schemes) :]:
            row |= {"largest_difference": error, "token_budget": runners[row["scheme"]].token_budget}
    n = len(schemes)
    rows[2 * n : 2 * n] = [_together(a, b) for a, b in zip(rows[:n], rows[n : 2 * n], strict=True)]
    return with_ratios(rows)


def _together(score: Row, value: Row) -> Row:
    """Acting as a decision costs it without reuse: the menu's log-probabilities, then the state's value."""
    peak = max(score["peak_memory"] or 0, value["peak_memory"] or 0) or None
    both: Row = score | {"mode": "act", "peak_memory": peak}
    both["tokens"] = score["tokens"] + value["tokens"]
    both["flops"] = score["flops"] + value["flops"] if score["flops"] and value["flops"] else None
    for name in ("seconds", "cpu_seconds"):
        both_timed = score[name] and value[name]
        both[name] = [a + b for a, b in zip(score[name], value[name], strict=True)] if both_timed else []
    return both | {"per_second": rate(both["decisions"], both["seconds"])}


def per_update(built: Built, cfg: TrainSettings, keys: list[str] | None, updates: int, count: bool) -> list[Row]:
    """Whole updates of one run from cold caches, the schemes in turn: act on a rollout, then learn from it.

    Rollouts are random play, the same for all. Tokens (per update) and seconds are of all updates, seconds apart for
    acting and learning too. With `count` the FLOPs of the first update are counted before, on runners that are then
    thrown away.
    """
    device = built.lm.get_input_embeddings().weight.device
    schemes = chosen(PER_UPDATE, keys)
    played = rollouts(cfg, updates)
    counted = {s.key: _first_flops(s, built, cfg, played[0]) if count else None for s in schemes}
    runners = {s.key: make(s, built, cfg) for s in schemes}
    tokens = dict.fromkeys(runners, 0)
    times: dict[str, list[tuple[Seconds, Seconds]]] = {key: [] for key in runners}
    for rollout in played:
        for key, runner in runners.items():
            with measure.tokens_of(built.lm) as counter:
                times[key].append(_timed_update(runner, rollout, device))
            tokens[key] += counter.total
    decisions = played[0].actions.numel()
    rows = []
    for scheme in schemes:
        parts = times[scheme.key]
        work = {"tokens": tokens[scheme.key] / updates, "flops": counted[scheme.key], "peak_memory": None}
        whole = [Seconds(a.wall + b.wall, a.cpu + b.cpu) for a, b in parts]
        row = _row(scheme, cfg, "update", decisions, work, whole)
        row["acting_seconds"], row["learning_seconds"] = [a.wall for a, _ in parts], [b.wall for _, b in parts]
        row["updates"], row["token_budget"] = updates, runners[scheme.key].token_budget
        rows.append(row)
    return with_ratios(rows)


def _first_flops(scheme: Scheme, built: Built, cfg: TrainSettings, rollout: Rollout) -> int | None:
    runner = make(scheme, built, cfg)
    return measure.flops(lambda: run_update(runner, rollout)) if built.settings.quantization == "none" else None


def _timed_update(runner: Runner, rollout: Rollout, device: torch.device) -> tuple[Seconds, Seconds]:
    """Seconds of acting and of learning."""
    taken = torch.zeros(0)

    def act() -> None:
        nonlocal taken
        taken = runner.act(rollout)

    acting = measure.seconds(act, device)
    learnt = dataclasses.replace(rollout, log_probs=taken)
    return acting, measure.seconds(lambda: runner.learn(learnt), device)


def run_update(runner: Runner, rollout: Rollout) -> None:
    """Act on a rollout, then learn from it, untimed."""
    runner.learn(dataclasses.replace(rollout, log_probs=runner.act(rollout)))


def count_updates(built: Built, cfg: TrainSettings, updates: int) -> list[Row]:
    """Tokens forwarded by ours and the published scheme over many updates.

    Depends on the tokenizer, not on the weights.
    """
    rows = []
    played = rollouts(cfg, updates)
    for scheme in chosen(PER_UPDATE, [OURS, PUBLISHED]):
        runner = make(scheme, built, cfg)
        with measure.tokens_of(built.lm) as counter:
            for rollout in played:
                run_update(runner, rollout)
        work = {"tokens": counter.total / updates, "flops": None, "peak_memory": None}
        rows.append(_row(scheme, cfg, "count", played[0].actions.numel(), work, []) | {"updates": updates})
    return with_ratios(rows)


def chosen(schemes: tuple[Scheme, ...], keys: list[str] | None) -> list[Scheme]:
    """The schemes of these keys; the published one is always there, since ratios are to it."""
    return [s for s in schemes if keys is None or s.key in keys or s.key == PUBLISHED]


def _work(job: Job, built: Built, device: torch.device) -> Row:
    """Tokens, FLOPs and peak memory of one job, in a run that is not timed and warms up.

    Quantised layers are kernels that the counter does not see: their FLOPs are None, those of the same model in full
    stand for them.
    """
    found: Row = {"tokens": 0, "flops": None, "peak_memory": None}
    try:
        with measure.tokens_of(built.lm) as counter:
            found["peak_memory"] = measure.peak_memory(lambda: found.update(flops=measure.flops(job)), device)
        found["tokens"] = counter.total
    except torch.OutOfMemoryError as error:
        found["failed"] = f"out of memory: {str(error).splitlines()[0][:200]}"
        torch.cuda.empty_cache()
    if built.settings.quantization != "none":
        found["flops"] = None
    return found


def rate(decisions: int, seconds: list[float]) -> float | None:
    """Decisions per second, by the median of the rounds; None where nothing was timed."""
    return decisions / statistics.median(seconds) if seconds else None


def _row(scheme: Scheme, cfg: TrainSettings, mode: str, decisions: int, work: Row, times: list[Seconds]) -> Row:
    wall = [t.wall for t in times]
    return {
        "environment": cfg.env.id.split("/")[-1],
        "mode": mode,
        "scheme": scheme.key,
        "label": scheme.label,
        "decisions": decisions,
        **work,
        "seconds": wall,
        "cpu_seconds": [t.cpu for t in times],
        "per_second": rate(decisions, wall),
    }


def with_ratios(rows: list[Row]) -> list[Row]:
    """Beside every row how many times less than the published scheme it needs: tokens, FLOPs, memory, seconds.

    Seconds are compared within a round (so that a slow moment of the machine falls on all schemes): median, least and
    most of the ratios, and for updates also the ratio of the sums.
    """
    published = {r["mode"]: r for r in rows if r["scheme"] == PUBLISHED}
    for row in rows:
        base = published[row["mode"]]
        ratios: dict[str, Any] = {
            name: base[name] / row[name] for name in ("tokens", "flops", "peak_memory") if base[name] and row[name]
        }
        for name in ("seconds", "cpu_seconds", "acting_seconds", "learning_seconds"):
            if row.get(name) and base.get(name):
                pairs = [b / a for a, b in zip(row[name], base[name], strict=True)]
                ratios[name] = measure.range_of(pairs) | {"of_sums": math.fsum(base[name]) / math.fsum(row[name])}
        row["times_less_than_published"] = ratios
    return rows
