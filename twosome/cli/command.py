"""The commands' common frame.

Settings are checked before anything is loaded, and a mistake is one paragraph, not a traceback.

Exit codes: 0 done, 1 the run failed, 2 a mistake in the settings, 130 and 143 stopped by Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from twosome.cli.sweep import objective
from twosome.config.compose import checked, compose_command, prepared, register
from twosome.config.hydra_errors import UNREADABLE, explain
from twosome.config.known import known_names
from twosome.config.names import near, program
from twosome.config.schema import conf_dir
from twosome.errors import (
    CheckpointError,
    ConfigError,
    EnvironmentFault,
    NumericsError,
    RankError,
    Stopped,
    TwosomeError,
    brief,
    is_out_of_memory,
)
from twosome.terminal import protected, say
from twosome.training.interrupt import Interrupt
from twosome.training.launched import is_one_of_several
from twosome.versions import packages

if TYPE_CHECKING:
    from omegaconf import DictConfig

FLAGS = (
    "--help",
    "--hydra-help",
    "--version",
    "--multirun",
    "--cfg",
    "--resolve",
    "--package",
    "--info",
    "--config-dir",
    "--shell-completion",
)
SHORT_FLAGS = ("-h", "-m", "-c", "-p", "-i", "-cd", "-sc")
WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd")
LESS_MEMORY = (
    "There is not enough memory: lower policy.token_budget, num_envs, rollout_steps or policy.reuse_capacity, take a "
    "smaller model, or model.quantization; twosome-train plan=true shows what takes how much."
)
FAILED_RUN = (CheckpointError, EnvironmentFault, NumericsError, RankError)
After = Callable[[list[tuple[list[str], Any]]], None]
Job = Callable[[Any], object]  # of the settings of its command: an object of its schema, of a bench a `DictConfig`


def run(config_name: str, job: Job, argv: list[str], after: After | None = None) -> None:
    """Compose the settings, check them, run the job. Exits with 2 for a mistake in the settings, 1 for a failed run.

    `after`: is given the results of several runs (`-m`) in their order, each with its own part of the command line.
    """
    guarded(lambda: _run(config_name, job, argv, after))


def guarded(work: Callable[[], object]) -> None:
    """Do a command's work, and end with one paragraph and an exit code where it cannot be done."""
    with protected():
        _tell_where_on_request()
        try:
            with Interrupt():
                work()
        except TwosomeError as error:
            leave(error, 1 if isinstance(error, FAILED_RUN) else 2)
        except Stopped as stopped:
            say(f"\n{stopped}")
            raise SystemExit(stopped.code) from None
        except KeyboardInterrupt as error:
            leave(error, 130)
        except OSError as error:
            leave(error, 1)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            leave(MemoryError(f"{brief(error)} {LESS_MEMORY}"), 1)


def _tell_where_on_request() -> None:
    """On SIGUSR1 (`kill -USR1 PID`) Python writes to stderr where it is: in a world that hangs, for instance."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows; an output that is none
        faulthandler.register(signal.SIGUSR1, sys.__stderr__ or 2, all_threads=False)


def leave(error: BaseException, code: int) -> NoReturn:
    """Print an error as one paragraph and exit."""
    said = " ".join(str(error).split()) if not isinstance(error, TwosomeError) else str(error)
    say(f"{type(error).__name__}: {said or 'stopped, or raised by something that the program called.'}")
    raise SystemExit(code) from None


def _run(config_name: str, job: Job, argv: list[str], after: After | None) -> None:
    if "--version" in argv:
        print(", ".join(f"{name} {version}" for name, version in packages().items()))
        return
    if config_name != "train" and is_one_of_several():
        raise ConfigError(
            f"{program(config_name)} works in one process: start it without torchrun or accelerate launch."
        )
    flags = [a for a in argv if a.startswith("-")]
    for flag in flags:
        if flag.split("=")[0] not in FLAGS + SHORT_FLAGS:
            name = flag.lstrip("-").split("=")[0].replace("-", "_")
            hint = near(name, known_names(config_name)) or near(flag, FLAGS)
            listed = f"see {program(config_name)} --help"
            raise ConfigError(
                f"Unknown option {flag!r}.{hint} Settings are written without dashes, as key=value; {listed}."
            )
    if flags:
        _with_hydra(config_name, job, argv, after)
    else:
        job(compose_command(argv, config_name))


def _must_be_options(options: list[str]) -> None:
    """Raise `ConfigError` for options of Hydra that lack their value, or have a wrong one."""
    import argparse

    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        parser.parse_args(options)
    except argparse.ArgumentError as error:
        raise ConfigError(f"Wrong option: {error}. Settings are written without dashes, as key=value.") from None


def _with_hydra(config_name: str, job: Job, argv: list[str], after: After | None) -> None:
    """Hydra's own command line: `--help`, `--cfg job`, `--config-dir` for own settings, `-m` for several runs."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    has_begun = False

    def checked_job(cfg: DictConfig) -> object:
        nonlocal has_begun
        overrides = list(HydraConfig.get().overrides.task)
        made = checked(cfg, overrides, config_name)
        has_begun = True
        result = job(made)
        has_begun = False
        results.append((overrides, result))
        return objective(result)

    register()
    results: list[tuple[list[str], Any]] = []
    kept_by_hydra = Path("outputs") / "multirun.yaml"
    theirs = kept_by_hydra.read_bytes() if kept_by_hydra.is_file() else None
    overrides: list[str] = []
    options: list[str] = []
    for before, argument in zip(["", *argv], argv, strict=False):
        is_setting = "=" in argument and not argument.startswith("-") and before not in WITH_VALUE
        (overrides if is_setting else options).append(argument)
    _must_be_options(options)
    is_sweep = any(option in ("-m", "--multirun") for option in options)
    settings = prepared(overrides, config_name, is_sweep=is_sweep)
    arguments, sys.argv = sys.argv, [f"twosome-{config_name}", *settings, *options]
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hands us the error itself, to be told in one paragraph
    try:
        hydra.main(config_path=str(conf_dir()), config_name=config_name, version_base="1.3")(checked_job)()
    except TwosomeError:
        raise
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, overrides, config_name)) from None
    except UNREADABLE as error:
        if has_begun:
            raise
        raise ConfigError(explain(error, overrides, config_name)) from None
    else:
        if after is not None and len(results) > 1:
            after(results)
    finally:
        if theirs is not None:
            kept_by_hydra.write_bytes(theirs)
        elif kept_by_hydra.is_file():
            kept_by_hydra.unlink()  # of no use beside the runs' own config.yaml
        sys.argv = arguments
        os.environ.pop("HYDRA_FULL_ERROR")
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error
