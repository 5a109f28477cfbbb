"""Train a policy: `twosome-train experiment=quickstart`, or `python -m twosome.train`. This file reads as the algorithm."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twosome.run import Run


def train(run: Run) -> dict[str, Any]:
    """Collect, learn, log, evaluate, save, until the steps are used up. Returns what `summary.json` holds."""
    import torch

    from twosome import checkpoint as files
    from twosome.console import Console
    from twosome.evaluate import evaluate
    from twosome.methods import build
    from twosome.metrics import Metrics
    from twosome.rollout import Worlds, collect
    from twosome.run import to_yaml
    from twosome.signals import Interrupt
    from twosome.statistics import Statistics

    cfg, console = run.cfg, Console(run)
    generators = {name: torch.Generator().manual_seed(cfg.seed + i) for i, name in enumerate(("act", "learn"))}
    policy, learner = build(cfg, generators["learn"])
    worlds = Worlds(cfg.env, cfg.policy.prompt, cfg.seed, cfg.num_envs, cfg.log.max_failed_episodes, policy.view)
    stats = Statistics(cfg)

    def evaluated(episodes: int) -> dict[str, Any]:
        return evaluate(policy, cfg.env, cfg.policy.prompt, episodes, cfg.seed)

    def save() -> None:
        def write(folder: Path) -> None:
            files.write_policy(folder, policy, to_yaml(cfg))
            files.write_training(folder, policy, learner, generators, {"worlds": worlds.state(), "stats": stats.state()})

        files.save(run.checkpoint_folder(stats.steps), write)
        files.keep_last(run.folder, cfg.log.keep_checkpoints, stats.best_checkpoint(run))

    if run.checkpoint is not None:
        files.read_policy(run.checkpoint, policy)
        saved = files.read_training(run.checkpoint, policy, learner, generators)
        worlds.restore(saved["worlds"])
        stats.restore(saved["stats"])
        console.resumed(stats)
    else:
        stats.eval_before = evaluated(cfg.log.eval_episodes_final)
        console.before(stats)
    metrics = Metrics(run.folder, cfg.log.tensorboard, stats.steps)
    stats.tick()

    with console.progress(stats), Interrupt() as interrupt:
        while stats.steps < cfg.total_steps and not stats.reached(cfg):
            policy.forget()
            started = time.perf_counter()
            rollout = collect(worlds, policy, cfg.rollout_steps, cfg.env.gamma, generators["act"])
            update = learner.update(rollout, stats.steps / cfg.total_steps)
            stats.add(rollout, update, policy, learner, worlds, time.perf_counter() - started)
            if cfg.log.eval_interval and stats.updates % cfg.log.eval_interval == 0:
                stats.add_evaluation(evaluated(cfg.log.eval_episodes))
            metrics.log(stats.steps, stats.record)
            console.update(stats)
            if stats.is_new_best or stats.updates % cfg.log.checkpoint_interval == 0 or interrupt.requested:
                save()
            if interrupt.requested:
                metrics.close()
                interrupt.leave(run)

    stats.eval_after = evaluated(cfg.log.eval_episodes_final)
    save()
    metrics.close()
    summary = stats.summary(cfg, policy)
    (run.folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    console.after(summary)
    return summary


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-train`: settings first, so that a mistake in them costs nothing; then the run."""
    from twosome import cli

    cli.run("train", _job, sys.argv[1:] if argv is None else argv)


def _job(cfg: Any) -> dict[str, Any] | None:
    from twosome.run import open_run

    return train(open_run(cfg))


if __name__ == "__main__":
    main()
