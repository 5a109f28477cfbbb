"""Train a policy: `twosome-train experiment=quickstart`, or `python -m twosome.train`. This file reads as the algorithm."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twosome.run import Run
    from twosome.signals import Interrupt


def train(run: Run) -> dict[str, Any]:
    """One training run, from its last checkpoint where it has one. Returns what `summary.json` holds."""
    from twosome.signals import Interrupt
    from twosome.types import NumericsError

    try:
        with Interrupt(run.folder) as interrupt:
            return _train(run, interrupt)
    except NumericsError as error:
        raise NumericsError(f"{error} {run.last_good()}") from error
    finally:
        run.close()


def _train(run: Run, interrupt: Interrupt) -> dict[str, Any]:
    """Collect, learn, log, evaluate, save, until the steps are used up."""
    import torch

    from twosome import checkpoint as files
    from twosome import disk
    from twosome.console import Console
    from twosome.evaluate import evaluate
    from twosome.methods import build
    from twosome.metrics import Metrics
    from twosome.rollout import Tolerance, Worlds, collect
    from twosome.saved import to_yaml
    from twosome.statistics import Statistics
    from twosome.traces import Traces

    cfg, console = run.cfg, Console(run)

    def tolerance() -> Tolerance:
        return Tolerance(cfg.log.max_failed_episodes, run.keep_fault)

    def evaluated(episodes: int) -> dict[str, Any]:
        policy.forget()
        result = evaluate(policy, cfg.env, cfg.policy.prompt, episodes, cfg.seed, tolerance=tolerance())
        policy.counts.clear()  # they are logged of training alone
        return result

    generators = {name: torch.Generator().manual_seed(cfg.seed + i) for i, name in enumerate(("act", "learn"))}
    policy, learner = build(cfg, generators["learn"])
    learner.keep_bad_batch = run.keep_bad_batch
    must_fit = getattr(policy, "must_fit", None)
    worlds = Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs, tolerance(), policy.view, must_fit)
    stats = Statistics(cfg)

    def save() -> None:
        def write(folder: Path) -> None:
            files.write_policy(folder, policy, to_yaml(cfg))
            files.write_training(folder, policy, learner, generators, {"worlds": worlds, "stats": stats, **learner.parts})

        files.save(run.checkpoint_folder(stats.steps), write)
        files.keep_last(run.folder, cfg.log.keep_checkpoints, stats.best_checkpoint(run))

    if run.checkpoint is not None:
        files.read_policy(run.checkpoint, policy)
        files.read_training(run.checkpoint, policy, learner, generators, {"worlds": worlds, "stats": stats, **learner.parts})
        stats.best_checkpoint(run)
        console.resumed(stats)
    else:
        stats.eval_before = evaluated(cfg.log.eval_episodes_final)
        console.before(stats)
    metrics = Metrics(run.folder, cfg.log.tensorboard, stats.steps)
    traces = Traces(run, policy, metrics, stats.steps)
    stats.tick()

    with closing(metrics):
        with console.progress(stats):
            while stats.steps < cfg.total_steps and not stats.reached(cfg):
                interrupt.wait_for_step()
                policy.forget()
                started = time.perf_counter()
                rollout = collect(worlds, policy, cfg.rollout_steps, cfg.env.gamma, generators["act"])
                traces.pick(rollout, stats.updates)
                update = learner.update(rollout, stats.steps / cfg.total_steps)
                stats.add(rollout, update, policy, learner, worlds, time.perf_counter() - started)
                if cfg.log.eval_interval and stats.updates % cfg.log.eval_interval == 0:
                    stats.add_evaluation(evaluated(cfg.log.eval_episodes))
                metrics.log(stats.steps, stats.record)
                traces.write(stats.steps, stats.updates, getattr(learner, "batch", None))
                console.update(stats)
                if stats.is_new_best or stats.updates % cfg.log.checkpoint_interval == 0 or interrupt.requested:
                    save()
                interrupt.leave_if_asked()

        interrupt.wait_for_step()
        if not run.checkpoint_folder(stats.steps).exists():
            save()
        interrupt.leave_if_asked()
        stats.eval_after = evaluated(cfg.log.eval_episodes_final)
        summary = stats.summary(cfg, policy)
        traces.finish(summary)
    disk.write_json(run.folder / "summary.json", summary)
    console.after(summary)
    return summary


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-train`: settings first, so that a mistake in them costs nothing; then the run."""
    from twosome import cli

    cli.run("train", _job, sys.argv[1:] if argv is None else argv)


def _job(cfg: Any) -> dict[str, Any] | None:
    from twosome.plan import must_fit, plan
    from twosome.run import open_run

    if cfg.plan:
        made = plan(cfg)
        print(made.table() if made else f"method={cfg.method} loads no language model: nothing to plan.")
        return None
    if cfg.resume is None and (made := must_fit(cfg)):
        print(made)
    return train(open_run(cfg))


if __name__ == "__main__":
    main()
