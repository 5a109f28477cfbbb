"""What the parts ask of each other, declared once: policies, learners, agents, and whatever a checkpoint saves.

Nothing here is inherited for its code. A class fits when it has the members; the type checker says where one is
missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from twosome.types import Branch, Decision, Menu, Observation, Rollout

if TYPE_CHECKING:
    from torch import Tensor, nn

StateDict: TypeAlias = dict[str, Any]
"""Nested dicts and lists of numbers, texts and tensors, as `torch.nn.Module.state_dict` has them."""


class Saved(Protocol):
    """A part of a run that a checkpoint brings back: `load_state_dict(state_dict())` changes nothing."""

    def state_dict(self) -> StateDict:
        """All that the part needs to go on as if it had never stopped."""
        ...

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`. Raises one of `errors.INVALID_CONTENT` where `state` cannot be that."""
        ...


# Acting ---------------------------------------------------------------------------------------------------------------


class Policy(Protocol):
    """What acting asks for: rollout, evaluation, search and reports need no more."""

    def decide(self, observation: Observation, menu: Menu) -> Decision:
        """What the policy is asked in a state. Raises `TwosomeError` where it cannot take the scene or the menu."""
        ...

    def log_probs(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the log-probabilities of its menu: 1-D, float32, on the CPU, without gradient."""
        ...

    def values(self, states: list[str]) -> Tensor:
        """The value of every state: [N], float32, on the CPU, without gradient."""
        ...


@runtime_checkable
class Shortlists(Protocol):
    """A policy that is asked about a part of a large menu; the others are asked about all of it."""

    def shortlist(self, observation: Observation, menu: Menu) -> Menu:
        """What of a state's menu is on offer: always the same, in the menu's order, with its indices."""
        ...


# Worlds ---------------------------------------------------------------------------------------------------------------


@runtime_checkable
class Restorable(Protocol):
    """An environment that can go back: its whole situation as a hashable value."""

    def snapshot(self) -> Hashable:
        """The present situation; equal situations are equal and hash alike."""
        ...

    def restore(self, snapshot: Any) -> tuple[Observation, dict[str, Any]]:
        """Go back. Returns the observation and info of that moment."""
        ...


@runtime_checkable
class Identified(Protocol):
    """A snapshot that tells which state it is of, whenever and however that was reached."""

    @property
    def state(self) -> Hashable:
        """Equal for equal states of the environment, step counters left out."""
        ...


@runtime_checkable
class Agent(Restorable, Protocol):
    """An environment around an environment that adds internal actions to the menu: asking, looking up, noting.

    Its state is immutable, so snapshots stay cheap. While it is `sealed`, as inside a search, an action that would
    reach a person, an endpoint or a clock raises instead.
    """

    sealed: bool


@runtime_checkable
class Demonstrates(Protocol):
    """An environment that shows how it is played, for a policy that learns from examples."""

    def demonstrate(self, seed: int) -> int | Mapping[int, float]:
        """The index of the action to take in the present state; or the odds of several, by their indices.

        `seed`: of the demonstration, the same for all decisions of an episode, for whatever it leaves to chance.
        """
        ...


class Choice(NamedTuple):
    """What a search makes of a decision.

    `log_probs`: to play [A]; `target`: the distribution to learn [A], and `value`: of the state, None where nobody
    searched.
    """

    log_probs: Tensor
    target: Tensor | None = None
    value: float | None = None


# Learning -------------------------------------------------------------------------------------------------------------


class TrainedPolicy(Policy, Saved, Protocol):
    """What the training loop asks of a policy beside acting. Its weights are files; the rest is its `state_dict`."""

    reads: Literal["text", "numbers"]

    @property
    def counts(self) -> Counter[str]:
        """Of decisions, decisions_computed, states, states_computed, passes, out_of_memory."""
        ...

    def clear_cache(self) -> None:
        """Drop cached distributions, so that what follows does not depend on who was asked before."""
        ...

    def save_weights(self, folder: Path) -> None:
        """Write what is needed to use the policy. Raises `CheckpointError`."""
        ...

    def load_weights(self, folder: Path) -> None:
        """Read what `save_weights` wrote into a policy of the same shape. Raises `CheckpointError`."""
        ...

    def describe_scorer(self) -> dict[str, Any]:
        """How it computes its scores, for the log and `summary.json`."""
        ...


class ActorCritic(TrainedPolicy, Protocol):
    """What PPO and its relatives ask: gradients of the actor, features and head of the critic."""

    @property
    def value_head(self) -> nn.Module:
        """Features [N, H] -> values [N]."""
        ...

    def features(self, states: list[str]) -> Tensor:
        """What the value head reads: [N, H], float32, without gradient."""
        ...

    def evaluate_actions(self, decisions: list[Decision]) -> Iterator[tuple[list[int], Tensor]]:
        """Action log-probabilities with gradient, pass by pass: (indices, [n, M] padded with -inf)."""
        ...

    def branches(self, decision: Decision, action: int) -> list[Branch]:
        """The tokens that choose an action, by its position in the menu; the first one's state is the decision's.

        None where the menu has no other action.
        """
        ...

    def actor_parameters(self) -> list[Tensor]:
        """The tensors that the actor's optimiser moves."""
        ...

    def halve_budget(self, error: Exception) -> None:
        """After an out-of-memory error: smaller passes from now on. Raises `error` where they cannot get smaller."""
        ...


class ActionCritic(ActorCritic, Protocol):
    """What a learner of action values asks: the value head reads a state and an action of its menu."""

    def scale_features(self, pairs: list[tuple[str, str]]) -> None:
        """Have the value head settle its scale of features by these (state, action), unless it has one."""
        ...

    def action_features(self, pairs: list[tuple[str, str]]) -> Tensor:
        """What the value head reads of (state, action): [N, H], float32, without gradient."""
        ...

    def action_values(self, decisions: list[Decision]) -> list[Tensor]:
        """For every decision the values of its menu: 1-D, float32, on the CPU, without gradient."""
        ...


class Samples(Protocol):
    """The samples of an update, in a row: what those who look at a learner may read of them."""

    decisions: list[Decision]
    values: Tensor
    advantages: Tensor


class Learner(Saved, Protocol):
    """What is learnt from a rollout."""

    @property
    def bad_updates(self) -> int:
        """Optimiser steps skipped for a NaN or infinity since the start."""
        ...

    @property
    def samples(self) -> Samples | None:
        """The samples of the last update; None before the first, and for a learner without a critic."""
        ...

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one rollout. `progress`: share of the run that is over, 0 to 1. Returns what to log."""
        ...


class KeepBadBatch(Protocol):
    """Keeps the samples of a step that met a NaN or an infinity, for a person to look at."""

    def __call__(self, name: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
        """Write them under `name`. Returns where they lie, as a sentence for the error."""
        ...
