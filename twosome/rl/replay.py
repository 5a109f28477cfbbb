"""Rollout -> transitions of n steps, and those of the last ones kept to be learnt again (replay). Knows no model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import torch

from twosome.errors import counter, number
from twosome.protocols import StateDict
from twosome.types import Decision, Rollout

T = TypeVar("T")


class Transition(NamedTuple):
    """A decision, what came of it within n steps, and the decision that stood there.

        reward = sum_{i<n} D_i r_{t+i}, discount = D_n         D_i: product of the first i discounts gamma^duration

    `action`: its position in the menu. `discount` is 0 and `next_menu` empty where the episode has terminated, or a
    question was closed that is credited alone: nothing follows. One that was cut off is followed by its last state.
    """

    state: str
    menu: tuple[str, ...]
    action: int
    reward: float
    discount: float
    next_state: str
    next_menu: tuple[str, ...]

    @property
    def decision(self) -> Decision:
        return Decision.plain(self.state, self.menu)

    @property
    def following(self) -> Decision:
        return Decision.plain(self.next_state, self.next_menu)


def transitions(rollout: Rollout, n: int, *, by_question: bool = False) -> list[Transition]:
    """Those of every real step, in the order of time. `by_question`: to a step the end of its question is the end.

    A return ends before its n-th step at the end of the episode or of the rollout, and before a step that a fault
    spoilt. A step after which nothing is known, neither an end nor a menu, is left out.
    """
    assert rollout.next_menus is not None
    length, worlds = rollout.rewards.shape
    rewards, discounts = rollout.rewards.tolist(), rollout.discounts.tolist()
    is_final = rollout.terminated
    if by_question and rollout.closes is not None:
        is_final = is_final | rollout.closes
    ends = (is_final | rollout.truncated).tolist()
    found = []
    for t in range(length):
        for b in range(worlds):
            total, product, last = 0.0, 1.0, -1
            for i in range(t, min(t + n, length)):
                if not rollout.is_real[i, b]:
                    break
                total, product, last = total + product * rewards[i][b], product * discounts[i][b], i
                if ends[i][b]:
                    break
            if last < 0:
                continue
            menu, is_over = rollout.next_menus[last][b], bool(is_final[last, b])
            if menu or is_over:
                decision, action = rollout.decisions[t][b], int(rollout.actions[t, b])
                after = (0.0, "", ()) if is_over else (product, rollout.next_states[last][b], menu)
                found.append(Transition(decision.state, decision.menu, action, total, *after))
    return found


class Replay:
    """The last `capacity` transitions; the oldest leave first."""

    def __init__(self, capacity: int):
        self.kept: deque[Transition] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self.kept)

    def add(self, found: Iterable[Transition]) -> None:
        """Keep some more."""
        self.kept.extend(found)

    def draw(self, count: int, generator: torch.Generator) -> list[Transition]:
        """So many, each evenly from all that are kept; one may come twice."""
        kept = list(self.kept)
        return [kept[i] for i in torch.randint(len(kept), (count,), generator=generator).tolist()]

    def newest(self, count: int) -> list[Transition]:
        """The last ones, at most so many."""
        return list(self.kept)[-count:]

    def state_dict(self) -> StateDict:
        """Every text and menu once; a transition as [state, menu, action, reward, discount, next state, next menu]."""
        states, menus = _Numbered[str](), _Numbered[tuple[str, ...]]()
        rows = [[states[t.state], menus[t.menu], *t[2:5], states[t.next_state], menus[t.next_menu]] for t in self.kept]
        return {"states": list(states), "menus": [list(menu) for menu in menus], "rows": rows}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`. Raises `ValueError` or another of `INVALID_CONTENT` for what cannot be that."""
        states = [_text(text) for text in state["states"]]
        menus = [_menu(menu) for menu in state["menus"]]
        found = [_transition(row, states, menus) for row in state["rows"]]
        self.kept.clear()
        self.kept.extend(found)


class _Numbered(dict[T, int]):
    """Numbers things in the order in which they are asked for."""

    def __missing__(self, key: T) -> int:
        self[key] = len(self)
        return self[key]


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError(f"a state of the replay is {text!r:.80}")
    text.encode()  # half a surrogate pair is no text
    return text


def _menu(menu: Any) -> tuple[str, ...]:
    if not isinstance(menu, list) or not all(map(_text, menu)) or len(set(menu)) < len(menu):
        raise ValueError(f"a menu of the replay is {menu!r:.80}")
    return tuple(menu)


def _transition(row: list[Any], states: list[str], menus: list[tuple[str, ...]]) -> Transition:
    state, menu, action, reward, discount, next_state, next_menu = row
    for index in (state, menu, next_state, next_menu):
        counter(index, "the number of a text")
    found = Transition(
        states[state],
        menus[menu],
        counter(action, "an action"),
        number(reward, "a reward"),
        number(discount, "a discount"),
        states[next_state],
        menus[next_menu],
    )
    follows = found.discount > 0
    if found.action >= len(found.menu) or not 0 <= found.discount <= 1 or (follows and not found.next_menu):
        raise ValueError(f"a transition of the replay is {row!r:.200}")
    return found
