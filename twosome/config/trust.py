"""What settings ask for that is not this project's: code, folders to write into, addresses. Runs nothing.

A stranger's settings may name it anywhere; it is done only after the user's own command line has named it too, or where
the settings are of a run that this user began on this machine: a new run that asks for such a thing is signed with a
key that lies in the user's home, which nobody else can read.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twosome import files
from twosome.config.names import key_of
from twosome.config.schema import EnvSettings, TrainSettings
from twosome.errors import CheckpointError, brief

TRUSTED_MODULE = "twosome_envs"  # that settings may import without being asked for
FOLDER = "folder"  # the argument of an environment that names where it writes
ADDRESS = re.compile(r"https?://", re.IGNORECASE)  # how a text begins that is an address and no module
KEY_ENV = "key_env"  # the argument that names the environment variable whose content is sent there
RENDER_MODE, QUIET_MODES = "render_mode", ("ansi", "rgb_array")  # which open no window
SIGNATURE = "made_here"  # the file of a run folder
KEY_BYTES = 32


class Request(NamedTuple):
    """`what` settings ask to do, in words; `word`: what the user's own settings must hold to allow it."""

    what: str
    word: str


def requests(env: EnvSettings) -> list[Request]:
    """The modules, addresses, secrets, folders and modes of drawing that settings of a world name, at any depth."""
    found = []
    for key, text in _texts(env.id, {"kwargs": env.kwargs}):
        module = text.rpartition(":")[0].strip()  # as `gymnasium.make` reads an id
        if ADDRESS.match(text):
            found.append(Request(f"to ask the address {brief(repr(text))}", text))
        elif module and module != TRUSTED_MODULE:
            found.append(Request(f"to import the Python module {brief(repr(module))}", f"{module}:"))
        if key == RENDER_MODE and text not in QUIET_MODES:
            found.append(Request(f"to draw in the mode {brief(repr(text))}, such as a window,", text))
        if key == KEY_ENV:
            found.append(Request(f"to send what the environment variable {brief(repr(text))} holds", text))
        if key == FOLDER:
            found.append(Request(f"to write into the folder {brief(repr(text))}", text))
    return list(dict.fromkeys(found))


def _texts(env_id: str, kwargs: Any) -> Iterator[tuple[str, str]]:
    yield "id", env_id
    waiting = [("", kwargs)]
    while waiting:
        key, node = waiting.pop()
        if isinstance(node, str):
            yield key, node
        elif isinstance(node, Mapping):
            waiting += [("", str(name)) for name in node] + [(str(name), value) for name, value in node.items()]
        elif isinstance(node, Sequence):
            waiting += [(key, value) for value in node]


def must_be_trusted(cfg: TrainSettings, overrides: Sequence[str], where: Path, *, runs_environment: bool) -> None:
    """Refuse settings that would run code of others, unless the user's own `overrides` name it.

    `where`: the file of the settings, or the run or checkpoint that they are of. `runs_environment`: whether the
    environment that they name is going to be made. Raises `CheckpointError`.
    """
    who = f"The saved settings of {where}"
    if cfg.model.trust_remote_code and "model.trust_remote_code" not in {key_of(o) for o in overrides}:
        raise CheckpointError(
            f"{who} ask to run Python files that come with the model {brief(repr(cfg.model.name))} "
            "(model.trust_remote_code=true). If you trust their author, say so yourself: add "
            "model.trust_remote_code=true."
        )
    if runs_environment and not is_signed(where, cfg.env):
        env_overrides = [o for o in overrides if key_of(o) == "env.id" or key_of(o).startswith("env.kwargs")]
        must_be_named(cfg.env, env_overrides, who, "add {0} (in twosome-eval and twosome-inspect: overrides=[{0}])")


def must_be_named(env: EnvSettings, said: Sequence[str], who: str, how: str) -> None:
    """Refuse what an environment's settings ask for and the user has not `said`.

    `how`: to say it, of `{0}`, the setting. Raises `CheckpointError`.
    """
    for what, word in requests(env):
        if not any(_names(text.partition("=")[2], word) for text in said):
            setting = f"env.id={env.id}" if env.id.startswith(word) else f"'env.kwargs={{...}}' with {word!r} in it"
            say = how.format(brief(setting))
            raise CheckpointError(f"{who} ask {what} for their environment. If you trust it, say so yourself: {say}.")


def _names(said: str, word: str) -> bool:
    """Whether the value of a setting names this module (`word` ends in a colon), or this folder as a whole."""
    if word.endswith(":"):
        return re.search(rf"(?<![\w.]){re.escape(word)}\w", said) is not None
    return (
        bool(word) and re.search(rf"(?<![^\s'\"\[{{:,]){re.escape(word)}(?=['\"]?\s*(?:$|[,\]}}]))", said) is not None
    )


# Runs of one's own ----------------------------------------------------------------------------------------------------


def sign(run_dir: Path, env: EnvSettings) -> None:
    """Note in a new run's folder that this user began it here, where its settings ask for anything. Never raises."""
    if requests(env) and (key := _key(may_create=True)) is not None:
        with contextlib.suppress(OSError):
            files.write_text(run_dir / SIGNATURE, _signature(env, key))


def is_signed(where: Path, env: EnvSettings) -> bool:
    """Whether these settings of an environment are those of a run that this user began on this machine.

    `where`: its folder, a checkpoint in it, or a file of either.
    """
    for folder in (where, *where.parents[:3]):
        with contextlib.suppress(OSError):
            said, key = files.read_text(folder / SIGNATURE, 1000), _key(may_create=False)
            return key is not None and hmac.compare_digest(said.encode(), _signature(env, key).encode())
    return False


def _signature(env: EnvSettings, key: bytes) -> str:
    return hmac.new(key, json.dumps([env.id, env.kwargs], sort_keys=True).encode(), "sha256").hexdigest()


def _key(*, may_create: bool) -> bytes | None:
    """The user's own secret; None where there is none, or where others could know it."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(state) / "twosome" / "key"
        if may_create and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        found = path.lstat()
        is_private = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
        key = path.read_bytes() if stat.S_ISREG(found.st_mode) and is_private else b""
    except (OSError, RuntimeError):  # no home, or none that can be written: then the question is asked
        return None
    return key if len(key) == KEY_BYTES else None
