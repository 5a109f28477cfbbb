"""One environment as rollout, evaluation and search see it: checked, replayable, and able to go back.

Whatever a third-party environment does wrong becomes an `EnvironmentFault` that names the environment, the step, the
seed and the actions that led there, with a transcript that `twosome-play replay=FILE` plays again. Knows nothing of
tensors or files.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import gymnasium

from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError, EnvironmentFault, TwosomeError, counter
from twosome.protocols import Agent, Policy, Restorable, StateDict
from twosome.rollout import transcript
from twosome.rollout.contract import (
    READ,
    StepResult,
    Violation,
    check_events,
    check_info,
    check_menu,
    check_observation,
    check_step,
    close_env,
    said,
    short,
    told,
)
from twosome.rollout.situation import (
    AFTER_THE_END,
    Blamed,
    Place,
    StateKey,
    Step,
    WorldSnapshot,
    Wrap,
    cannot_go_back,
    decide,
    elsewhere,
    ended,
    environment_fault,
    episode_seed,
    is_identified,
    must_be_path,
    offered,
    restorable,
)
from twosome.rollout.workers import Workers
from twosome.types import Observation


class World:
    """One environment and its present decision. An episode can be replayed from its seed, actions and events.

    `settings`: the environment's; `policy`: who reads it (it makes the decisions); `seed`, `index`: the run's seed and
    which world this is; `wrap`: puts a gymnasium wrapper around it; `env`: an environment that is there already;
    `workers`: have its environment in a process of its own.
    """

    observation: Observation

    def __init__(
        self,
        settings: EnvSettings,
        policy: Policy,
        seed: int,
        index: int,
        wrap: Wrap | None = None,
        env: gymnasium.Env | None = None,
        workers: Workers | None = None,
    ):
        self.settings, self.policy, self.seed, self.index, self._wrap = settings, policy, seed, index, wrap
        self.workers = workers or Workers(0)
        self.episode, self.discounted_return, self.length = -1, 0.0, 0
        self.actions: list[int] = []
        self.events: list[Any] = []
        self._lines: list[str] = []  # the episode as a transcript
        self._noted: list[str] = []  # what comparing its states has raised
        self.is_over, self.menu = False, AFTER_THE_END
        self._has_begun = env is not None
        self.env = self._make() if env is None else env
        self._looked_at: gymnasium.Env | None = None  # the environment of which `_restorable` is known
        self._restorable: Restorable | None = None

    # Episodes ---------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin the next episode, with a seed of its own."""
        self.episode += 1
        self._begin()

    def step(self, position: int) -> Step:
        """Take the action at this position of the menu. Raises `EnvironmentFault`."""
        action = self.menu.indices[position]
        self.actions.append(action)
        self._lines.append(transcript.action_line(action, self.menu.phrases[position]))
        with self._blamed():
            with told(seconds=self.settings.step_timeout):
                observation, reward, terminated, truncated, info = self.env.step(action)
            with self._read():
                info = check_info(info)
                result = check_step(reward, terminated, truncated, info)
                self.events.extend(check_events(info))
            self._count(result)
            self.is_over = result.terminated or result.truncated
            self._receive(observation, info, is_valued=not result.terminated)
            counted = self.discounted_return, self.length, len(self.actions)
            with self._read():
                episode = ended(self.settings, self.info, result.terminated, *counted) if self.is_over else None
        return Step(*result, self.state, episode)

    def adopt(self) -> None:
        """Take up the episode that the environment is in. Raises `ConfigError` for one without snapshots."""
        if not self.can_snapshot:
            raise ConfigError(f"The state it is in cannot be seen: {cannot_go_back(self.env, self.settings.id)}")
        observation, info = self._restored(self._of_env("snapshot"))
        self._clear()
        self.is_over = isinstance(info, Mapping) and "episode" in info  # which the contract has at the end alone
        self._receive(observation, info)

    def recreate(self) -> None:
        """After a fault: another instance of the environment, since this one may be broken; `sealed` as it was."""
        was_sealed = self.sealed
        self.close()
        self.env, self.sealed = self._make(), was_sealed

    def close(self) -> None:
        """Close the environment, whatever it raises."""
        close_env(self.env, self.settings.step_timeout)

    @property
    def episode_seed(self) -> int:
        return episode_seed(self.seed, self.index, max(self.episode, 0))

    @property
    def state(self) -> str:
        """The present state as text; at the end of an episode the last one."""
        return self.decision.state

    # Going back -------------------------------------------------------------------------------------------------------

    @property
    def can_snapshot(self) -> bool:
        """Whether the environment itself can go back; else `restore` replays the episode, which takes as many steps."""
        return self._of_env("snapshot") is not None

    def snapshot(self) -> WorldSnapshot:
        """The present situation; cheap where the environment has snapshots."""
        return WorldSnapshot(
            env=self._of_env("snapshot"),
            episode=self.episode,
            actions=tuple(self.actions),
            events=tuple(map(json.dumps, self.events)),
            lines=tuple(self._lines),
            discounted_return=self.discounted_return,
            length=self.length,
            is_over=self.is_over,
        )

    def restore(self, snapshot: WorldSnapshot) -> None:
        """Go back to a snapshot of this world. Raises `EnvironmentFault` where a replay leads elsewhere."""
        self.episode = snapshot.episode
        events = [json.loads(event) for event in snapshot.events]
        if snapshot.env is None:
            self._replay(snapshot.actions, events)
            if tuple(self._lines) != snapshot.lines:
                raise self.fault("is not reproducible: replaying the episode led elsewhere than before")
            return
        if not self._has_begun:
            self._begin()  # another instance since then
        self.actions, self.events, self._lines = list(snapshot.actions), events, list(snapshot.lines)
        self.discounted_return, self.length = snapshot.discounted_return, snapshot.length
        self.is_over = snapshot.is_over
        self._receive(*self._restored(snapshot.env))
        self._lines = list(snapshot.lines)

    @property
    def key(self) -> Hashable:
        """Equal for equal situations, whatever way led there: the environment's own state, else what it shows."""
        snapshot = self._of_env("snapshot")
        if not is_identified(snapshot):
            return self.state, self.menu
        with self._blamed(), told(" in the hash of its snapshot's state", seconds=self.settings.step_timeout):
            return StateKey(snapshot.state, self._noted, self.settings.step_timeout)

    def must_compare(self) -> None:
        """Raise the `EnvironmentFault` of states that could not be compared, where any could not."""
        if self._noted:
            raise self.fault(self._noted.pop())

    @property
    def sealed(self) -> bool:
        """Whether persons, endpoints and clocks are out of reach, as they must be inside a simulation."""
        with self._blamed(), told(" in sealed"):
            inner = self.env.unwrapped
            return bool(inner.sealed) if isinstance(inner, Agent) else False

    @sealed.setter
    def sealed(self, value: bool) -> None:
        with self._blamed(), told(" in sealed"):
            inner = self.env.unwrapped
            if isinstance(inner, Agent):
                inner.sealed = value

    def state_dict(self) -> StateDict:
        """The episode's number, its actions and events so far, and the state and menu that they led to."""
        path = {"episode": self.episode, "actions": list(self.actions), "events": list(self.events)}
        return path | {"state": self.state, "menu": list(self.menu.phrases)}

    def load_state_dict(self, state: StateDict) -> None:
        """Replay an episode up to where it was. Raises `EnvironmentFault` if it leads elsewhere."""
        must_be_path(state)
        self.episode = counter(state["episode"], "the episode")
        self._replay(state["actions"], state["events"])
        if odd := elsewhere(self.state, self.menu, state["state"], state.get("menu")):
            raise self.fault(f"is not reproducible: replaying the episode led to {odd}")

    def _replay(self, actions: Sequence[int], events: Sequence[Any]) -> None:
        self._begin({"events": list(events)} if events else None)
        for k, action in enumerate(actions):
            if action not in self.menu.indices:
                raise self.fault(
                    f"is not reproducible: replaying the episode, action {short(action)} is not legal any more"
                )
            if self.step(self.menu.indices.index(action)).episode is not None and k + 1 < len(actions):
                raise self.fault("is not reproducible: replaying the episode, it ended too early")

    # Inside -----------------------------------------------------------------------------------------------------------

    def _of_env(self, method: str, *arguments: Any) -> Any:
        """What `snapshot` or `restore` of the environment itself returns; None where it has none that is the whole."""
        if self._looked_at is not self.env:  # what a class has takes long to find out, and stays
            self._looked_at, self._restorable = self.env, restorable(self.env)
        if self._restorable is None:
            return None
        try:
            with self._blamed(), told(f" in {method}", NotImplementedError, seconds=self.settings.step_timeout):
                return getattr(self._restorable, method)(*arguments)
        except NotImplementedError:  # an agent around a world that has none
            return None

    def _restored(self, snapshot: Any) -> tuple[Any, Any]:
        """The observation and the info of a snapshot of the environment, to which it has gone back."""
        found = self._of_env("restore", snapshot)
        if not isinstance(found, tuple) or len(found) != 2:
            raise self.fault(f"gave {short(found)} from restore, expected an observation and an info")
        return found

    def _blamed(self) -> Blamed:
        return Blamed(self.fault)

    def _read(self) -> told:
        return told(READ, seconds=self.settings.step_timeout)

    def _make(self) -> gymnasium.Env:
        self._has_begun = False
        env = self.workers.env(self.settings)
        return env if self._wrap is None else self._wrap(env)

    def _clear(self) -> None:
        self.actions, self.events, self._lines = [], [], []
        self.discounted_return, self.length = 0.0, 0
        self.is_over, self.menu = False, AFTER_THE_END

    def _begin(self, options: dict[str, Any] | None = None) -> None:
        self._clear()
        with self._blamed(), told(" in reset", seconds=self.settings.step_timeout):
            observation, info = self.env.reset(seed=self.episode_seed, options=options)
        self._has_begun = True
        self._receive(observation, info)

    def _count(self, result: StepResult) -> None:
        self.discounted_return += self.settings.gamma**self.length * result.reward
        self.length += result.duration
        self._lines.append(transcript.reward_line(result.reward, result.duration, self.discounted_return))

    def _receive(self, observation: Any, info: Any, *, is_valued: bool = False) -> None:
        """Check what the environment shows and turn it into the next decision."""
        told = self.observation["goal"] if self._lines else None
        with self._blamed():
            with self._read():
                self.observation, self.info = check_observation(observation), check_info(info)
                menu = AFTER_THE_END if self.is_over else check_menu(self.info)
            self._lines += transcript.goal_lines(self.observation["goal"], told)
            self._lines.append(transcript.scene_lines(self.observation["scene"]))
            self._lines += [] if self.is_over else [transcript.menu_lines(menu)]
            try:
                self.menu = menu if self.is_over else offered(self.policy, self.observation, menu)
                self.decision = decide(self.policy, self.observation, self.menu, may_cut=self.is_over and not is_valued)
            except (TwosomeError, TypeError, ValueError) as error:
                raise Violation(f"gave an observation or menu that this policy cannot take: {said(error)}") from error

    def fault(self, what: str) -> EnvironmentFault:
        place = Place(self.settings, self.seed, self.index, self.episode, self.episode_seed)
        return environment_fault(what, place, self.actions, self._lines)
