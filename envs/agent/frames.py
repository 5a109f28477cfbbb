"""Tools within tools: a stack of frames, each a task whose result the frame below waits for. Knows no tool.

    opened     a task is begun                        one frame more, with a number of its own; at most so many
    noted      a result comes in                      it stands in the frame on top
    returned   the task on top is done, or given up   one frame less; its result stands in the frame below

Of what was found inside a frame only its result stays. A frame is named by its number when it returns, so it returns
once: afterwards nothing on the stack has that number again.

>>> stack = opened(EMPTY, "3 + x", most=2)
>>> stack = noted(stack, "x", "4")
>>> stack = returned(stack, stack.top.number, "3 + x", "7")
>>> stack.top.results, depth(stack)
((('3 + x', '7'),), 0)
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple


class FrameError(ValueError):
    """A frame that cannot be opened, or cannot return."""


class Frame(NamedTuple):
    """A task, what came in for it in order as (name, result), and its number; that at the bottom has 0."""

    task: Hashable = None
    results: tuple[tuple[Hashable, Hashable], ...] = ()
    number: int = 0


class Stack(NamedTuple):
    """Frames from the bottom up, never empty, and how many were opened so far."""

    frames: tuple[Frame, ...] = (Frame(),)
    opened: int = 0

    @property
    def top(self) -> Frame:
        """The frame that is worked on."""
        return self.frames[-1]


EMPTY = Stack()


def depth(stack: Stack) -> int:
    """How many frames are open above the bottom."""
    return len(stack.frames) - 1


def opened(stack: Stack, task: Hashable, most: int) -> Stack:
    """The stack with a task begun. Raises `FrameError` where `most` frames are open already."""
    if depth(stack) >= most:
        raise FrameError(f"{most} frames are open, which is the most: {task!r} cannot be begun inside.")
    return Stack((*stack.frames, Frame(task, (), stack.opened + 1)), stack.opened + 1)


def noted(stack: Stack, name: Hashable, result: Hashable) -> Stack:
    """The stack with one more result in the frame on top."""
    *below, top = stack.frames
    return stack._replace(frames=(*below, top._replace(results=(*top.results, (name, result)))))


def returned(stack: Stack, number: int, name: Hashable, result: Hashable) -> Stack:
    """The stack without the frame on top, and its result, under a name, in the frame below.

    Raises `FrameError` unless the frame on top has this number: it returned before, or another is open inside it.
    """
    if number != stack.top.number or not depth(stack):
        open_now = [frame.number for frame in stack.frames[1:]]
        raise FrameError(f"Frame {number} cannot return: open are {open_now}, and only the last of them can.")
    return noted(stack._replace(frames=stack.frames[:-1]), name, result)


def known(stack: Stack) -> dict[Hashable, Hashable]:
    """All results that stand on the stack by their names; the later and the inner ones count."""
    return {name: result for frame in stack.frames for name, result in frame.results}
