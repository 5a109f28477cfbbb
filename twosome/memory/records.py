"""States that were met, and what their actions have led to (RLEM; Zhang et al. 2023, arXiv 2306.07929). Pure.

After an episode, backwards in time:

    G_t = sum_{i<n} D_i r_{t+i} + D_n max_a Q(o_{t+n}, a)       D_i: product of the first i discounts gamma^duration
    N += 1;  Q(o_t, a_t) += alpha (G_t - Q(o_t, a_t))           alpha = N^-power (1/N at 1), or a constant
    U(o, a): the same of r + bonus / N(o'), with an n and an    N(o'): how often the state was met; it explores by U
             alpha of its own                                   and reports Q
An episode that reached its end is followed by nothing, one that was cut off by what is known of where it was. Of a
state that is not known nothing is assumed: it is worth 0. The bonus travels back by the same update, so that what
leads to the unknown is worth trying too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twosome.errors import counter, number
from twosome.types import Situation

if TYPE_CHECKING:
    from twosome.config.schema import MemorySettings

LONGEST = 1_000_000  # characters of a text that a checkpoint may hold


class Step(NamedTuple):
    """One step of an episode. `discount`: gamma^duration, not yet stopped by an end."""

    situation: Situation
    action: str
    reward: float
    discount: float


@dataclass(slots=True)
class Known:
    """What is known of an action: `q` its value, `u` the same with exploration bonuses, `n` how often it was taken."""

    q: float = 0.0
    u: float = 0.0
    n: int = 0


@dataclass(slots=True)
class Record:
    """What is known of a state: `visits`, how often it was met, and its actions by their phrases."""

    visits: int = 0
    actions: dict[str, Known] = field(default_factory=dict)

    def best(self, which: str) -> float:
        """The best of its actions; 0 where none is known. `which`: `q` or `u`."""
        return max((getattr(known, which) for known in self.actions.values()), default=0.0)


class Records:
    """Records by situation, at most `capacity`: the one that was longest not met leaves first, never a newcomer.

    `version`: grows with every change, for whoever keeps something of the records.
    """

    def __init__(self, settings: MemorySettings):
        self.settings = settings
        self.version = 0
        self.begins: dict[str, str] = {}  # of every goal the scene in which it was first met
        self._records: OrderedDict[Situation, Record] = OrderedDict()
        self._told: tuple[Situation, ...] = ()
        self._places: dict[Situation, int] = {}
        self._tasks: tuple[str, ...] = ()
        self._task_of = np.zeros(0, int)
        self._told_at = 0  # the version that these are of

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, situation: object) -> bool:
        return situation in self._records

    def __getitem__(self, situation: Situation) -> Record:
        return self._records[situation]

    def situations(self) -> tuple[Situation, ...]:
        """All that are known, the one that was longest not met first."""
        return tuple(self._records)

    def told(self) -> tuple[Situation, ...]:
        """Those of which an action is known, in the same order: what can be recalled."""
        self._look()
        return self._told

    def place(self, situation: Situation) -> int | None:
        """Where `told` has a situation; None where it has not."""
        self._look()
        return self._places.get(situation)

    def tasks(self) -> tuple[str, ...]:
        """The goals of what can be recalled."""
        self._look()
        return self._tasks

    def task_of(self) -> np.ndarray:
        """Of everything that can be recalled, the place of its goal among the tasks: [N]."""
        self._look()
        return self._task_of

    def _look(self) -> None:
        if self._told_at != self.version:
            self._told_at = self.version
            self._told = tuple(s for s, record in self._records.items() if record.actions)
            self._places = {s: place for place, s in enumerate(self._told)}
            self._tasks = tuple(dict.fromkeys(s.goal for s in self._told))
            task = {goal: place for place, goal in enumerate(self._tasks)}
            self._task_of = np.array([task[s.goal] for s in self._told], int)

    def learn(self, steps: Sequence[Step], after: Situation | None) -> float:
        """Learn from an episode. `after`: where it was cut off, None where it reached its end.

        Returns half the squared error of Q, mean over its steps.
        """
        if not steps:
            return 0.0
        for step in steps:
            self.begins.setdefault(step.situation.goal, step.situation.scene)
        bonuses = self._met(steps, after)
        errors = []
        for t in range(len(steps) - 1, -1, -1):
            q = self._return(steps, t, after, "q", None)
            u = self._return(steps, t, after, "u", bonuses)
            known = self._records[steps[t].situation].actions.setdefault(steps[t].action, Known())
            known.n += 1
            error = q - known.q
            known.q += self._rate(self.settings.alpha, known.n) * error
            known.u += self._rate(self.settings.bonus_alpha, known.n) * (u - known.u)
            errors.append(0.5 * error * error)
        while len(self._records) > self.settings.capacity:
            self._records.popitem(last=False)
        self.version += 1
        return sum(errors) / len(errors)

    def _rate(self, alpha: float | None, n: int) -> float:
        return float(n**-self.settings.power) if alpha is None else alpha

    def _met(self, steps: Sequence[Step], after: Situation | None) -> list[float]:
        """Count the states of an episode, in the order of time. Returns the bonus of every step, of where it led."""
        bonuses = []
        ways = [*(step.situation for step in steps), *([] if after is None else [after])]
        for k, situation in enumerate(ways):
            record = self._records.setdefault(situation, Record())
            self._records.move_to_end(situation)
            record.visits += 1
            if k:
                bonuses.append(self.settings.bonus / record.visits)
        return bonuses if after is not None else [*bonuses, 0.0]

    def _return(
        self, steps: Sequence[Step], t: int, after: Situation | None, which: str, bonuses: list[float] | None
    ) -> float:
        """The n-step return from step t."""
        n = self.settings.n if which == "q" else self.settings.bonus_n
        n = len(steps) - t if n is None else min(n, len(steps) - t)
        total, discount = 0.0, 1.0
        for i in range(t, t + n):
            total += discount * (steps[i].reward + (0.0 if bonuses is None else bonuses[i]))
            discount *= steps[i].discount
        then = steps[t + n].situation if t + n < len(steps) else after
        return total if then is None else total + discount * self._records[then].best(which)

    # Kept and brought back --------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All records, the one that was longest not met first, and where the episodes of every goal began."""
        return {
            "begins": dict(self.begins),
            "records": [
                [s.goal, s.scene, r.visits, [[phrase, k.q, k.u, k.n] for phrase, k in r.actions.items()]]
                for s, r in self._records.items()
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. Raises `ValueError` or another of `INVALID_CONTENT` for what cannot be that."""
        if not isinstance(state, dict) or not {"begins", "records"} <= state.keys():
            raise ValueError("it has no records and begins")
        found = OrderedDict(_record(row) for row in state["records"])
        if len(found) != len(state["records"]):
            raise ValueError("a state of the memory stands there twice")
        begins = {_text(goal): _text(scene) for goal, scene in state["begins"].items()}
        if unknown := sorted({situation.goal for situation in found} - begins.keys()):
            raise ValueError(f"it does not say where {unknown[0]!r:.80} begins")
        self._records, self.begins = found, begins
        self.version += 1


def _record(row: list[Any]) -> tuple[Situation, Record]:
    goal, scene, visits, actions = row
    known = {
        _text(phrase): Known(number(q, "a value"), number(u, "a value"), counter(n, "a count", least=1))
        for phrase, q, u, n in actions
    }
    if len(known) != len(actions):
        raise ValueError(f"an action of {row!r:.200} stands there twice")
    return Situation(_text(goal), _text(scene)), Record(counter(visits, "visits"), known)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueError(f"{value!r:.80} is no text of a memory")
    return value
