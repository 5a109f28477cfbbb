"""One environment as the trainer sees it. Environments are guests: what they return is checked where it enters.

Whatever a guest does wrong becomes an `EnvironmentFault` that names the environment, the step, the seed and the actions that led
there, with a transcript that `twosome-play replay=FILE` plays again. Knows nothing of policies, tensors or files.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from twosome.prompts import numbers_of, prompt_of
from twosome.types import ConfigError, Decision, EnvironmentFault, Episode, TwosomeError

if TYPE_CHECKING:
    from twosome.config import EnvSettings

LONGEST_TEXT = 1_000_000  # characters of a prompt
MOST_ACTIONS = 10_000
LARGEST_REWARD = 1e30  # float32 holds it
SHOWN_ACTIONS = 24  # in a message; the transcript has all


def make_env(settings: EnvSettings, **kwargs: Any) -> gymnasium.Env:
    """Make an environment from `conf/env`. Raises `ConfigError` for an unknown id or arguments it does not take."""
    try:
        return gymnasium.make(settings.id, disable_env_checker=True, **{**dict(settings.kwargs), **kwargs})
    except ImportError as error:
        raise ConfigError(f"env.id={settings.id!r} cannot be imported: {_said(error)}") from error
    except Exception as error:  # a guest's constructor may raise anything
        what = f"env.id={settings.id!r} with env.kwargs={dict(settings.kwargs)} cannot be made"
        raise ConfigError(f"{what}: {type(error).__name__}: {_said(error)}") from error


class World:
    """One environment and its present decision. Every episode can be replayed from its seed and its actions.

    `settings`: the environment's; `template`: of the prompt; `seed`, `index`: the run's seed and which world this is; `view`:
    what the policy reads, `text` (prompt and phrases) or `numbers` (the observation's `vector` and action indices, as text too);
    `wrap`: a gymnasium wrapper; `must_fit`: raises for a prompt and menu that the policy cannot take.
    """

    def __init__(
        self, settings: EnvSettings, template: str, seed: int, index: int, view: str = "text", wrap: Any = None,
        must_fit: Callable[[Decision], None] | None = None,
    ):
        self.settings, self.template, self.view, self._wrap, self._must_fit = settings, template, view, wrap, must_fit
        self.seed, self.index, self.episode = seed, index, -1
        self.actions: list[int] = []
        self.turns: list[str] = []  # the episode as a transcript
        self.n_actions: int | None = None
        self._make()

    def _make(self) -> None:
        env = make_env(self.settings)
        self.env = env if self._wrap is None else self._wrap(env)

    def renew(self) -> None:
        """After a fault: another instance of the environment, since this one may be broken."""
        self.close()
        self._make()

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a guest that fails while it leaves harms nobody
            self.env.close()

    def reset(self) -> None:
        """Begin the next episode, with a seed of its own."""
        self.episode += 1
        self._begin()

    @property
    def episode_seed(self) -> int:
        return int(np.random.SeedSequence([self.seed, self.index, max(self.episode, 0)]).generate_state(1)[0])

    def _begin(self) -> None:
        self.actions, self.turns, self.rewards, self.steps, self.n_actions = [], [], 0.0, 0, None
        try:
            observation, info = self.env.reset(seed=self.episode_seed)
        except (Exception, SystemExit) as error:  # a guest may raise anything; it is reported, with its replay
            raise self._fault(f"raised {type(error).__name__} in reset: {_said(error)}") from error
        self._receive(observation, info)

    def step(self, position: int) -> tuple[float, int, bool, bool, str, Episode | None]:
        """Take the action at this position of the menu: reward, duration, terminated, truncated, next prompt, episode if over."""
        action = self.legal[position]
        self.actions.append(action)
        self.turns.append(f"> {action} {_one_line(self.decision.menu[position])}")
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except (Exception, SystemExit) as error:  # a guest may raise anything; it is reported, with its replay
            raise self._fault(f"raised {type(error).__name__}: {_said(error)}") from error
        if not isinstance(reward, (int, float, np.integer, np.floating)) or not -LARGEST_REWARD < reward < LARGEST_REWARD:
            raise self._fault(f"gave the reward {_short(reward)}, expected a finite number")
        for name, flag in (("terminated", terminated), ("truncated", truncated)):
            if not isinstance(flag, (bool, int, np.bool_, np.integer)):
                raise self._fault(f"gave {name}={_short(flag)}, expected true or false")
        duration = self._mapping(info).get("duration", 1)
        if not isinstance(duration, (int, np.integer)) or not 1 <= duration < 2**31:
            raise self._fault(f"gave info['duration']={_short(duration)}, expected a whole number of 1 or more")
        self.rewards += self.settings.gamma**self.steps * float(reward)
        self.steps += int(duration)
        self.turns.append(f"reward {float(reward):.6g}, duration {int(duration)}, return {self.rewards:.6g}")
        over = bool(terminated or truncated)
        self._receive(observation, info, needs_menu=not over)
        episode = self._episode(info, bool(terminated)) if over else None
        return float(reward), int(duration), bool(terminated), bool(truncated and not terminated), self.prompt, episode

    def _episode(self, info: Mapping[str, Any], terminated: bool) -> Episode:
        try:
            summary = info.get("episode", {"r": self.rewards, "l": self.steps})
            episode = Episode(float(summary["r"]), int(summary["l"]), len(self.actions), bool(info.get("success", terminated)))
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise self._fault(f"gave info['episode']={_short(info.get('episode'))}, expected {{'r': return, 'l': steps}}") from error
        if not math.isfinite(episode.discounted_return):
            raise self._fault(f"gave info['episode']['r']={episode.discounted_return}, expected a finite number")
        return episode

    # What enters -------------------------------------------------------------------------------------------------------

    def _mapping(self, info: Any) -> Mapping[str, Any]:
        if not isinstance(info, Mapping):
            raise self._fault(f"gave info={_short(info)}, expected a dict")
        return info

    def _receive(self, observation: Any, info: Any, needs_menu: bool = True) -> None:
        """Check what the guest returned and turn it into the next decision."""
        is_text = isinstance(observation, Mapping) and all(isinstance(observation.get(k), str) for k in ("scene", "goal"))
        if not is_text:
            raise self._fault("gave an observation without text: expected a dict with str `scene` and `goal`")
        self.observation, self.info = observation, self._mapping(info)
        self.prompt = prompt_of(observation, self.template) if self.view == "text" else self._numbers()
        if len(self.prompt) > LONGEST_TEXT:
            raise self._fault(f"gave a scene of {len(observation['scene'])} characters, more than the {LONGEST_TEXT} allowed")
        if not self.turns:
            self.turns.append(f"goal: {_indented(observation['goal'])}")
        self.turns.append(f"\nscene: {_indented(observation['scene'])}")
        menu = self._menu() if needs_menu else ("wait",)
        if self._must_fit is not None:
            try:
                self._must_fit(Decision(self.prompt, menu))
            except (TwosomeError, TypeError, ValueError) as error:
                raise self._fault(f"gave a scene or menu that this model cannot take: {_said(error)}") from error
        self.decision = Decision(self.prompt, menu)

    def _numbers(self) -> str:
        try:
            text = numbers_of(self.observation)
            is_good = all(math.isfinite(float(x)) for x in text.split())
        except (TypeError, ValueError, KeyError) as error:
            raise self._fault("gave no numeric observation `vector`, which this method reads") from error
        if not is_good:
            raise self._fault("gave an observation `vector` with a NaN or an infinity")
        return text

    def _menu(self) -> tuple[str, ...]:
        """The phrases of the legal actions; their indices go to `legal`."""
        actions, mask = self.info.get("actions"), self.info.get("action_mask")
        if not isinstance(actions, (tuple, list)) or not actions:
            raise self._fault(f"gave info['actions']={_short(actions)}, expected a tuple with the phrase of every action")
        if self.n_actions not in (None, len(actions)):
            raise self._fault(f"gave {len(actions)} actions after {self.n_actions}; their number must not change in an episode")
        if len(actions) > MOST_ACTIONS:
            raise self._fault(f"gave {len(actions)} actions, more than the {MOST_ACTIONS} allowed")
        self.n_actions = len(actions)
        try:
            flags = [True] * len(actions) if mask is None else [bool(is_legal) for is_legal in mask]
        except (TypeError, ValueError):
            raise self._fault(f"gave info['action_mask']={_short(mask)}, expected one bool per action") from None
        if len(flags) != len(actions):
            raise self._fault(f"gave {len(flags)} entries in info['action_mask'] for {len(actions)} actions")
        self.legal = [i for i, is_legal in enumerate(flags) if is_legal]
        menu = tuple(actions[i] for i in self.legal)
        if not menu:
            raise self._fault("gave an empty menu: info['action_mask'] allows no action, expected at least one")
        is_text = all(isinstance(a, str) and a.strip() for a in menu)
        if not is_text or len({" ".join(a.split()) for a in menu}) < len(menu):
            raise self._fault(f"gave the menu {_short(menu)}, expected distinct, non-empty phrases")
        self.turns.append("\n".join(f"  {i:2d} {_one_line(phrase)}" for i, phrase in zip(self.legal, menu, strict=True)))
        return menu if self.view == "text" else tuple(map(str, self.legal))

    # Faults and replay --------------------------------------------------------------------------------------------------

    def _fault(self, what: str) -> EnvironmentFault:
        shown = str(self.actions[-SHOWN_ACTIONS:])
        if len(self.actions) > SHOWN_ACTIONS:
            shown = f"the last {SHOWN_ACTIONS} of {len(self.actions)}, {shown}"
        fault = EnvironmentFault(
            f"Environment {self.settings.id} {what}. It happened at step {len(self.actions)} of episode {self.episode} of world "
            f"{self.index} (run seed {self.seed}, episode seed {self.episode_seed}); the actions that led there: {shown}."
        )
        fault.name = f"seed{self.seed}-world{self.index}-episode{self.episode}-step{len(self.actions)}"
        known = {k: _plain(self.settings[k]) for k in ("id", "kwargs", "gamma", "optimum")}  # type: ignore[index]
        head = [f"env: {json.dumps(known, default=str)}", f"seed: {self.episode_seed}"]
        fault.transcript = "\n".join([*head, *self.turns, "", f"fault: {_one_line(str(fault))}", ""])
        return fault

    def state(self) -> dict[str, Any]:
        """What `restore` needs: the episode's number, its actions so far and the scene they led to."""
        return {"episode": self.episode, "actions": list(self.actions), "prompt": self.prompt}

    def restore(self, state: dict[str, Any]) -> None:
        """Replay an episode up to where it was. Raises `EnvironmentFault` if it leads elsewhere."""
        if type(state["episode"]) is not int or not 0 <= state["episode"] < 2**63:
            raise ValueError(f"episode {_short(state['episode'])}")
        self.episode = state["episode"]
        self._begin()
        for action in state["actions"]:
            if action not in self.legal:
                raise self._fault(f"is not reproducible: replaying the episode, action {_short(action)} is not legal any more")
            *_, episode = self.step(self.legal.index(action))
            if episode is not None:
                raise self._fault("is not reproducible: replaying the episode, it ended too early")
        if self.prompt != state["prompt"]:
            before = _short(state["prompt"])
            raise self._fault(f"is not reproducible: replaying the episode led to {_short(self.prompt)}, before it was {before}")


def _plain(value: Any) -> Any:
    """Nested settings as dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return [_plain(v) for v in value] if is_list else value


def _short(value: Any) -> str:
    """A guest's value, quoted within bounds."""
    try:
        text = repr(value)
    except Exception:  # a guest's own __repr__
        text = f"a {type(value).__name__} that cannot be shown"
    return _one_line(text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}")


def _said(error: BaseException) -> str:
    try:
        text = _one_line(str(error))
    except Exception:  # a guest's own __str__
        text = "(no message)"
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
