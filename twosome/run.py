"""A run's folder: where it is, whether it is new, finished or to be continued, and its settings on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence as Seq
from datetime import datetime
from pathlib import Path
from typing import Any

from twosome import checkpoint as files
from twosome.types import CheckpointError, ConfigError

FREE = ("run_dir", "resume", "plan", "log", "model.device", "model.threads")  # may differ when a run is continued


class Run:
    """`folder`: where everything of the run lies; `checkpoint`: the one to continue from, None at the start."""

    def __init__(self, folder: Path, checkpoint: Path | None, cfg: Any):
        self.folder, self.checkpoint, self.cfg = folder, checkpoint, cfg

    def checkpoint_folder(self, step: int) -> Path:
        return self.folder / "checkpoints" / f"step-{step:08d}"


def open_run(cfg: Any) -> Run:
    """Create the folder, or find the run in it that is to be continued. Raises `CheckpointError`, `ConfigError`."""
    if cfg.resume is not None:
        return _resume(cfg)
    folder = Path(cfg.run_dir).expanduser() if cfg.run_dir is not None else _new_folder(cfg)
    if (folder / "summary.json").exists():
        raise ConfigError(f"{folder} holds a finished run. Choose another run_dir, or remove the folder to run it again.")
    if (folder / "config.yaml").exists():
        _must_agree(folder, cfg)
        return Run(folder, _good_checkpoint(folder), cfg)
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(to_yaml(cfg), encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps(versions(), indent=1), encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"The run folder {folder} cannot be written: {error}. Choose one that can: run_dir=PATH, or free space on the disk."
        ) from error
    return Run(folder, None, cfg)


def _resume(cfg: Any) -> Run:
    path = Path(cfg.resume).expanduser()
    if (path / files.MANIFEST).is_file():
        folder, checkpoint = path.parent.parent, path
        files.verify(path)
    elif (path / "config.yaml").is_file():
        folder, checkpoint = path, _good_checkpoint(path)
    else:
        raise CheckpointError(f"resume={path} is neither a run folder (config.yaml, checkpoints/) nor a checkpoint (manifest.json).")
    if checkpoint is None:
        raise CheckpointError(f"{folder} holds no usable checkpoint to resume from. Run its command line again with run_dir={folder}.")
    saved = saved_settings(folder / "config.yaml")
    saved.run_dir = str(folder)
    return Run(folder, checkpoint, saved)


def _good_checkpoint(folder: Path) -> Path | None:
    checkpoint, complaints = files.newest_good(folder)
    for complaint in complaints:
        print(f"Damaged checkpoint passed over: {complaint}", file=sys.stderr)
    return checkpoint


def _new_folder(cfg: Any) -> Path:
    name = cfg.name or cfg.env.id.split("/")[-1]
    base = Path("outputs") / name / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_seed{cfg.seed}"
    folder, k = base, 1
    while folder.exists():
        k += 1
        folder = base.with_name(f"{base.name}_{k}")
    return folder


def _must_agree(folder: Path, cfg: Any) -> None:
    """The same command line continues a run; a setting that matters and differs is an error that lists it."""
    from omegaconf import OmegaConf

    old = _flat(OmegaConf.to_container(OmegaConf.load(folder / "config.yaml")))
    new = _flat(OmegaConf.to_container(OmegaConf.create(to_yaml(cfg))))
    changed = [
        f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not any(key == f or key.startswith(f + ".") for f in FREE)
    ]
    if changed:
        raise ConfigError(
            f"{folder} holds an unfinished run with other settings: {'; '.join(changed)}. Use the same settings to continue it, "
            "or another run_dir to start afresh."
        )


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(node, dict) and node:
        return {k: v for key, value in node.items() for k, v in _flat(value, f"{prefix}{key}.").items()}
    return {prefix.rstrip("."): node}


def to_yaml(cfg: Any) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(cfg, resolve=True)


def saved_settings(path: Path, overrides: Seq[str] = ()) -> Any:
    """Settings that a run saved, checked like a command line's: plain data of known names and types, nothing is run."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from twosome.config import TrainSettings, check

    try:
        loaded = OmegaConf.create(path.read_text(encoding="utf-8"))
        if "${" in path.read_text(encoding="utf-8"):
            raise ConfigError(f"{path} holds an interpolation (${{...}}), which a saved config never does; refused.")
        cfg = OmegaConf.merge(OmegaConf.structured(TrainSettings), loaded, OmegaConf.from_dotlist(list(overrides)))
        check(cfg)
    except (OmegaConfBaseException, OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise CheckpointError(f"The settings in {path} cannot be used: {' '.join(str(error).split())}") from error
    except Exception as error:  # PyYAML's errors share no base with the above
        raise CheckpointError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return cfg


def versions() -> dict[str, Any]:
    """What the results depend on: machine, versions, commit."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for name in ("twosome", "torch", "transformers", "peft", "bitsandbytes", "gymnasium", "hydra-core", "numpy"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    here = Path(__file__).resolve().parent
    git = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "commit": git.stdout.strip() or None,
        **packages,
    }


def _processor() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
