"""The command `twosome-train`: settings first, so that a mistake in them costs nothing; then the run."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from twosome.cli import command, sweep
from twosome.terminal import printable
from twosome.training.launched import is_one_of_several

if TYPE_CHECKING:
    from twosome.config.schema import TrainSettings
    from twosome.training.ranks import Ranks


def main(argv: list[str] | None = None) -> None:
    """The command `twosome-train`; of several processes the first runs it, the others work for that one."""
    argv = sys.argv[1:] if argv is None else argv
    if not is_one_of_several():
        command.run("train", job, argv, sweep.show)
        return
    from twosome.training.ranks import joined

    with joined() as ranks:
        if ranks is not None:
            command.run("train", partial(job, ranks=ranks), argv, sweep.show)


def job(cfg: TrainSettings, ranks: Ranks | None = None) -> dict[str, Any] | None:
    """One training run. Returns its summary; None where only the plan was asked for."""
    from twosome.training.start import start

    if cfg.plan:
        from twosome.lm.footprint import footprint, verdict

        made = footprint(cfg)
        nothing = f"method={cfg.method} loads no language model: nothing to plan."
        print(printable(f"{made.table()}\n{verdict(cfg, made)}" if made else nothing))
        return None
    return start(cfg, ranks).summary


if __name__ == "__main__":
    main()
