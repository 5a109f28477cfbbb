"""What the best play at the desk earns on average, by dynamic programming over (questions left, what is known).

With m questions left and k of the K things known that one can ask about (rules with notes, else products' answers):

    V(m, k) = share of table questions * (table + V(m-1, k))
            + share of care questions * ((K-k)/K max(guess, ask) + k/K (1 - error + V(m-1, k)))
    guess   = 1/4 + V(m-1, k)
    ask     = 1 - error - c + max(V(m-1, k), V(m-1, k+1) - rho)

It is the best that a policy can earn that goes by the scene: whether a guess was right is not shown, so guesses teach
nothing. It is the best of fewer plays, and so a lower bound, in two cases: with an adviser who errs, of those that
believe a note; with a table of the user's, whose entries are not equally likely, of those that guess one answer in four
rightly, which matters only where there are no look-ups.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from .groups import N_ANSWERS
from .questions import LOOK_UPS, N_PAIRS, N_RULES, SHARES, Kind

GUESS = 1 / N_ANSWERS
CREDITS = ("session", "question")


class Rules(NamedTuple):
    """Prices beside that of asking, and what there is at the desk.

    credit: `session`, or `question`: asks only where the question itself pays for it; what is asked is noted as before.
    care: the share of care questions; keys: things that can be known, by default those of the desk.
    """

    look_up: float = 0.02
    note: float = 0.02
    error: float = 0.0
    table: bool = True
    notes: bool = True
    memory: bool = True
    advice: bool = True
    credit: str = "session"
    care: float = SHARES[Kind.CARE]
    keys: int | None = None


class Optimum(NamedTuple):
    """The best return on average; how often is asked, in a session, and at every question of it [n]."""

    value: float
    asked: float
    asking: tuple[float, ...]


class Choice(NamedTuple):
    """What to do at a care question whose answer is not known, and after that whether to note the advice."""

    ask: bool
    note: bool


def table_value(rules: Rules, kind: Kind, cost: float) -> float:
    """What a question that the table answers is worth: look up as often as needed, or less, or ask, or guess."""
    return max(*_by_look_ups(rules, kind), 1 - rules.error - cost if rules.advice else 0.0)


def look_ups(rules: Rules, kind: Kind) -> int:
    """How many look-ups a question that the table answers is worth without an adviser."""
    values = _by_look_ups(rules, kind)
    return values.index(max(values))


def _by_look_ups(rules: Rules, kind: Kind) -> list[float]:
    """What the question is worth after 0, 1, ... look-ups; the first of two leaves two of four answers."""
    needed = LOOK_UPS[kind] if rules.table else 0
    right = [GUESS, 1.0] if needed == 1 else [GUESS, 2 * GUESS, 1.0]
    return [share - n * rules.look_up for n, share in enumerate(right[: needed + 1])]


def asks_instead(rules: Rules, kind: Kind, cost: float) -> bool:
    """Whether the adviser is asked what the table could answer."""
    return table_value(rules, kind, cost) > max(_by_look_ups(rules, kind))


@functools.lru_cache(maxsize=1024)
def best(rules: Rules, n: int, cost: float) -> Optimum:
    """The best play of sessions of n questions at a price of asking."""
    values, choices = _solved(rules, n, cost)
    total = _keys(rules)
    chances, asking = {0: 1.0}, []
    instead = sum(SHARES[kind] for kind in LOOK_UPS if asks_instead(rules, kind, cost)) / (1 - SHARES[Kind.CARE])
    for m in range(n, 0, -1):
        after: dict[int, float] = {}
        here = (1 - rules.care) * instead
        for k, chance in chances.items():
            choice = choices[m, k]
            asked = chance * rules.care * _unknown(rules, k, total) if choice.ask else 0.0
            here += asked
            learnt = asked if choice.note else 0.0
            for known, share in ((k + 1, learnt), (k, chance - learnt)):
                if share:
                    after[known] = after.get(known, 0.0) + share
        chances = after
        asking.append(here)
    return Optimum(values[n, 0], sum(asking), tuple(asking))


def choice(rules: Rules, n: int, cost: float, left: int, known: int) -> Choice:
    """What the best play does at a care question whose answer is not known, with `left` questions left of n."""
    return _solved(rules, n, cost)[1][left, known]


@functools.lru_cache(maxsize=1024)
def _solved(rules: Rules, n: int, cost: float) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], Choice]]:
    """The value of every (questions left, known), and what to do there."""
    total = _keys(rules)
    rest = 1 - SHARES[Kind.CARE]
    table = sum(SHARES[kind] / rest * table_value(rules, kind, cost) for kind in LOOK_UPS)
    sure = max(GUESS, 1 - rules.error)
    values = {(0, k): 0.0 for k in range(total + 1)}
    choices: dict[tuple[int, int], Choice] = {}
    for m in range(1, n + 1):
        for k in range(total + 1):
            same, more = values[m - 1, k], values[m - 1, min(k + 1, total)]
            kept = more - (rules.note if rules.notes else 0.0) if rules.memory else same
            notes, pays = kept > same, 1 - rules.error - cost + max(same, kept) > GUESS + same
            asks = 1 - rules.error - cost > GUESS if rules.credit == "question" else pays
            choices[m, k] = Choice(rules.advice and asks, rules.memory and (notes or not rules.notes))
            unknown = 1 - rules.error - cost + max(same, kept) if choices[m, k].ask else GUESS + same
            share = _unknown(rules, k, total)
            care = share * unknown + (1 - share) * (sure + same)
            values[m, k] = (1 - rules.care) * (table + same) + rules.care * care
    return values, choices


def _keys(rules: Rules) -> int:
    return rules.keys or (N_RULES if rules.notes else N_PAIRS)


def _unknown(rules: Rules, known: int, total: int) -> float:
    """The chance that the answer to a care question is not known."""
    return (total - known) / total if rules.memory else 1.0
