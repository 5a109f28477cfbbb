"""The stack of parts that are worked on: pure functions of immutable frames. Knows no menu and no world.

    pushed     a part on offer is worked on                          one frame more
    given_up   the part on top is given up                           one frame less
    settled    a part is reached, or is not possible any more        its frame leaves, and every frame above it

So a part that was pushed leaves exactly once. Only its result stays, in the frame below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..parts import Part, PartPath

FINISHED, FAILED, GIVEN_UP = "finished", "failed", "given up"
"""What can become of a part: it is reached; the world lists it no more; the one who worked on it stopped."""


class Frame(NamedTuple):
    """One level of the stack: which part it is ("" for the whole), and what became of its own parts, by name."""

    name: str
    results: tuple[tuple[str, str], ...] = ()


Frames = tuple[Frame, ...]
"""The whole and what is worked on, from the outside in; never empty."""

Parts = Callable[[PartPath], tuple[Part, ...]]

WHOLE: Frames = (Frame(""),)


def path_of(frames: Frames) -> PartPath:
    """The path of the frame on top."""
    return tuple(frame.name for frame in frames[1:])


def offered(frames: Frames, parts: Parts) -> tuple[str, ...]:
    """The parts of the frame on top that can be worked on: those open and not given up."""
    results = dict(frames[-1].results)
    listed = parts(path_of(frames))
    return tuple(part.name for part in listed if not part.is_reached and results.get(part.name) != GIVEN_UP)


def pushed(frames: Frames, name: str) -> Frames:
    """The stack with one part of the frame on top above it; what became of it before is forgotten."""
    *below, top = frames
    kept = tuple(result for result in top.results if result[0] != name)
    return (*below, top._replace(results=kept), Frame(name))


def given_up(frames: Frames) -> Frames:
    """The stack without the frame on top. The part is on offer again when another part of the same whole is reached."""
    return _returned(frames, len(frames) - 1, GIVEN_UP)


def reached(frames: Frames, parts: Parts) -> tuple[frozenset[str], ...]:
    """For every frame, the parts of it that are reached."""
    path = path_of(frames)
    return tuple(frozenset(p.name for p in parts(path[:k]) if p.is_reached) for k in range(len(frames)))


def settled(frames: Frames, before: tuple[frozenset[str], ...], parts: Parts) -> Frames:
    """The stack after the world has moved. `before`: the parts that were `reached`."""
    now = reached(frames, parts)
    frames = tuple(_reopened(frame) if now[k] - before[k] else frame for k, frame in enumerate(frames))
    path = path_of(frames)
    for k, name in enumerate(path, 1):  # from the outside in: what is above a frame that leaves is needed no more
        status = {part.name: part.is_reached for part in parts(path[: k - 1])}
        if status.get(name, True):
            return _returned(frames, k, FINISHED if name in status else FAILED)
    return frames


def told(frame: Frame) -> str:
    """What became of the parts of a frame, in a sentence each; empty where nothing did.

    >>> told(Frame("", (("soup", FINISHED), ("salad", FINISHED), ("cake", GIVEN_UP))))
    'Finished: soup, salad. Given up: cake.'
    """
    sentences = []
    for outcome in (FINISHED, FAILED, GIVEN_UP):
        names = [name for name, became in frame.results if became == outcome]
        if names:
            sentences.append(f"{outcome.capitalize()}: {', '.join(names)}.")
    return " ".join(sentences)


def _returned(frames: Frames, level: int, outcome: str) -> Frames:
    """The stack below a level, and what became of the part there; sorted, so that the order does not matter."""
    *lower, below = frames[:level]
    results = tuple(sorted({**dict(below.results), frames[level].name: outcome}.items()))
    return (*lower, below._replace(results=results))


def _reopened(frame: Frame) -> Frame:
    """A frame one of whose parts has just been reached: what failed or was given up before may be tried again."""
    return frame._replace(results=tuple(result for result in frame.results if result[1] == FINISHED))
