"""The commands' common frame: settings are checked before anything is loaded, and a mistake is one paragraph, not a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from twosome.types import NumericsError, TwosomeError

FLAGS_OF_HYDRA = ("--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--version", "--shell-completion", "-sc")


def run(config_name: str, job: Callable[[Any], Any], argv: list[str]) -> None:
    """Compose the settings, check them, run the job. Exits with 2 for a mistake in the settings, 1 for a failed run."""
    try:
        from twosome.config import compose, register

        register()
        multirun = any(a in ("-m", "--multirun") for a in argv)
        if not multirun and not any(a.startswith(FLAGS_OF_HYDRA) for a in argv):
            job(compose([a for a in argv if not a.startswith("-")], config_name))
        else:
            _with_hydra(config_name, job, argv)
    except NumericsError as error:
        _complain(error, 1)
    except TwosomeError as error:
        _complain(error, 2)


def _with_hydra(config_name: str, job: Callable[[Any], Any], argv: list[str]) -> None:
    """Hydra's own command line: `--help`, `--cfg job`, and `-m` for several runs in a row."""
    import hydra

    from twosome.config import check, conf_dir

    def checked(cfg: Any) -> Any:
        if config_name == "train":
            check(cfg)
        return job(cfg)

    os.environ.setdefault("HYDRA_FULL_ERROR", "0")
    previous, sys.argv = sys.argv, [f"twosome-{config_name}", *argv]
    try:
        hydra.main(config_path=str(conf_dir()), config_name=config_name, version_base="1.3")(checked)()
    finally:
        sys.argv = previous


def _complain(error: TwosomeError, code: int) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    raise SystemExit(code) from None
