"""Sessions in the toolbox, played and counted: what a question earns, and how often which kind used tools."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twosome.config.schema import EnvSettings
    from twosome.protocols import Policy
    from twosome.rollout.driver import Deliberation

KINDS = ("habit", "fresh", "sum", "nested", "rumour")


def played(
    policy: Policy, env: EnvSettings, n: int, seed: int, *, greedy: bool, deliberate: Deliberation | None = None
) -> dict[str, Any]:
    """About n sessions, the same ones for every policy: means of a question, and of a question of every kind.

    `error`: the standard error of the return. `right`, `calls`: of all; `kinds`: the same kind by kind.
    """
    from twosome.rollout.evaluate import TOGETHER, run_episodes

    episodes = []
    for k in range(max(1, n // TOGETHER)):  # each world plays one, so that nobody's speed decides which are played
        found = run_episodes(policy, env, TOGETHER, greedy=greedy, seed=seed + 7919 * k, deliberate=deliberate)
        episodes += found
    counts = [dict(e.tally) for e in episodes]
    questions = env.kwargs["questions"]
    returns = [e.discounted_return / questions for e in episodes]
    kinds = {}
    for kind in KINDS:
        asked, right, calls = (sum(c[f"{kind}{of}"] for c in counts) for of in ("", "_right", "_calls"))
        kinds[kind] = {"asked": asked, "right": right / max(asked, 1), "calls": calls / max(asked, 1)}
    total = questions * len(episodes)
    return {
        "return": statistics.fmean(returns),
        "error": statistics.stdev(returns) / len(returns) ** 0.5,
        "right": sum(c["right"] for c in counts) / total,
        "calls": sum(c["searched"] + c["calculated"] for c in counts) / total,
        "kinds": kinds,
    }


def shown(env: EnvSettings, n: int, seed: int, demonstrates: str) -> dict[str, Any]:
    """The same for what the toolbox demonstrates."""
    import dataclasses

    from twosome.agents.demonstrator import demonstrate
    from twosome.systems.baselines.random import RandomPolicy

    env = dataclasses.replace(env, kwargs={**env.kwargs, "demonstrates": demonstrates})
    return played(RandomPolicy(), env, n, seed, greedy=True, deliberate=demonstrate)


def exact(env: EnvSettings) -> dict[str, float]:
    """What the best play, the play of all tools and the annotator earn on average, by enumerating all plans."""
    from twosome.rollout.contract import make_env

    made: Any = make_env(env).unwrapped
    try:
        made.reset(seed=0)
        return dict(made.exact)
    finally:
        made.close()
