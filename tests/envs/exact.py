"""Exact facts about a small world: its states, the best return and that of random play, all through its snapshots.

The slow and obvious way, as the judge of `twosome_envs.plans` and of what the rules of a world say.
"""

import numpy as np


def graph(env):
    """Every snapshot that can be reached, by its state, with its results: action -> (state, reward, is over).

    The snapshots begin where the environment stands, and know of no time limit.
    """
    start = env.snapshot()
    found, results = {start.state: start}, {}
    for state in (order := [start.state]):
        results[state] = {}
        _, info = env.restore(found[state])
        if info["success"] or found[state].over:
            continue
        for action in map(int, np.flatnonzero(info["action_mask"])):
            env.restore(found[state])
            _, reward, terminated, _, _ = env.step(action)
            after = env.snapshot()
            results[state][action] = (after.state, reward, terminated)
            if after.state not in found:
                found[after.state] = start._replace(state=after.state, over=terminated)
                order.append(after.state)
    return found, results


def best_return(results, start, gamma, steps):
    """The best discounted return within so many steps, by dynamic programming backwards in time."""
    values = dict.fromkeys(results, 0.0)
    for _ in range(steps):
        values = {
            state: max((r + (0.0 if over else gamma * values[after]) for after, r, over in ways.values()), default=0.0)
            for state, ways in results.items()
        }
    return values[start]


def random_return(results, start, gamma, steps):
    """The expected discounted return of uniformly random play within so many steps, forwards in time."""
    number = {state: i for i, state in enumerate(results)}
    edges = [
        (number[state], number[after], reward, not is_over, 1 / len(ways))
        for state, ways in results.items()
        for after, reward, is_over in ways.values()
    ]
    before, after, reward, goes_on, share = map(np.array, zip(*edges, strict=True))
    where, total = np.eye(len(number))[number[start]], 0.0
    for step in range(steps):
        flow = where[before] * share
        total += gamma**step * float(flow @ reward)
        where = np.bincount(after, flow * goes_on, len(number))
    return total
