"""Plays two actions of a decision from one snapshot, each to the end of the episode or question: which returns more?

It is a `rollout.driver.Deliberation` that leaves the choice to the policy, and tells on the side what it found.
"""

from __future__ import annotations

import random
import weakref
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from twosome.agents.simulator import Simulator
from twosome.errors import EnvironmentFault, counter
from twosome.protocols import Choice, Policy, StateDict
from twosome.rollout.checked_env import World
from twosome.rollout.driver import ask
from twosome.rollout.first_look import must_branch
from twosome.types import Decision

if TYPE_CHECKING:
    from twosome.config.learners import PreferenceSettings

METRICS = {
    "branches/simulated_steps": "environment steps taken inside branches since the start of the run",
    "branches/pairs": "decisions at which two branches were played since the start",
    "branches/told_apart": "share of them whose returns differed by more than preference.delta",
}
COUNTS = ("steps", "pairs", "told_apart")


class Branches:
    """Plays two branches at a share of all decisions, with the policy as it is now.

    The two actions are drawn by the policy, without replacement. After them both branches draw by the same random
    numbers, one for every visit of a decision: where they come to the same decisions they go on alike, and what is left
    of the difference of their returns is due to the two actions. A branch ends with its episode, after
    `settings.horizon` steps, or by `settings.credit` where it closes a question.
    """

    def __init__(self, policy: Policy, settings: PreferenceSettings, seed: int):
        self.policy, self.settings = policy, settings
        self.rng = np.random.default_rng(seed)
        self.counts: Counter[str] = Counter()
        self._found: list[tuple[Decision, float]] = []
        self._checked: weakref.WeakSet[World] = weakref.WeakSet()

    def __call__(
        self, worlds: list[World], decisions: list[Decision], log_probs: list[Tensor]
    ) -> list[Choice | EnvironmentFault]:
        """For every world the policy's own choice, or its fault in a branch."""
        simulators: dict[int, Simulator] = {}
        faults: dict[int, EnvironmentFault] = {}
        with ExitStack() as stack:
            for k, row in enumerate(log_probs):
                is_drawn = self.rng.random() < self.settings.share
                if is_drawn and len(row) > 1 and bool(torch.isfinite(row).all()):
                    try:
                        simulators[k] = Simulator(worlds[k])
                        stack.callback(simulators[k].close)
                        self._check(simulators[k])
                    except EnvironmentFault as fault:
                        faults[k] = fault
            self._compare(simulators, {k: self._two(log_probs[k]) for k in simulators})
        self.counts["steps"] += sum(simulator.steps for simulator in simulators.values())
        faults |= {k: simulator.fault for k, simulator in simulators.items() if simulator.fault is not None}
        return [faults[k] if k in faults else Choice(row) for k, row in enumerate(log_probs)]

    def take(self) -> list[tuple[Decision, float]]:
        """Found since last called: decisions between two actions, the better first, and by how much it is better."""
        found, self._found = self._found, []
        return found

    def clear_cache(self) -> None:
        """Nothing is kept from one version of the weights to the next."""

    def metrics(self) -> dict[str, float]:
        """What to log of all branches so far."""
        steps, pairs, told_apart = (self.counts[name] for name in COUNTS)
        share = told_apart / pairs if pairs else 0.0
        return {"branches/simulated_steps": float(steps), "branches/pairs": float(pairs), "branches/told_apart": share}

    def state_dict(self) -> StateDict:
        """The random state, and the counts so far. What was found is taken at every update, before any checkpoint."""
        return {"rng": self.rng.bit_generator.state, **{name: self.counts[name] for name in COUNTS}}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.rng.bit_generator.state = state["rng"]
        self.counts = Counter({name: counter(state[name], name) for name in COUNTS})

    def _two(self, log_probs: Tensor) -> tuple[int, int]:
        """Two actions, drawn one after the other without replacement (Gumbel's trick: the two largest keys)."""
        keys = log_probs.double().numpy() + self.rng.gumbel(size=len(log_probs))
        second, first = np.argsort(keys)[-2:]
        return int(first), int(second)

    def _check(self, simulator: Simulator) -> None:
        """Look once at every world whether it can go back and repeats itself. Raises `ConfigError` if not."""
        if simulator.world in self._checked:
            return
        if not simulator.world.can_snapshot:
            must_branch(simulator.world.env, simulator.world.settings.id, can=False)
        simulator.must_repeat()
        simulator.steps = 0  # a resumed run looks again, and must count as one that was not stopped
        if simulator.fault is None:
            self._checked.add(simulator.world)

    def _compare(self, simulators: dict[int, Simulator], pairs: dict[int, tuple[int, int]]) -> None:
        """Play both branches of every pair and note those whose returns differ."""
        seeds = {k: int(self.rng.integers(2**63)) for k in simulators}
        one, other = (
            self._returns(simulators, {k: pair[which] for k, pair in pairs.items()}, seeds) for which in (0, 1)
        )
        for k, simulator in simulators.items():
            if simulator.fault is not None:
                continue
            self.counts["pairs"] += 1
            if abs(one[k] - other[k]) > self.settings.delta:
                self.counts["told_apart"] += 1
                first, second = pairs[k] if one[k] > other[k] else pairs[k][::-1]
                found = between(simulator.start.payload.decision, first, second)
                self._found.append((found, abs(one[k] - other[k])))

    def _returns(
        self, simulators: dict[int, Simulator], actions: dict[int, int], seeds: dict[int, int]
    ) -> dict[int, float]:
        """The discounted return of every world after its action, with the policy from there on; all side by side."""
        returned, discounts, visits, closed = {}, {}, Counter[tuple[int, Decision]](), set[int]()
        ends_with_question = self.settings.credit == "question"
        for k, simulator in simulators.items():
            outcome = simulator(simulator.start, actions[k])
            returned[k], discounts[k] = outcome.reward, outcome.discount
            if ends_with_question and outcome.closes:
                closed.add(k)
        for _ in range(1, self.settings.horizon or 2**31):
            going = [k for k, s in simulators.items() if s.fault is None and not s.world.is_over and k not in closed]
            if not going:
                break
            decisions = [simulators[k].world.decision for k in going]
            for k, decision, row in zip(going, decisions, ask(self.policy, decisions), strict=True):
                visits[k, decision] += 1
                chance = random.Random(f"{seeds[k]} {visits[k, decision]} {decision.asked}").random()
                simulator = simulators[k]
                try:
                    step = simulator.world.step(drawn(row, chance))
                except EnvironmentFault as fault:
                    simulator.fault = fault
                    continue
                simulator.steps += 1
                returned[k] += discounts[k] * step.reward
                discounts[k] *= simulator.world.settings.gamma**step.duration
                if ends_with_question and step.closes:
                    closed.add(k)
        return returned


def drawn(log_probs: Tensor, chance: float) -> int:
    """The action at a place `chance` of [0, 1) of the distribution; even where the model gave no numbers."""
    rows = log_probs.double() if torch.isfinite(log_probs).all() else torch.zeros(len(log_probs), dtype=torch.float64)
    shares = rows.softmax(0).cumsum(0)
    return min(int(torch.searchsorted(shares, chance, right=True)), len(log_probs) - 1)


def between(decision: Decision, first: int, second: int) -> Decision:
    """A decision between two of its actions."""
    bias = (decision.bias[first], decision.bias[second]) if decision.bias else ()
    return decision._replace(menu=(decision.menu[first], decision.menu[second]), bias=bias)
