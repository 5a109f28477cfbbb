"""Weights & Biases as one more place for a run's metrics: `log.wandb=<project>`. The package is optional."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from twosome.config.names import flat
from twosome.config.schema import TrainSettings
from twosome.errors import ConfigError


class WandbLog:
    """The run under its project; a continued run goes on under the same id.

    Raises `ConfigError` where wandb is not installed or lets nobody in.
    """

    def __init__(self, project: str, folder: Path, cfg: TrainSettings):
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(f'log.wandb={project} needs wandb: pip install "twosome[wandb]".') from error
        try:
            self._run: Any = wandb.init(
                project=project,
                name=folder.name,
                dir=str(folder),
                id=hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16],
                resume="allow",
                config=flat(dataclasses.asdict(cfg)),
            )
        except Exception as error:  # wandb's errors share no base
            raise ConfigError(
                f"log.wandb={project}: {type(error).__name__}: {error}. Run `wandb login`, or set WANDB_MODE=offline."
            ) from error

    def log(self, step: int, values: dict[str, float]) -> None:
        """One record at an environment step."""
        self._run.log(values, step=step)

    def close(self) -> None:
        """Send what is still waiting."""
        self._run.finish()
