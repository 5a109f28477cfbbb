"""Worlds in processes of their own: the same bits, several steps at a time, and none harmed by what another does.

A process is used again for the next world when its own has been closed in good order. One that dies is told as a fault
of its world, one that does not answer in time is ended; `World.recreate` takes another. What an environment gives
passes through `pickle`, between our own processes alone. Knows nothing of policies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable, Mapping
from typing import Any

import gymnasium

from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError
from twosome.rollout.contract import make_env
from twosome.rollout.process import REMEDY, Process


class Workers:
    """Processes for worlds: each has its own, and `most` of them step at the same time; with 0 there are none."""

    def __init__(self, most: int):
        if most and os.name != "posix":
            raise ConfigError(f"num_workers={most} needs Unix; {REMEDY}.")
        self.most = most
        self._idle: list[Process] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self, n: int = 1) -> None:
        """Have `n` processes waiting, if there are to be any; those that start do so at the same time."""
        if not self.most:
            return
        dead = [process for process in self._idle if not process.is_alive]
        for process in dead:
            self._idle.remove(process)
            process.end()
        self._idle += [Process() for _ in range(n - len(self._idle))]
        for process in self._idle:
            process.must_have_started()

    def env(self, settings: EnvSettings) -> gymnasium.Env:
        """The environment of an entry of `conf/env`, as `make_env` makes it, in a process if there are any."""
        if not self.most:
            return make_env(settings)
        self.prepare()
        return make_env(settings, self._make)

    def close(self) -> None:
        """End every process that waits."""
        while self._idle:
            self._idle.pop().end()

    def _make(self, id: str, **kwargs: Any) -> gymnasium.Env:
        """As `gymnasium.make`, in a process that waits."""
        process = self._idle.pop()
        try:
            spec = gymnasium.registry.get(id)  # registered here, perhaps by the program itself
            found = process.ask("make", sys.path, spec, id, kwargs)
        except BaseException:
            process.end()
            raise
        abilities = (_Restores, found["restores"]), (_Seals, found["seals"]), (_Shows, found["demonstrates"])
        kind = type("Remote", (*(ability for ability, has in abilities if has), Remote), {})
        env: gymnasium.Env = kind(process, self._idle, found)
        for name in found["wrappers"]:  # of these only the names are here, which say why a world cannot go back
            env = type(name, (_Named,), {})(env)
        return env


def step_ahead(env: gymnasium.Env, action: int) -> None:
    """Let an environment in a process of its own begin the step that is to be taken next."""
    while isinstance(env, _Named):
        env = env.env
    if isinstance(env, Remote):
        env.ahead(action)


def has_lost_process(env: gymnasium.Env) -> bool:
    """Whether an environment had a process of its own, which has died, or did not answer in time."""
    return isinstance(env.unwrapped, Remote) and env.unwrapped.is_lost


class _Named(gymnasium.Wrapper):
    """Stands for a wrapper around the environment in the other process."""


class Remote(gymnasium.Env):
    """An environment in another process."""

    def __init__(self, process: Process, idle: list[Process], found: Mapping[str, Any]):
        self._process, self._idle, self._is_closed, self._ahead = process, idle, False, False
        self.metadata, self.render_mode = found["metadata"], found["render_mode"]
        self.action_space, self.observation_space = found["action_space"], found["observation_space"]
        self._sealed: bool = found["sealed"]

    @property
    def is_lost(self) -> bool:
        """Whether its process has died, or did not answer in time."""
        return self._process.is_busy or not self._process.is_alive

    def ahead(self, action: int) -> None:
        """Begin a step, which `step` then ends; this one does not wait."""
        self._process.send("step", action)
        self._ahead = True

    def step(self, action: Any) -> Any:
        """As of the environment."""
        if not self._ahead:
            return self._process.ask("step", action)
        self._ahead = False
        return self._process.receive()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """As of the environment."""
        return self._process.ask("reset", seed, options)

    def render(self) -> Any:
        """As of the environment."""
        return self._process.ask("render")

    def close(self) -> None:
        """Close the environment; its process waits for another, or is ended."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._process.close():
            self._idle.append(self._process)
        else:
            self._process.end()


class _Restores:
    _process: Process

    def snapshot(self) -> Hashable:
        """As of the environment."""
        return self._process.ask("snapshot")

    def restore(self, snapshot: Any) -> Any:
        """As of the environment."""
        return self._process.ask("restore", snapshot)


class _Seals:
    _process: Process
    _sealed: bool

    @property
    def sealed(self) -> bool:
        """As of the environment."""
        return self._sealed

    @sealed.setter
    def sealed(self, value: bool) -> None:
        self._process.ask("seal", value)
        self._sealed = value


class _Shows:
    _process: Process

    def demonstrate(self, seed: int) -> Any:
        """As of the environment."""
        return self._process.ask("demonstrate", seed)
