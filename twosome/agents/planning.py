"""Plan one decision of an environment: `twosome.Search(policy, simulations=32).plan(env)`."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

import gymnasium
import numpy as np

from twosome.agents.planner import Planner
from twosome.config.constraints import check_fields
from twosome.config.names import near
from twosome.config.saved import default_of
from twosome.config.schema import EnvSettings, SearchSettings
from twosome.errors import ConfigError, EnvironmentFault, brief
from twosome.inspection.plan import Branch, Plan
from twosome.protocols import Policy
from twosome.rollout.checked_env import World
from twosome.search.descents import Result
from twosome.search.tree import Node


class Search:
    """A tree search around a policy: the policy is the prior, its critic the value.

    `settings` are those of conf/search, such as `simulations=32, algorithm="gumbel", batch=8`. Raises `ConfigError` for
    others, and for what is no policy.

    >>> plan = twosome.Search(policy, simulations=32).plan(env)  # doctest: +SKIP
    >>> plan.action  # doctest: +SKIP
    'pick up the tomato'
    """

    def __init__(self, policy: Policy, simulations: int = 32, *, seed: int = 0, **settings: Any):
        if lacking := [name for name in ("decide", "log_probs", "values") if not hasattr(policy, name)]:
            raise ConfigError(
                f"{brief(repr(policy), 80)} is no policy: expected one that has {', '.join(lacking)}, such as "
                "twosome.load(...) gives."
            )
        if type(seed) is not int or seed < 0:
            raise ConfigError(f"seed={seed!r} cannot work: expected a whole number, 0 or more.")
        self.policy = policy
        self.planner = Planner(policy, search_settings(simulations=simulations, **settings), seed)

    def plan(self, env: gymnasium.Env, *, gamma: float | None = None) -> Plan:
        """What to do in the state that an environment is in now; it is in the same state afterwards.

        `gamma`: discount per primitive step, by default the environment's own. Raises `ConfigError` for an environment
        without snapshots, or one that does not repeat itself; `EnvironmentFault` for what breaks the contract.
        """
        if not isinstance(env, gymnasium.Env):
            raise ConfigError(f"{brief(repr(env), 80)} is no environment: expected one that gymnasium.make(...) gives.")
        inner: Any = env.unwrapped
        name = env.spec.id if env.spec is not None else type(inner).__name__
        discount = getattr(inner, "gamma", None) if gamma is None else gamma
        if discount is None:
            raise ConfigError(f"{name} names no discount of its own: give plan(env, gamma=...), from 0 to 1.")
        if not isinstance(discount, (int, float)) or not 0 <= discount <= 1:
            raise ConfigError(f"gamma={discount!r} cannot work: expected a number from 0 to 1.")
        settings = EnvSettings(id=name, kwargs={}, gamma=float(discount), optimum=None)
        world = World(settings, self.policy, 0, 0, env=env)
        world.adopt()
        if world.is_over:
            raise ConfigError(f"The episode of {name} is over: there is nothing to plan. Call env.reset() first.")
        return self.plan_world(world)

    def plan_world(self, world: World) -> Plan:
        """The same for a world of the rollout."""
        planner, before = self.planner, dataclasses.replace(self.planner.cost)
        planner.clear_cache()  # the policy may have learnt since
        [result] = planner.search([world], [world.decision], self.policy.log_probs([world.decision]))
        if isinstance(result, EnvironmentFault):
            raise result
        cost = planner.cost
        return plan_of(result, world, cost.steps - before.steps, cost.passes - before.passes)


def plan_of(result: Result, world: World, steps: int, passes: int) -> Plan:
    """A search's result as plain data."""
    phrases = world.menu.phrases
    return Plan(
        action=phrases[result.action],
        index=world.menu.indices[result.action],
        value=result.value,
        actions=phrases,
        target=tuple(float(p) for p in result.target),
        branches=_branches(result.root),
        simulations=result.simulations,
        steps=steps,
        passes=passes,
        struck=result.struck,
    )


def search_settings(**changes: Any) -> SearchSettings:
    """The shipped settings of a search with some of them changed. Raises `ConfigError` naming a wrong one."""
    known = default_of("search")
    for name in changes:
        if name not in known:
            raise ConfigError(f"Unknown setting of a search {name!r}.{near(name, known)} Known: {', '.join(known)}.")
        _must_be_of_its_kind(name, changes[name])
    made = SearchSettings(**{**known, **changes})
    check_fields(made, "search.")
    return made


def _must_be_of_its_kind(name: str, value: object) -> None:
    """Raise `ConfigError` for a value of another type than the setting has."""
    kind = get_type_hints(SearchSettings)[name]
    kinds = get_args(kind) or (kind,)
    is_one = isinstance(value, (int, float) if float in kinds and value is not None else kinds)
    if not is_one or isinstance(value, bool) != (kind is bool):
        raise ConfigError(f"search.{name}={value!r} cannot work: expected {getattr(kind, '__name__', kind)}.")


def _branches(node: Node | None) -> tuple[Branch, ...]:
    """The actions of a node with all that is below them."""
    if node is None:
        return ()
    rows = zip(node.position.phrases, node.priors, node.visits, node.q, node.rewards, node.is_struck, strict=True)
    return tuple(
        Branch(
            phrase=phrase,
            prior=float(prior),
            visits=int(visits),
            q=None if np.isnan(q) else float(q),
            reward=float(reward),
            is_struck=bool(is_struck),
            branches=_branches(node.children[k]),
        )
        for k, (phrase, prior, visits, q, reward, is_struck) in enumerate(rows)
    )
