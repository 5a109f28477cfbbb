"""A small world whose goal has parts that have parts, one of which may turn out to be impossible; and exact optima."""

from typing import NamedTuple

import gymnasium
import numpy as np
from twosome_envs.base import Menu, MenuEnv, Outcome
from twosome_envs.parts import Part


class Yard(NamedTuple):
    """What is at hand in the yard; `split`: the log has split where planks were to be sawn."""

    planks: bool = False
    nails: bool = False
    shelf: bool = False
    split: bool = False


ACTIONS = "saw the log", "fetch nails", "nail the planks", "buy a shelf", "rest"


class YardEnv(MenuEnv[Yard]):
    """A shelf is built of planks and nails, or bought at a price. A bad log splits; then none can be built."""

    gamma, max_steps = 0.9, 12

    def __init__(self, is_bad=False, price=0.5, render_mode=None):
        self.is_bad, self.price = is_bad, price
        super().__init__(len(ACTIONS), np.ones(4), render_mode)

    def parts(self, path=()):
        now = self._current("parts()")
        if path == ():
            possible = [] if now.split else [Part("build one", now.shelf and now.planks)]
            return (*possible, Part("get one from the shop", now.shelf and not now.planks))
        if path == ("build one",):
            return Part("planks", now.planks), Part("nails", now.nails)
        return ()

    def observe(self, path=()):
        seen = self._observation_and_info(self._current("observe()"))[0]
        return {**seen, "goal": f"Get on with {path[-1]}."} if path else seen

    def _start(self):
        return Yard()

    def _transition(self, state, action):
        price = 0.0
        if action == 0 and not state.split:
            state = state._replace(split=self.is_bad, planks=not self.is_bad)
        elif action == 1:
            state = state._replace(nails=True)
        elif action == 2:
            state = state._replace(shelf=state.planks and state.nails)
        elif action == 3:
            state, price = state._replace(shelf=True), self.price
        return Outcome(state, (float(state.shelf) - price - 0.01,), state.shelf)

    def _scene(self, state):
        return f"In the yard: {', '.join(name for name, is_so in state._asdict().items() if is_so) or 'a log'}."

    def _goal(self, state):
        return "Have a shelf."

    def _menu(self, state):
        return Menu(ACTIONS, (not state.planks, True, True, True, True))

    def _vector(self, state):
        return np.array(state, np.float32)


class Exact(NamedTuple):
    """The best discounted return, and that from every state on, by goal and scene."""

    value: float
    values: dict[str, float]


def exact(env) -> Exact:
    """The best return over legal actions, by exhaustive search (value iteration) of all states."""
    env.reset()

    def fresh(snapshot):
        return snapshot._replace(
            inner=snapshot.inner._replace(steps=0, over=False), own=snapshot.own._replace(steps=0, over=False)
        )

    start = env.snapshot()
    index, snapshots, moves, texts = {start.state: 0}, [start], [], []
    for snapshot in snapshots:  # grows while it is walked through
        row = []
        seen, info = env.restore(snapshot)
        texts.append(f"{seen['goal']} {seen['scene']}")
        for action in np.flatnonzero(info["action_mask"]):
            env.restore(snapshot)
            _, reward, terminated, _, info = env.step(int(action))
            after = env.snapshot()
            if not terminated and after.state not in index:
                index[after.state] = len(snapshots)
                snapshots.append(fresh(after))
            row.append((None if terminated else index[after.state], reward, info["duration"]))
        moves.append(row)
    values, change = [0.0] * len(moves), 1.0
    while change > 1e-12:
        change = 0.0
        for i in reversed(range(len(moves))):
            best = max(r + (0.0 if after is None else env.gamma**d * values[after]) for after, r, d in moves[i])
            change, values[i] = max(change, abs(best - values[i])), best
    return Exact(values[0], dict(zip(texts, values, strict=True)))


gymnasium.register("TwosomeTest/Yard-v0", YardEnv)
