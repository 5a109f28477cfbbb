"""One training run: collect, learn, log, evaluate, save. This file reads as the algorithm."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from twosome import checkpoint_folder, files
from twosome.errors import NumericsError, RankError
from twosome.monitoring.monitor import Monitor
from twosome.monitoring.wandb_log import WandbLog
from twosome.rollout.collect import collect
from twosome.training.console import Console
from twosome.training.interrupt import Interrupt
from twosome.training.metrics import Metrics
from twosome.training.run_folder import Run
from twosome.training.state import TrainingState

if TYPE_CHECKING:
    from twosome.training.ranks import Ranks


def train(run: Run, console: Console | None = None, ranks: Ranks | None = None) -> dict[str, Any]:
    """One training run, from its last checkpoint where it has one. Returns what `summary.json` holds.

    `ranks`: other processes that share the model's work.
    """
    try:
        with Interrupt(run.folder) as interrupt, closing(TrainingState(run, ranks)) as state:
            return _train(state, console or Console(run.cfg), interrupt)
    except NumericsError as error:
        raise NumericsError(f"{error} {run.last_sound()}") from error
    except RankError as error:
        raise RankError(f"{error} {_how_to_go_on(run)}") from error
    finally:
        run.close()


def _how_to_go_on(run: Run) -> str:
    """How a run that lost a process is continued, in a sentence."""
    if not checkpoint_folder.checkpoints(run.folder):
        return f"Nothing was saved yet: the same command line with run_dir={run.folder} begins again."
    return f"Continue from the last checkpoint with as many processes as you like: twosome-train resume={run.folder}"


def _train(state: TrainingState, console: Console, interrupt: Interrupt) -> dict[str, Any]:
    run, cfg = state.run, state.cfg
    policy, progress = state.policy, state.progress
    if run.checkpoint is None:
        progress.eval_before = state.evaluate(cfg.log.eval_episodes_final)
    console.begin(run.folder, progress, is_resumed=run.checkpoint is not None)
    wandb = None if cfg.log.wandb is None else WandbLog(cfg.log.wandb, run.folder, cfg)
    metrics = Metrics(run.folder, cfg.log.tensorboard, progress.steps, wandb)
    monitor = Monitor(run.folder, cfg, policy, metrics.writer, progress.steps)
    progress.tick()
    with closing(metrics):
        with console.progress(progress):
            while not progress.is_over():
                interrupt.wait_for_step()
                _update(state, monitor)
                if cfg.log.eval_interval and progress.updates % cfg.log.eval_interval == 0:
                    progress.add_evaluation(state.evaluate(cfg.log.eval_episodes))
                metrics.log(progress.steps, progress.record)
                monitor.after_update(progress.steps, progress.updates, state.learner.samples)
                console.update(progress)
                is_due = progress.updates % cfg.log.checkpoint_interval == 0
                if progress.is_new_best or is_due or interrupt.requested:
                    state.save()
                interrupt.leave_if_asked()
        interrupt.wait_for_step()
        if not state.is_saved():
            state.save()
        interrupt.leave_if_asked()
        progress.eval_after = state.evaluate(cfg.log.eval_episodes_final)
        summary = progress.summary(policy.describe_scorer())
        files.write_json(run.folder / "summary.json", summary)
        monitor.finish(summary)
    console.after(run.folder, summary)
    return summary


def _update(state: TrainingState, monitor: Monitor) -> None:
    """Collect a rollout and learn from it."""
    policy, learner, progress = state.policy, state.learner, state.progress
    policy.clear_cache()
    if state.planner is not None:
        state.planner.clear_cache()
    if state.remembering is not None:
        state.remembering.tally.clear()
    started, worked = time.perf_counter(), time.process_time()
    rollout = collect(state.worlds, state.cfg.rollout_steps, state.generators["act"], state.deliberation)
    monitor.before_update(rollout, progress.updates)
    bad_before = learner.bad_updates
    update = learner.update(rollout, progress.share)
    if learner.bad_updates == bad_before:
        state.note_sound()
    if state.remembering is not None:
        update |= state.remembering.tally.metrics()
        state.worlds.decide_again()
    if state.planner is not None:
        update |= state.planner.metrics()
    update["speed/processor_seconds"] = max(0.0, time.process_time() - worked)
    seconds = time.perf_counter() - started
    failed = state.worlds.tolerance.failed
    progress.add(rollout, update, policy.counts, failed, learner.bad_updates, seconds)
