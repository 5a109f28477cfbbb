"""The agent: an environment around an environment, whose menu also offers internal actions.

It knows nothing of what an internal action does (`internal_actions.py` says what one is) or of which world is inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from ..base import LastStep, Menu
from .around import Around
from .events import split
from .inner import spaces_around, whole
from .internal_actions import AgentState, InternalAction, checked
from .menu import joined, one_line
from .state import Event, Progress

NOTE = "Note: "
"""How the line of a note begins."""
READ = 100
"""Of a result so many times the longest note is read, which leaves room for white space."""


class SealedError(RuntimeError):
    """An external action was taken inside a simulation."""


class Agent(Around[Progress]):
    """A world whose menu also offers internal actions, which change the agent's notes and leave the world as it is.

    Menu: the world's actions under their own indices, then the slots of the internal actions, always as many. Where the
    world's menu is shorter than its action space, they follow sooner.
    Observation: the world's, with a line per note below the scene, and in `vector` one number more per internal slot:
    how often it was taken in this episode.

    An internal action has the reward -cost, lasts one primitive step and never ends the episode. After `max_internal`
    of them they are masked until the next `reset`, so an episode of legal actions ends if the world's does; the world's
    own step limit counts its own steps only. A masked internal action does nothing: no note, no cost, no count; it
    lasts one step like any other.

    `info` has the keys of `twosome_envs.base.MenuEnv`, and `events`: what the external actions of this step found out,
    as a tuple of dicts that JSON can hold. `reset(options={"events": [...]})` hands the events of an episode back, in
    order: its external actions then take their results from there and do not run, until all are used. Without internal
    actions the agent is the world: the same spaces, observations, infos and rewards.

    It is an environment of its own and not a `gymnasium.Wrapper`, so that `env.unwrapped.snapshot()` holds the notes.

    Args:
        world: `{"id": str, "kwargs": dict}` as for `gymnasium.make`, or an environment that meets the contract.
        actions: the internal actions, in the order of the menu.
        max_internal: internal actions per episode; needed where there are any.
        gamma: discount per primitive step, for `info["episode"]["r"]`; only for a world without a `gamma` of its own.
        max_note: longest note, in characters; more is cut.
        render_mode: the world's.

    Raises:
        TypeError: no world of texts and menus, or an action without all members of `InternalAction`.
        ValueError: two actions of one name, a number out of range, `max_internal` or `gamma` missing.
    """

    def __init__(
        self,
        world: Mapping[str, Any] | gymnasium.Env,
        actions: Sequence[InternalAction] = (),
        max_internal: int | None = None,
        *,
        gamma: float | None = None,
        max_note: int = 400,
        render_mode: str | None = None,
    ):
        super().__init__(world, gamma, render_mode)
        self._agent_inside = self.inner if isinstance(self.inner, Agent) else None
        others: tuple[InternalAction, ...] = self._agent_inside.actions if self._agent_inside else ()
        self.actions: tuple[InternalAction, ...] = checked(actions, others)
        if self.actions and max_internal is None:
            raise ValueError(
                "max_internal is missing: give the most internal actions of an episode, so that every episode ends."
            )
        self.max_internal = 0 if max_internal is None else whole("max_internal", max_internal, 1)
        self._max_note = whole("max_note", max_note, 16)
        # Which action each internal slot belongs to, and which of its slots it is.
        self._slots = tuple((which, slot) for which, a in enumerate(self.actions) for slot in range(a.slots))
        self._n_world, self.action_space, self.observation_space = spaces_around(
            self.world, len(self._slots), self.max_internal, self.max_internal * (1 + len(NOTE) + self._max_note)
        )
        self._now = Progress((), (0,) * len(self._slots), over=True)

    # The gymnasium interface ------------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start an episode of the world, with `seed` and `options` as given, without notes.

        `options["events"]` are results to use again. Raises `TypeError` or `ValueError` if they are not this agent's.
        """
        super().reset(seed=seed)
        events: tuple[Event, ...] = ()
        if options is not None and "events" in options:
            events, others = split(options["events"], self.actions)
            options = {key: value for key, value in options.items() if key != "events"}
            if self._agent_inside is not None:
                options["events"] = others
            elif others:
                known = [action.name for action in self.actions if action.is_external]
                raise ValueError(f'options["events"] holds {others[0]!r}; the external actions here are {known}.')
        observation, info = self.world.reset(seed=seed, options=options)
        self._now = Progress((), (0,) * len(self._slots), events=events)
        self._see(observation, info)
        return self._shown(info)

    def step(self, action):
        """Take one action of the menu.

        Raises `gymnasium.error.InvalidAction` for anything that is not an index of the menu,
        `gymnasium.error.ResetNeeded` before `reset` and after the end of an episode, `SealedError` for an external
        action inside a simulation, and `RuntimeError` where actions and the events handed to `reset` do not fit.
        """
        index = self._index(action)
        if index < self._n_here and (self._menu.is_legal[index] or not self._world_menu.is_legal[index]):
            return self._step_world(index)
        return self._step_inside(index)

    def render(self):
        """As the world does, with the notes below and the last action if it was internal."""
        if not self._now.notes and not self._now.was_internal:
            return self.world.render()
        return self._captioned(self._scene())

    @property
    def menu(self) -> Menu:
        """The present menu, of the world and of the agent."""
        return self._menu

    # The two kinds of step --------------------------------------------------------------------------------------------

    def _step_world(self, index: int):
        phrase = self._menu.actions[index]
        observation, reward, terminated, truncated, info = self.world.step(index)
        self._see(observation, info)
        last = LastStep(phrase, float(reward), int(info["duration"]), bool(info["success"]))
        over, left_over = bool(terminated or truncated), self._now.events
        self._now = self._turned(self._after(last))._replace(over=over, was_internal=False)
        if over and left_over:
            raise RuntimeError(
                f"The episode has ended and {len(left_over)} of the events handed to reset() are left over, the next "
                f"being {left_over[0]}: the actions taken are not those of the episode that they come from."
            )
        observation, info = self._shown(info)
        return observation, reward, terminated, truncated, info

    def _step_inside(self, index: int):
        phrase, reward = self._menu.actions[index], 0.0
        events: tuple[dict[str, Any], ...] = ()
        if self._menu.is_legal[index]:
            k = index - self._n_here
            which, slot = self._slots[k]
            note, events, rest = self._run(which, slot, phrase)
            now, cost = self._learnt(which, slot, note)
            counts = (*now.counts[:k], now.counts[k] + 1, *now.counts[k + 1 :])
            self._now, reward = now._replace(counts=counts, events=rest), 0.0 - cost
        self._now = self._after(LastStep(phrase, reward, 1, False))._replace(was_internal=True)
        observation, info = self._shown({"duration": 1, "success": False, "events": events})
        return observation, reward, False, False, info

    def _run(self, which: int, slot: int, phrase: str) -> tuple[str, tuple[dict[str, Any], ...], tuple[Event, ...]]:
        """The note of an internal action, its events, and the events that are still to be used."""
        action, state, rest = self.actions[which], self._state_of(which), self._now.events
        if not action.is_external:
            return self._note(action.run(slot, state), phrase), (), rest
        if self._sealed:
            raise SealedError(
                f"{phrase!r} asks outside ({action.name!r} is external) and this world is sealed, because somebody "
                "simulates in it. A simulation leaves such actions out; to really act, set sealed = False."
            )
        if rest:
            if rest[0][:2] != (action.name, slot):
                raise RuntimeError(
                    f"{action.name!r}, slot {slot}, was taken where the next of the events handed to reset() is "
                    f"{rest[0]}: the actions taken are not those of the episode that they come from."
                )
            note, rest = self._note(rest[0].note, phrase), rest[1:]
        else:
            try:
                note = self._note(action.run(slot, state), phrase)
            except Exception as error:  # what is outside may fail in any way; the policy sees that it did
                said = f"{phrase} failed: {type(error).__name__}: {error}"
                note = one_line(said[: READ * self._max_note], self._max_note)
        return note, (Event(action.name, slot, note)._asdict(),), rest

    def _note(self, result: str, phrase: str) -> str:
        if not isinstance(result, str):
            raise TypeError(f"run() returned {result!r} ({type(result).__name__}), expected the note as str")
        return one_line(result[: READ * self._max_note], self._max_note) or one_line(
            f"{phrase}: nothing", self._max_note
        )

    # What a subclass may change ---------------------------------------------------------------------------------------

    def _learnt(self, which: int, slot: int, note: str) -> tuple[Progress, float]:
        """What the agent keeps of the note of a slot of an internal action, and its price; here the note, its cost."""
        return self._now._replace(notes=(*self._now.notes, note)), float(self.actions[which].cost)

    def _turned(self, now: Progress) -> Progress:
        """What the agent keeps after the world has moved; here everything."""
        return now

    def _numbers(self) -> tuple[float, ...]:
        """What is appended to the world's vector; here how often every internal slot was taken."""
        return self._now.counts

    def _scene(self) -> str:
        return "\n".join([self._seen["scene"], *(NOTE + note for note in self._now.notes)])

    def _state_of(self, which: int) -> AgentState:
        """What an internal action sees of this moment."""
        notes, counts = self._now.notes, self._now.counts
        own = tuple(n for (owner, _), n in zip(self._slots, counts, strict=True) if owner == which)
        return AgentState(self._seen["scene"], self._seen["goal"], notes, own, self.max_internal - sum(counts))

    def _open_menu(self) -> Menu:
        """The world's part of the menu; here as it is."""
        return self._world_menu

    # Helpers ----------------------------------------------------------------------------------------------------------

    def _after(self, last: LastStep) -> Progress:
        """The progress with one more action accounted for."""
        now = self._now
        value = now.discounted_return + self.gamma**now.steps * last.reward
        return now._replace(steps=now.steps + last.duration, discounted_return=value, last=last)

    def _check_own(self, own: Any) -> None:
        n, here = len(own.counts) if isinstance(own, Progress) else 0, len(self._slots)
        if n != here:
            raise ValueError(f"The snapshot has {n} internal slots, this agent {here}: it is of another agent.")

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Observation and info of this moment; `info` holds what is known of the last action."""
        now = self._now
        inside = ((action, self._state_of(which)) for which, action in enumerate(self.actions))
        self._menu = joined(self._open_menu(), inside, is_open=sum(now.counts) < self.max_internal)
        if not self.actions:
            return self._seen, info
        vector = np.append(self._seen["vector"], np.array(self._numbers(), np.float32))
        info = {"events": (), **info, "actions": self._menu.actions, "action_mask": np.array(self._menu.is_legal, bool)}
        if now.over:
            info["episode"] = {**info.get("episode", {}), "r": now.discounted_return, "l": now.steps}
        return {**self._seen, "scene": self._scene(), "vector": vector}, info
