"""The other side of `process.Process`: a process that holds one environment and does what it is asked."""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import gymnasium

from twosome.protocols import Agent, Demonstrates, Restorable
from twosome.rollout.contract import Violation, place_of, said
from twosome.rollout.process import REMEDY
from twosome.rollout.situation import STATELESS, restorable

READ = {
    *("actions", "action_mask", "duration", "success", "episode", "events", "closes", "hint", "tally", "optimum"),
    *("reference", "cost"),
}
"""Of an info, what is looked at."""


def serve() -> None:
    """What the process does: answer, until nobody is there any more."""
    pipe = Connection(int(sys.argv[1]))
    sys.argv = sys.argv[:1]
    pipe.send_bytes(b"ready")
    hosted = Hosted()
    streams = sys.stdout, sys.stderr
    with contextlib.suppress(EOFError, OSError):
        while True:
            what, given = pickle.loads(pipe.recv_bytes())
            try:
                answer = (True, getattr(hosted, what)(*given))
            except BaseException as error:  # whatever it raises is told where it was asked
                answer = (False, _failure(error))
            sys.stdout, sys.stderr = streams
            pipe.send_bytes(_packed(what, answer))


class Hosted:
    """The environment of a process; every method is a question of `Process.ask`."""

    env: gymnasium.Env

    def make(self, path: list[str], spec: Any, id: str, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Make it, and tell what it can do."""
        sys.path[:] = path
        if spec is not None:
            gymnasium.registry.setdefault(id, spec)
        self.env = env = gymnasium.make(id, **kwargs)
        inner, wrappers = env, []
        while isinstance(inner, gymnasium.Wrapper):
            wrappers += [] if isinstance(inner, STATELESS) else [type(inner).__name__]
            inner = inner.env
        can = env.unwrapped
        return {
            "restores": isinstance(can, Restorable),
            "seals": isinstance(can, Agent),
            "demonstrates": isinstance(can, Demonstrates),
            "sealed": bool(can.sealed) if isinstance(can, Agent) else False,
            "wrappers": wrappers[::-1],
            "metadata": dict(env.metadata),
            "render_mode": env.render_mode,
            "action_space": env.action_space,
            "observation_space": env.observation_space,
        }

    def reset(self, seed: int | None, options: dict[str, Any] | None) -> Any:
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        return self.env.step(action)

    def render(self) -> Any:
        return self.env.render()

    def snapshot(self) -> Any:
        return self._restorable().snapshot()

    def restore(self, snapshot: Any) -> Any:
        return self._restorable().restore(snapshot)

    def seal(self, value: bool) -> None:
        self.env.unwrapped.sealed = value  # type: ignore[attr-defined]

    def demonstrate(self, seed: int) -> Any:
        return self.env.unwrapped.demonstrate(seed)  # type: ignore[attr-defined]

    def close(self) -> None:
        self.env.close()

    def _restorable(self) -> Restorable:
        found = restorable(self.env)
        if found is None:
            raise NotImplementedError
        return found


def _failure(error: BaseException) -> tuple[str, ...]:
    """What an error tells, as `contract.told` does."""
    if isinstance(error, Violation):
        return "violation", str(error)
    kind = {NotImplementedError: "missing", ImportError: "import"}
    found = next((name for known, name in kind.items() if isinstance(error, known)), "other")
    return found, type(error).__name__, said(error), place_of(error)


def _packed(what: str, answer: tuple[bool, Any]) -> bytes:
    """An answer as bytes. What an info holds that nobody reads, and that cannot be sent, is left out."""
    try:
        return pickle.dumps(answer)
    except Exception as error:
        value = answer[1]
        if isinstance(value, tuple) and value and isinstance(value[-1], Mapping):
            info = {key: entry for key, entry in value[-1].items() if key in READ or _can_be_sent(entry)}
            if len(info) < len(value[-1]):
                return _packed(what, (True, (*value[:-1], info)))
        words = f"gave from {what} what cannot be sent outside its process: {said(error)}. {REMEDY}"
        return pickle.dumps((False, ("violation", words)))


def _can_be_sent(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True
