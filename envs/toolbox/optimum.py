"""What the best play at a level of prices earns, by enumerating the plans of every kind of question.

A plan is how many searches and calculations are done before the answer. With prices s = search * level and
k = calculation * level, of D calculations one inside the other (`nesting`, by default 1):

    habit      say what is known: 1
    rumour     say what is known: 1;  search and believe: 1/5 - s
    fresh      guess: 1/4;            search: 1 - s
    sum        guess: 1/4;            calculate: 1 - k
    nested     guess: 1/4;            D + 1 searches inside D calculations: 1 - (D + 1) s - D k

Where the price is a share of the answer (`multiplicative` = c, the form of OTC-PO, Wang et al. 2025), a plan of m calls
earns right * cos(m pi / (2 m + c / level)) instead: 1 without a call, less with every one, never below 0.

What is left out of a plan leaves a guess, so every kind is played wholly or not at all. A level's return is the mean
over the kinds by their shares; questions are independent, and a session's return is that times its length.

Assumed of the player: habits and rumours are known (they never change, so play teaches them); what is fresh is not;
and nothing is added in the head. Whoever can add needs no calculator, and earns more than this; whoever only sees
which candidates one of two prices allows gains less than .01, at less than .1 of a level only.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

from .questions import MISLEADS, N_ANSWERS, SHARES, Kind

GUESS = 1 / N_ANSWERS


class Rules(NamedTuple):
    """Prices of a search and of a calculation at level 1; how many calculations a nested question needs.

    multiplicative: None, or c where calls take a share of the answer instead of their price.
    """

    search: float = 0.1
    calculation: float = 0.05
    nesting: int = 1
    multiplicative: float | None = None


class Plan(NamedTuple):
    """How many searches and calculations are done, and how often the answer is right after that."""

    searches: int
    calculations: int
    right: float

    @property
    def calls(self) -> int:
        """Uses of tools."""
        return self.searches + self.calculations

    def value(self, rules: Rules, level: float) -> float:
        """What it earns on average."""
        if rules.multiplicative is not None:
            return self.right * kept_share(rules.multiplicative, level, self.calls)
        return self.right - level * (self.searches * rules.search + self.calculations * rules.calculation)


def kept_share(c: float, level: float, calls: int) -> float:
    """What is left of an answer after so many calls, where they take a share of it."""
    return math.cos(calls * math.pi / (2 * calls + c / level)) if calls and level else 1.0


class Optimum(NamedTuple):
    """Of a question on average: the return, uses of tools, right answers; and the plan of every kind."""

    value: float
    calls: float
    right: float
    plans: tuple[tuple[Kind, Plan], ...]


def needed(rules: Rules, kind: Kind) -> tuple[int, int]:
    """Searches and calculations without which the answer to what is not known is a guess."""
    return {Kind.FRESH: (1, 0), Kind.SUM: (0, 1), Kind.NESTED: (rules.nesting + 1, rules.nesting)}.get(kind, (0, 0))


def plans(rules: Rules, kind: Kind) -> tuple[Plan, ...]:
    """Every plan for a kind of question."""
    if kind == Kind.HABIT:
        return Plan(0, 0, 1.0), Plan(1, 0, 1.0)
    if kind == Kind.RUMOUR:
        return Plan(0, 0, 1.0), Plan(1, 0, 1.0), Plan(1, 0, 1.0 - MISLEADS)
    most = needed(rules, kind)
    pairs = itertools.product(*(range(n + 1) for n in most))
    return tuple(Plan(s, c, 1.0 if (s, c) == most else GUESS) for s, c in pairs)


def best_plan(rules: Rules, kind: Kind, level: float) -> Plan:
    """The plan that earns most; of equal ones that with the fewest calls."""
    return max(plans(rules, kind), key=lambda plan: (plan.value(rules, level), -plan.calls))


def other_plan(rules: Rules, kind: Kind, level: float) -> Plan:
    """The wrong decision about tools: none where they pay, and where they do not, all of them, which are believed."""
    return Plan(0, 0, GUESS) if best_plan(rules, kind, level).calls else plans(rules, kind)[-1]


def pays(rules: Rules, level: float, searches: int, calculations: int, done: int = 0) -> bool:
    """Whether an answer that so much must still be done for is worth more than a guess, after `done` calls."""
    if rules.multiplicative is not None:
        whole, now = Plan(searches + calculations + done, 0, 1.0), Plan(done, 0, GUESS)
        return whole.value(rules, level) > now.value(rules, level)
    return Plan(searches, calculations, 1.0).value(rules, level) > GUESS


@functools.lru_cache(maxsize=1024)
def best(rules: Rules, level: float) -> Optimum:
    """The best play at a level of prices."""
    return _mean(rules, level, {kind: best_plan(rules, kind, level) for kind in SHARES})


def annotated(rules: Rules, level: float, noise: float) -> float:
    """What those earn on a question who take the wrong decision about tools in a share `noise` of all questions."""
    others = _mean(rules, level, {kind: other_plan(rules, kind, level) for kind in SHARES})
    return (1 - noise) * best(rules, level).value + noise * others.value


def always(rules: Rules, level: float) -> Optimum:
    """The play that uses every tool wherever it can, and believes it."""
    return _mean(rules, level, {kind: plans(rules, kind)[-1] for kind in SHARES})


def exact(rules: Rules, level: float, demonstrates: str, noise: float) -> dict[str, float]:
    """What the best play, that of all tools and an annotator earn on a question, and how the first two do it.

    `best`, `always`, `annotator`: returns; `best_calls`, `best_right` and so on: uses of tools, right answers.
    """
    found: dict[str, float] = {}
    for name, play in (("best", best(rules, level)), ("always", always(rules, level))):
        found |= {name: play.value, f"{name}_calls": play.calls, f"{name}_right": play.right}
    wrong = annotated(rules, level, 0.0 if demonstrates == "clean" else noise)
    return {**found, "annotator": found["always"] if demonstrates == "always" else wrong}


def _mean(rules: Rules, level: float, chosen: dict[Kind, Plan]) -> Optimum:
    rows = [(SHARES[kind], plan.value(rules, level), plan.calls, plan.right) for kind, plan in chosen.items()]
    value, calls, right = (sum(share * row[k] for share, *row in rows) for k in range(3))
    return Optimum(value, calls, right, tuple(chosen.items()))
