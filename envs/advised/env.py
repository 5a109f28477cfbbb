"""An adviser for any world: `Advised(world=..., cost=..., max_internal=..., states=...)`. Knows no world."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

from ..agent.agent import Agent
from ..agent.inner import restorable, whole
from ..agent.internal_actions import AgentState
from ..agent.state import Progress
from ..arguments import unknown
from ..base import Menu
from .planner import Best, planner_of

ASK = "ask what to do"
ADVICE = "Advice: "
"""How the line of an advice begins."""
MOST_STATES = 1_000_000
NEWCOMER_ASKS = 0.5
"""How often one asks, as it is demonstrated, where no advice stands."""

SALAD: Mapping[str, Any] = MappingProxyType({"id": "twosome/TomatoSalad-v0"})


class Ask(NamedTuple):
    """Asks the adviser, who answers with the best action of the world's menu."""

    cost: float
    name: str = "planner"
    slots: int = 1
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        """One phrase, masked where the answer is shown already."""
        return Menu((ASK,), (state.world.advice is None,))

    def run(self, slot: int, state: AgentState) -> str:
        """The phrase of the best action."""
        phrase: str = state.world.phrase
        return phrase


class Kept(NamedTuple):
    """The snapshot with which the world began its episode, and what was advised: the state, and the phrase."""

    start: Hashable = None
    advised: tuple[tuple[Hashable, str], ...] = ()


class End(NamedTuple):
    """What the two ends of asking return, discounted, at a price: `never` is the best that one who never asks can do.

    asks: of one who asks in every state and follows, in the episode.
    """

    cost: float
    never: float
    always: float
    asks: int


