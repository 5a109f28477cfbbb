"""The SayCan-style baseline strikes from the menu what changes nothing, and nothing else."""

import gymnasium
import numpy as np
import twosome_envs  # noqa: F401  registers the ids

from twosome.systems.baselines.frozen import Affordance


def test_affordance_strikes_what_changes_nothing_and_nothing_else():
    env = Affordance(gymnasium.make("twosome/TomatoSalad-v0"))
    plain = gymnasium.make("twosome/TomatoSalad-v0")
    _, info = env.reset(seed=0)
    plain.reset(seed=0)
    for _ in range(6):
        here = plain.unwrapped.snapshot()
        for action in range(plain.action_space.n):
            plain.step(action)
            assert info["action_mask"][action] == (plain.unwrapped.snapshot().state != here.state)
            plain.unwrapped.restore(here)
        action = int(np.flatnonzero(info["action_mask"])[0])
        *_, info = env.step(action)
        plain.step(action)
