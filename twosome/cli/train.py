"""The command `twosome-train`: settings first, so that a mistake in them costs nothing; then the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from twosome.cli import command, sweep
from twosome.terminal import printable

if TYPE_CHECKING:
    from twosome.config.schema import TrainSettings


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-train`."""
    command.run("train", job, sys.argv[1:] if argv is None else argv, sweep.show)


def job(cfg: TrainSettings) -> dict[str, Any] | None:
    """One training run. Returns its summary; None where only the plan was asked for."""
    from twosome.training.start import start

    if cfg.plan:
        from twosome.lm.footprint import footprint, verdict

        made = footprint(cfg)
        nothing = f"method={cfg.method} loads no language model: nothing to plan."
        print(printable(f"{made.table()}\n{verdict(cfg, made)}" if made else nothing))
        return None
    return start(cfg).summary


if __name__ == "__main__":
    main()
