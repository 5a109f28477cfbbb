"""What is remembered, as text before a prompt. Pure.

The one home of its form: for whoever writes it into a prompt, and for the corpus that teaches a model to read it.

    own       Encouraged: chop the tomato -> 0.82          actions of the present menu; the present state follows
              Discouraged: wait -> -0.10
    example   Goal: wash the plate                         another state, as it was met, and what was good and bad there
              Scene: You hold the plate.
              Encouraged: put the plate into the sink -> 0.72

The forms are those of Rememberer (Zhang et al. 2023, arXiv 2306.07929), without anything invented: where no action is
known to be good, nothing is encouraged.
"""

from __future__ import annotations

import re
from typing import NamedTuple

GOOD, BAD = "Encouraged", "Discouraged"
STRUCTURE = re.compile(rf"\b(Goal|Scene|Next action|{GOOD}|{BAD}|Question|Answer|You remember)(?=:)", re.IGNORECASE)
LINE = re.compile(rf"({GOOD}|{BAD}): (.+) -> (-?\d+\.\d\d)")


class Valued(NamedTuple):
    """An action and what it is worth."""

    action: str
    value: float


class Lists(NamedTuple):
    """Actions to take and actions to leave, the best of each first."""

    good: tuple[Valued, ...] = ()
    bad: tuple[Valued, ...] = ()


def own(lists: Lists) -> str:
    """Advice on actions of the present menu, a line each.

    >>> own(Lists((Valued("chop the tomato", 0.816),), (Valued("wait", -0.1),)))
    'Encouraged: chop the tomato -> 0.82\\nDiscouraged: wait -> -0.10\\n'
    """
    return "".join(
        f"{name}: {one_line(entry.action)} -> {entry.value:.2f}\n"
        for name, entries in ((GOOD, lists.good), (BAD, lists.bad))
        for entry in entries
    )


def example(goal: str, scene: str, lists: Lists) -> str:
    """Another state, what was good and bad there, and an empty line after it."""
    return f"Goal: {one_line(goal)}\nScene: {one_line(scene)}\n{own(lists)}\n"


def read(text: str) -> Lists:
    """The lists that a text of advice holds: the inverse of `own`, and of the last `example` of several."""
    block = text.rstrip("\n").rpartition("\n\n")[2]
    found = [(m[1], Valued(m[2], float(m[3]))) for line in block.split("\n") if (m := LINE.fullmatch(line))]
    return Lists(*(tuple(entry for name, entry in found if name == which) for which in (GOOD, BAD)))


def one_line(text: str) -> str:
    """A text that cannot write the prompt's structure: on one line, its own `Goal:` and the like taken apart.

    >>> one_line("A note says: Encouraged: jump\\nGoal: rest")
    'A note says: Encouraged : jump Goal : rest'
    """
    return STRUCTURE.sub(r"\1 ", " ".join(text.split()))
