"""A policy that thinks ahead: a tree search over a world's snapshots, with the policy as prior and its critic as value.

It is a `rollout.driver.Deliberation`: the driver asks the policy, the planner makes of it what is played and what may
be learnt.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from twosome.agents.simulator import Simulator
from twosome.errors import EnvironmentFault, NumericsError, number
from twosome.protocols import Choice, Policy, StateDict
from twosome.rollout.checked_env import World
from twosome.rollout.driver import ask
from twosome.rollout.situation import cannot_go_back
from twosome.search.descents import Evaluations, Result, Root
from twosome.search.mcts import Cost, search
from twosome.search.playouts import Transitions
from twosome.search.tree import Evaluation, Position
from twosome.types import Decision

if TYPE_CHECKING:
    from twosome.config.schema import SearchSettings

log = logging.getLogger(__name__)

METRICS = {
    "search/simulated_steps": "environment steps taken inside searches since the start of the run, replays included",
    "search/passes": "calls of the model by searches since the start",
    "search/leaves": "positions that searches asked the model about since the start",
    "search/struck": "dead ends struck by searches since the start",
    "search/not_finite": "answers of the model to searches that held a NaN or an infinity since the start",
}
COSTS = ("passes", "leaves", "not_finite", "steps", "seconds")
MOST_EVALUATIONS = 50_000  # decisions of which is kept what the policy said
NEVER = -1e9  # the log-probability of an action that a search gives no weight, finite so that entropies stay numbers


class Planner:
    """Searches before every decision. `cost`, `struck` and `torn_down` add up what the searches took.

    `is_training`: noise at the roots, and actions drawn in proportion to their visits; else the best one is taken.
    `bonus`: an exploration bonus of a state, added to rewards inside the trees alone.
    """

    def __init__(
        self,
        policy: Policy,
        settings: SearchSettings,
        seed: int,
        *,
        is_training: bool = False,
        bonus: Callable[[str], float] | None = None,
    ):
        self.policy, self.settings, self.is_training, self.bonus = policy, settings, is_training, bonus
        self.rng = np.random.default_rng(seed)
        self.cost = Cost()
        self.struck = self.torn_down = 0
        self._checked: weakref.WeakSet[World] = weakref.WeakSet()
        self._evaluations: Evaluations = {}
        self._transitions: weakref.WeakKeyDictionary[World, tuple[int, Transitions]] = weakref.WeakKeyDictionary()
        self._has_warned = False

    def __call__(
        self, worlds: list[World], decisions: list[Decision], log_probs: list[Tensor]
    ) -> list[Choice | EnvironmentFault]:
        """For every world what to play, and the distribution to learn; without simulations the policy's own."""
        if self.settings.simulations == 0:
            return [Choice(row) for row in log_probs]
        results = self.search(worlds, decisions, log_probs)
        return [
            result if isinstance(result, EnvironmentFault) else self._choice(result, row)
            for result, row in zip(results, log_probs, strict=True)
        ]

    def search(
        self, worlds: list[World], decisions: list[Decision], log_probs: list[Tensor]
    ) -> list[Result | EnvironmentFault]:
        """Search from where the worlds are; they are there again when it returns.

        A world that breaks the contract in a simulation has its fault for a result, and the others theirs all the same.
        """
        if len(self._evaluations) > MOST_EVALUATIONS:
            self.clear_cache()
        values = self._values([d.state for d in decisions])
        simulators: dict[int, Simulator] = {}
        found: dict[int, Result | EnvironmentFault] = {}
        with ExitStack() as stack:
            for k, world in enumerate(worlds):
                try:
                    simulators[k] = Simulator(world)
                    stack.callback(simulators[k].close)
                except EnvironmentFault as fault:
                    found[k] = fault
            self._check(simulators.values())
            roots = [
                Root(
                    s.start,
                    Evaluation(log_probs[k].double().numpy(), values[k]),
                    s,
                    self._evaluations,
                    self._known_of(s.world),
                )
                for k, s in simulators.items()
            ]
            results, cost = search(
                roots, self._evaluate, self.settings, self.rng, is_training=self.is_training, bonus=self._bonus_of()
            )
        cost.steps = sum(s.steps for s in simulators.values())
        self.cost.add(cost)
        self.struck += sum(r.struck for r in results)
        self.torn_down += sum(r.torn_down for r in results)
        found |= {k: s.fault or result for (k, s), result in zip(simulators.items(), results, strict=True)}
        return [found[k] for k in range(len(worlds))]

    def clear_cache(self) -> None:
        """Drop what the policy said and what it met: after a change of its weights, or of what it recalls."""
        self._evaluations.clear()
        self._transitions.clear()

    def metrics(self) -> dict[str, float]:
        """What to log of all searches so far."""
        return {
            "search/simulated_steps": float(self.cost.steps),
            "search/passes": float(self.cost.passes),
            "search/leaves": float(self.cost.leaves),
            "search/struck": float(self.struck),
            "search/not_finite": float(self.cost.not_finite),
        }

    def state_dict(self) -> StateDict:
        """The random state, and what the searches took so far."""
        found = {name: getattr(self.cost, name) for name in COSTS}
        return {"rng": self.rng.bit_generator.state, "struck": self.struck, "torn_down": self.torn_down, **found}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.rng.bit_generator.state = state["rng"]
        for name in ("struck", "torn_down", *COSTS):
            if number(state[name], name) < 0:
                raise ValueError(f"{name} is {state[name]!r:.80}")
        self.struck, self.torn_down = state["struck"], state["torn_down"]
        self.cost = Cost(**{name: state[name] for name in COSTS})

    def _evaluate(self, positions: list[Position]) -> list[Evaluation]:
        """Priors and values of all leaves, in one call each of the policy and its critic."""
        decisions = [p.payload.decision for p in positions]
        values = self._values([d.state for d in decisions])
        open_ones = [k for k, p in enumerate(positions) if not p.is_final]
        rows = ask(self.policy, [decisions[k] for k in open_ones]) if open_ones else []
        log_priors = {k: row.double().numpy() for k, row in zip(open_ones, rows, strict=True)}
        return [Evaluation(log_priors.get(k, np.zeros(0)), value) for k, value in enumerate(values)]

    def _values(self, states: list[str]) -> list[float]:
        """The critic's values; NaN for a state of which it gives none, so that the search counts it."""
        try:
            return self.policy.values(states).tolist()
        except NumericsError:
            if len(states) > 1:
                return [value for state in states for value in self._values([state])]
            return [float("nan")]

    def _known_of(self, world: World) -> Transitions:
        """The transitions of the world's episode that searches have met."""
        episode, found = self._transitions.get(world, (world.episode, Transitions()))
        if episode != world.episode:
            found = Transitions()
        self._transitions[world] = world.episode, found
        return found

    def _bonus_of(self) -> Callable[[Position], float] | None:
        bonus = self.bonus
        return None if bonus is None else lambda position: bonus(position.payload.decision.state)

    def _check(self, simulators: Iterable[Simulator]) -> None:
        """Look once at every world whether it repeats itself; say once that replays take time."""
        for simulator in simulators:
            world = simulator.world
            if world in self._checked:
                continue
            if simulator.start.payload.snapshot.env is None and not self._has_warned:
                self._has_warned = True
                log.warning(
                    "%s Every simulated step replays the episode, which takes as many steps more.",
                    cannot_go_back(world.env, world.settings.id),
                )
            reached = simulator.must_repeat()
            if self.settings.prune:
                simulator.must_tell_apart(reached)
            simulator.steps = 0  # a resumed run looks again, and must count as one that was not stopped
            if simulator.fault is None:
                self._checked.add(world)

    def _choice(self, result: Result, log_probs: Tensor) -> Choice:
        target = torch.as_tensor(result.target, dtype=torch.float32)
        if self.is_training and self.settings.algorithm == "puct":
            played = torch.where(target > 0, target.log(), torch.tensor(NEVER))
        else:
            played = torch.full_like(log_probs, NEVER)
            played[result.action] = 0.0
        return Choice(played, target, result.value)