class Advised(Agent):
    """A world with one more action, `ask what to do`, which is answered with the best action of its menu.

    The answer is noted for the rest of the episode, for the state that it is about: a line `Advice: <action>` stands
    below the scene whenever the world is in that state, and nowhere else. So no advice is ever stale, the scene is one
    line longer at most, a state has two looks and not one for every history of questions (what is learnt of one, or
    kept in a cache, serves again), and to follow is to read one line. Where it is shown, asking is masked.

    Asking has the reward -cost and lasts one primitive step, as every internal action of an `Agent` does: whoever asks
    pays a step of the discount besides. The adviser plans through all states that an episode can come to, for the
    largest discounted return, without regard to the time that is left. He tells nothing that the best policy does not
    know, so that `optimum` is the world's own at any price, and is reached without asking. What is learnt is when to
    ask, for as long as one does not know.

    The vector holds more numbers: how often was asked, and for every action of the world whether it is advised here.
    `info` has at the end of an episode `tally = {"asked": int}`.

    Args:
        world: `{"id": str, "kwargs": dict}` as for `gymnasium.make`, or an environment; deterministic, with snapshots
            that have a `state`. Worlds of equal arguments are taken to be the same and planned through once.
        cost: what asking subtracts from the reward.
        max_internal: questions of an episode, at most; then asking is masked.
        states: of the world, at most.
        gamma: discount per primitive step; only for a world without a `gamma` of its own.
        render_mode: the world's.

    Raises:
        TypeError: no world of texts and menus.
        ValueError: a number out of range, `gamma` missing or twice, an unknown `render_mode`; by `reset`: snapshots
            without `state`, more states than `states`, a world that asks outside, or whose returns have no bound.
        NotImplementedError: a world without snapshots.
    """

    def __init__(
        self,
        world: Mapping[str, Any] | gymnasium.Env = SALAD,
        cost: float = 0.05,
        max_internal: int = 100,
        states: int = 50_000,
        *,
        gamma: float | None = None,
        render_mode: str | None = None,
    ):
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(unknown("render_mode", render_mode, self.metadata["render_modes"]))
        super().__init__(world, (Ask(cost),), max_internal, gamma=gamma, render_mode=render_mode)
        restorable(self.world)
        self._planner = planner_of(world, self.gamma, whole("states", states, 1, MOST_STATES))
        self._widen()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode, as `Agent.reset` does. The adviser plans where he has not yet."""
        shown = super().reset(seed=seed, options=options)
        self._now = self._now._replace(kept=Kept(restorable(self.world).snapshot()))
        self._best()
        return shown

    def demonstrate(self, seed: int) -> dict[int, float]:
        """Odds of a newcomer, who knows nothing of the world: asks half of the time, follows, else does anything."""
        if (advice := self.advice) is not None:
            return {self._menu.actions.index(advice): 1.0}
        *others, ask = self._menu.is_legal
        possible = [k for k, is_legal in enumerate(others) if is_legal]
        rest = (1 - NEWCOMER_ASKS * ask) / len(possible)
        return dict.fromkeys(possible, rest) | ({len(others): NEWCOMER_ASKS} if ask else {})

    def render(self):
        """As the world does, with the advice below and the last action if it was a question."""
        if self._seen and (self.advice is not None or self._now.was_internal):
            return self._captioned(self._scene())
        return self.world.render()

    def clear_cache(self) -> None:
        """Drop what the world keeps of computed results, and all plans."""
        super().clear_cache()
        self._planner.clear()

    @property
    def kept(self) -> Kept:
        """What the agent keeps beside the world's state."""
        kept = self._now.kept
        return kept if isinstance(kept, Kept) else Kept()

    @property
    def advice(self) -> str | None:
        """What was advised in the present state; None where it was not asked."""
        return dict(self.kept.advised).get(_state(restorable(self.world).snapshot()))

    @property
    def phrase(self) -> str:
        """The best action of the present state. Raises `ValueError` where it cannot be found."""
        return self._world_menu.actions[self._best().action]

    @property
    def optimum(self) -> float:
        """The best discounted return from the present state on, without asking and without a time limit."""
        return self._best().value

    def ends(self, costs: Sequence[float], seed: int | None = None) -> list[End]:
        """The two ends of asking at every price, exact. Plays the episode of this seed, and leaves it at its end.

        Raises `ValueError` where `max_internal` questions are too few for it.
        """
        self.reset(seed=seed)
        never, time, follows, paid, over = self.optimum, 0, 0.0, 0.0, False
        while not over:
            if self.advice is None:
                if not self._menu.is_legal[-1]:
                    raise ValueError(f"max_internal={self.max_internal} questions end before the episode does.")
                self.step(len(self._menu.actions) - 1)
                paid += self.gamma**time
                time += 1
            assert self.advice is not None
            _, reward, terminated, truncated, info = self.step(self._menu.actions.index(self.advice))
            follows += self.gamma**time * float(reward)
            time += info["duration"]
            over = terminated or truncated
        return [End(cost, never, follows - cost * paid, sum(self._now.counts)) for cost in costs]

    # What an adviser changes of the agent -----------------------------------------------------------------------------

    def _best(self) -> Best:
        return self._planner.best(self.world, restorable(self.world).snapshot(), self.kept.start)

    def _learnt(self, which: int, slot: int, note: str) -> tuple[Progress, float]:
        here = _state(restorable(self.world).snapshot())
        kept = self.kept._replace(advised=(*self.kept.advised, (here, self.phrase)))
        return self._now._replace(kept=kept), float(self.actions[which].cost)

    def _numbers(self) -> tuple[float, ...]:
        """How often was asked, and for every action of the world whether it is advised here, [1 + actions]."""
        here, advice = self._world_menu.actions, self.advice
        is_advised = [float(phrase == advice) for phrase in here]
        return (*self._now.counts, *is_advised, *(0.0,) * (self._n_world - len(here)))

    def _scene(self) -> str:
        advice = self.advice
        return self._seen["scene"] if advice is None else f"{self._seen['scene']}\n{ADVICE}{advice}"

    def _state_of(self, which: int) -> AgentState:
        return super()._state_of(which)._replace(world=self, kept=self.kept)

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        observation, info = super()._shown(info)
        if self._now.over:
            info = {**info, "tally": {"asked": sum(self._now.counts)}}
        return observation, info

    def _widen(self) -> None:
        """The space of the vector, which holds more than an agent's."""
        assert isinstance(self.observation_space, Dict)
        vector = self.observation_space["vector"]
        assert isinstance(vector, Box)
        low, high = np.append(vector.low, np.zeros(self._n_world)), np.append(vector.high, np.ones(self._n_world))
        wider = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        self.observation_space = Dict({**self.observation_space.spaces, "vector": wider})


def _state(snapshot: Any) -> Hashable:
    state: Hashable = getattr(snapshot, "state", snapshot)
    return state
