"""What results depend on: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("twosome", "torch", "transformers", "peft", "bitsandbytes", "gymnasium", "hydra-core", "numpy")


def versions() -> dict[str, Any]:
    """Machine, Python, packages and the commit of this code, where it is in a repository."""
    here = str(Path(__file__).resolve().parent)
    try:
        done = subprocess.run(["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True)
        commit = done.stdout.strip()
    except OSError:  # no git here
        commit = ""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "commit": commit or None,
        **packages(),
    }


def packages() -> dict[str, str]:
    """The versions of this package and of those that results depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
