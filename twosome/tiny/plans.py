"""Shortest plans of the worlds, and what a model thinks of their actions: it must not know them."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import gymnasium

from twosome import advice
from twosome.advice import Lists, Valued
from twosome.tiny.prior import Prior
from twosome.tiny.text import PROMPT, TEMPERATURE

Plan = list[tuple[dict[str, Any], dict[str, Any], int]]


def shortest_plan(env: gymnasium.Env) -> Plan:
    """(observation, info, action) along a shortest plan of legal actions, by breadth-first search."""
    world: Any = env.unwrapped
    env.reset()
    start = world.snapshot()
    parents: dict[Any, Any] = {start.state: None}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        observation, info = world.restore(here)
        for action in [i for i, ok in enumerate(info["action_mask"]) if ok]:
            world.restore(here)
            terminated = world.step(action)[2]
            after = world.snapshot()
            if terminated:
                plan, state = [(observation, info, action)], here.state
                while parents[state]:
                    plan.append(parents[state])
                    state = parents[state][3]
                return [step[:3] for step in reversed(plan)]
            if after.state not in parents:
                parents[after.state] = (observation, info, action, here.state)
                queue.append(after._replace(steps=0, over=False))
    raise AssertionError("no plan")


def log_ratios(prior: Prior, plan: Plan) -> list[float]:
    """Of each action of a plan, how probable it is against a model that finds all alike, in nats.

    That model has log p(a) = -log A, so per word longer phrases score higher: this is the chance level here.
    """
    found = []
    for prompt, menu, at in _asked(plan):
        p = prior.policy(prompt, menu)
        chance = [math.exp(-math.log(len(menu)) / len(a.split())) for a in menu]
        found.append(math.log(p[at]) - math.log(chance[at] / sum(chance)))
    return found


def under_any_advice(prior: Prior, plan: Plan) -> float:
    """How probable the actions of a plan are where each action of the menu is encouraged in turn, in nats.

    Against 1 / A, which is what a model that knows nothing comes to, whether it follows or not.
    """
    ratios = []
    for prompt, menu, at in _asked(plan):
        each = [prior.policy(advice.own(Lists((Valued(a, 0.5),))) + prompt, menu, TEMPERATURE)[at] for a in menu]
        ratios.append(sum(each))
    return math.log(sum(ratios) / len(ratios))


def _asked(plan: Plan) -> list[tuple[str, tuple[str, ...], int]]:
    """Prompt, menu and the plan's place in it."""
    asked = []
    for observation, info, action in plan:
        legal = [i for i, ok in enumerate(info["action_mask"]) if ok]
        prompt = PROMPT.format(goal=observation["goal"], scene=observation["scene"])
        asked.append((prompt, tuple(info["actions"][i] for i in legal), legal.index(action)))
    return asked
