"""Training from Python: `run = twosome.train(env="tomato_salad", total_steps=20_000)`, and what it leaves."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from twosome import files
from twosome.config.compose import compose
from twosome.config.python import as_overrides, as_texts
from twosome.errors import CheckpointError, ConfigError
from twosome.training.start import start

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import TrainSettings
    from twosome.systems.baselines.common import Baseline


def train(
    env: str | dict[str, Any] | None = None,
    model: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    **settings: Any,
) -> TrainedRun:
    """One training run, as `twosome-train` does it. Returns it with its policy, its metrics and its curves.

    `env`: a name of `conf/env`, a gymnasium id such as `"my_module:MyWorld-v0"`, or `{"id": ..., "kwargs": {...}}`;
    `model`: a name of `conf/model`, a folder or a hub name. Every other setting goes by its name, groups as dicts
    (`ppo={"actor": {"epochs": 2}}`) or as the name of a file of `conf/` (`ppo="published"`); `overrides` are written as
    on the command line. Raises `TwosomeError` with the remedy, `KeyboardInterrupt` after a checkpoint.

    >>> run = twosome.train(env="tomato_salad", total_steps=20_000, seed=1)  # doctest: +SKIP
    >>> run.policy.act(observation, info)  # doctest: +SKIP
    """
    named = {"env": env, "model": model} | settings
    chosen = {key: value for key, value in named.items() if value is not None or key not in ("env", "model")}
    cfg = compose([*as_overrides(chosen), *as_texts(overrides)])
    if cfg.plan:
        raise ConfigError("plan=True trains nothing, so there is no run to return: use twosome-train plan=true.")
    return TrainedRun(start(cfg).folder)


MOST_METRICS = 2**28  # bytes of `metrics.jsonl`: some 200,000 updates, and a few gigabytes once read


class TrainedRun:
    """A run's folder, to look at: what `twosome.train` returns; `TrainedRun(folder)` opens an older one.

    Raises `CheckpointError` for a folder that holds no run, and where a file of it holds something else than it should.
    """

    def __init__(self, folder: str | Path):
        self.folder = files.user_path(str(folder), "folder")
        if not (self.folder / "config.yaml").is_file():
            raise CheckpointError(f"{self.folder} holds no run: expected a run folder (config.yaml, checkpoints/).")

    def __repr__(self) -> str:
        return f"TrainedRun({str(self.folder)!r})"

    @functools.cached_property
    def settings(self) -> TrainSettings:
        """The settings that the run was made with."""
        from twosome.config.saved import saved_settings

        return saved_settings(self.folder / "config.yaml")

    @functools.cached_property
    def policy(self) -> LLMPolicy | Baseline:
        """The policy of the best checkpoint, where there was an evaluation, else of the newest.

        One of `method=mlp` or `method=tabular` acts likewise; it reads the observation's numbers and has no words to
        inspect.
        """
        from twosome.systems.checkpoints import choose_checkpoint
        from twosome.systems.load import load_with_settings

        which = choose_checkpoint(self.folder, "best").which
        return cast("LLMPolicy | Baseline", load_with_settings(self.folder, checkpoint=which).policy)

    @property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds; empty while the run is not finished."""
        path = self.folder / "summary.json"
        found = files.read_json(path) if path.is_file() else {}
        if not isinstance(found, dict):
            raise CheckpointError(f"{path} holds no summary of a run: expected a mapping.")
        return found

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One record per update, as `metrics.jsonl` has them; `pandas.DataFrame(run.metrics)` makes a table."""
        path = self.folder / "metrics.jsonl"
        return list(files.read_lines(path, MOST_METRICS)) if path.is_file() else []

    def plot(self) -> Figure:
        """The learning curve: sampled returns of training, greedy evaluations, the optimum. Needs matplotlib."""
        from twosome.report.learning_curve import learning_curve

        return learning_curve(self.metrics, self.settings.env)
