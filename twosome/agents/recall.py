"""What a policy is reminded of before a decision: the one door for experience and advice into a prompt."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twosome.types import Menu, Observation


class Advice(NamedTuple):
    """What is recalled for a decision: text before the state, and one log-weight per action (empty adds nothing)."""

    text: str = ""
    bias: tuple[float, ...] = ()


class Recall(Protocol):
    """A memory as a policy sees it: the one door through which what was experienced enters a prompt."""

    def __call__(self, observation: Observation, menu: Menu) -> Advice:
        """The advice for a state. The state itself stays as it is: values and visit counts do not see the advice."""
        ...
