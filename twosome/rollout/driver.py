"""The one loop that steps worlds: ask the policy, choose, step, tell what happened.

Rollout, evaluation and reports share it.

A plain list of worlds is stepped: texts and menus do not stack, and gymnasium's autoreset would insert a step whose
action is ignored.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from twosome.errors import EnvironmentFault, MenuError, NumericsError, counter
from twosome.protocols import Choice, Policy, StateDict
from twosome.rollout.checked_env import World
from twosome.rollout.contract import Violation, check_info, check_menu, check_observation
from twosome.rollout.situation import Step, offered
from twosome.rollout.workers import has_lost_process, step_ahead
from twosome.types import Decision, Observation

log = logging.getLogger(__name__)

FEWEST = 20  # episodes over which the share of failures is judged at least
MOST_IN_A_ROW = 1000  # episodes that may fail while none is finished, however tolerant a run
LOST = 0.1  # share of episodes that may end with their process, however intolerant a run
MOST_RESETS = 10  # in a row that may fail before even a tolerant run gives up


class Transition(NamedTuple):
    """One step of one world. `step` is None where a fault of the environment spoilt it: the episode was dropped."""

    world: World
    decision: Decision
    log_probs: Tensor  # of the menu, that the action was drawn from
    action: int  # its position in the menu
    target: Tensor | None  # the distribution that a search proposes to learn
    value: float | None  # of the state, as the search sees it
    step: Step | None


class Deliberation(Protocol):
    """A search as the driver sees it: what it makes of the decisions of some worlds, which it leaves as they were."""

    def __call__(
        self, worlds: list[World], decisions: list[Decision], log_probs: list[Tensor]
    ) -> Sequence[Choice | EnvironmentFault]:
        """For every world what to play and to learn, or its fault in a simulation. `log_probs`: the policy's own."""
        ...


class Tolerance:
    """How many episodes a faulty environment may spoil. `failed` counts them, `finished` the others.

    `share`: of all episodes, of 20 at least, that may fail; one is tolerated at any share above 0. Where a process of a
    world has died or never answers, a tenth may in any case. `keep`: is given every fault to keep its transcript, and
    answers where it lies.
    """

    def __init__(self, share: float = 0.0, keep: Callable[[EnvironmentFault], str] | None = None):
        self.share, self.keep, self.failed, self.finished = share, keep, 0, 0
        self._in_a_row = self._finished_before = 0

    def restart(self, world: World) -> None:
        """Begin the next episode of a world. Raises `EnvironmentFault` when too many have failed."""
        try:
            world.reset()
        except EnvironmentFault as fault:
            self.drop(world, fault)

    def drop(self, world: World, fault: EnvironmentFault) -> None:
        """Drop the episode and begin the next.

        Raises the fault when more than the allowed share of episodes has failed.
        """
        for _ in range(MOST_RESETS):
            self.failed += 1
            self._in_a_row = self._in_a_row + 1 if self.finished == self._finished_before else 1
            self._finished_before = self.finished
            kept = "" if self.keep is None else self.keep(fault)
            share = max(self.share, LOST if has_lost_process(world.env) else 0.0)
            if self.failed > max(share * max(self.finished + self.failed, FEWEST), float(share > 0)):
                raise EnvironmentFault(
                    f"{fault}{kept} {self.failed} of {self.finished + self.failed} episodes failed; "
                    f"log.max_failed_episodes={self.share} is the share that may be dropped"
                    f"{f', {LOST} where a process is lost' if share > self.share else ''}."
                ) from fault
            if self._in_a_row >= MOST_IN_A_ROW:
                raise EnvironmentFault(f"{fault}{kept} {MOST_IN_A_ROW} episodes in a row have failed.") from fault
            log.warning("An episode is dropped: %s%s", fault, kept)
            world.recreate()
            try:
                return world.reset()
            except EnvironmentFault as another:
                fault = another
        raise fault

    def state_dict(self) -> StateDict:
        """Both counts."""
        return {"failed": self.failed, "finished": self.finished}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.failed, self.finished = counter(state["failed"], "failed"), counter(state["finished"], "finished")


def drive(
    worlds: list[World],
    policy: Policy,
    generator: torch.Generator | None,
    tolerance: Tolerance,
    deliberate: Deliberation | None = None,
) -> list[Transition]:
    """One step of every world. Actions are sampled; without a generator the most probable is taken.

    An episode that a fault spoils is dropped and the next begun, as far as `tolerance` goes. A world whose episode has
    ended is left there: the caller restarts or closes it.
    """
    decisions = [world.decision for world in worlds]
    log_probs = ask(policy, decisions)
    own = [Choice(row) for row in log_probs]
    found = own if deliberate is None else deliberate(worlds, decisions, log_probs)
    choices = [mine if isinstance(c, EnvironmentFault) else c for mine, c in zip(own, found, strict=True)]
    actions = choose([choice.log_probs for choice in choices], generator)
    is_sound = [not isinstance(choice, EnvironmentFault) for choice in found]
    waiting = iter([(w, action) for w, action, sound in zip(worlds, actions, is_sound, strict=True) if sound])
    most = max((world.workers.most for world in worlds), default=0)
    _begin(waiting, most)
    transitions = []
    for k, (world, decision, choice, action) in enumerate(zip(worlds, decisions, choices, actions, strict=True)):
        step = None
        try:
            if isinstance(fault := found[k], EnvironmentFault):
                raise fault
            step = world.step(action)
            tolerance.finished += step.episode is not None
        except EnvironmentFault as fault:
            tolerance.drop(world, fault)
        _begin(waiting, int(most > 0 and is_sound[k]))
        transitions.append(Transition(world, decision, choice.log_probs, action, choice.target, choice.value, step))
    return transitions


def _begin(waiting: Iterator[tuple[World, int]], n: int) -> None:
    """Let the next worlds in processes of their own begin their steps, which they take while others are waited for."""
    for world, action in itertools.islice(waiting, n):
        step_ahead(world.env, world.menu.indices[action])


def act(
    policy: Policy, observation: Observation, info: Mapping[str, Any], generator: torch.Generator | None = None
) -> int:
    """The action of a state, as `env.step` takes it: the most probable, or with a `generator` a sampled one.

    Raises `MenuError` where an environment does not give what it should.
    """
    try:
        menu, shown = check_menu(check_info(info)), check_observation(observation)
    except Violation as violation:
        raise MenuError(f"The environment {violation}.") from None
    menu = offered(policy, shown, menu)
    decision = policy.decide(shown, menu)
    [position] = choose(policy.log_probs([decision]), generator)
    return menu.indices[position]


def choose(log_probs: list[Tensor], generator: torch.Generator | None) -> list[int]:
    """A position of every menu: sampled, or the most probable (the first of equals) without a generator."""
    if generator is None:
        return [int(row.argmax()) for row in log_probs]
    return [int(torch.multinomial(_probabilities(row), 1, generator=generator)) for row in log_probs]


def ask(policy: Policy, decisions: list[Decision]) -> list[Tensor]:
    """The policy's log-probabilities; NaN where it gives none, so that an update sees and skips it."""
    try:
        return policy.log_probs(decisions)
    except NumericsError:
        if len(decisions) > 1:
            return [row for d in decisions for row in ask(policy, [d])]
        log.warning("The model gives no finite log-probabilities to %s; the action is drawn evenly.", decisions[0])
        return [torch.full((len(decisions[0].menu),), torch.nan)]


def _probabilities(log_probs: Tensor) -> Tensor:
    return torch.ones_like(log_probs) if log_probs.isnan().any() else log_probs.exp()
