"""Any Python function as an internal action, and a limit of time for code that may never come back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ..base import Menu
from .internal_actions import AgentState

T = TypeVar("T")


class FunctionTool(NamedTuple):
    """A tool made of a function: one entry of the menu for each phrase.

    >>> from twosome_envs.agent import Agent, FunctionTool
    >>> def weather(phrase, state):
    ...     return "It rains."
    >>> tool = FunctionTool("weather", ("look out of the window",), weather, cost=0.02)
    >>> env = Agent({"id": "twosome/TomatoSalad-v0"}, (tool,), max_internal=5)

    function: takes the phrase and the `AgentState`, returns the note. What it raises becomes the note, cut to length.
    cost: of a call, in units of reward.
    most: calls of each phrase in an episode.
    is_external: whether it can give another answer in the same state; say False of a pure function alone, which
        may then run inside a simulation, and whose errors are errors of the program.
    seconds: that an external one may take; it is then given up, and goes on in a thread of its own. None: no limit.
    """

    name: str
    phrases: tuple[str, ...]
    function: Callable[[str, AgentState], str]
    cost: float = 0.0
    most: int = 1
    is_external: bool = True
    seconds: float | None = 60.0

    @property
    def slots(self) -> int:
        """A slot for each phrase."""
        return len(self.phrases)

    def menu(self, state: AgentState) -> Menu:
        """All phrases; one that was taken `most` times is masked."""
        return Menu(self.phrases, tuple(count < self.most for count in state.counts))

    def run(self, slot: int, state: AgentState) -> str:
        """Call the function. Raises what it raises, and `TimeoutError`."""
        phrase = self.phrases[slot]
        if not self.is_external:
            return self.function(phrase, state)
        return within(self.seconds, lambda: self.function(phrase, state))


def within(seconds: float | None, function: Callable[[], T]) -> T:
    """The function's result, if it comes in time; it runs in a thread that does not keep the program from ending.

    Raises what the function raises, and `TimeoutError`.
    """
    if seconds is None:
        return function()
    found: list[Any] = []

    def call() -> None:
        try:
            found.append((function(), None))
        except BaseException as error:  # of whatever kind: it is raised where the function was called
            found.append((None, error))

    thread = threading.Thread(target=call, daemon=True, name="twosome tool")
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError(f"no answer within {seconds:g} s")
    result, error = found[0]
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]
