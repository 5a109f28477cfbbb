"""Your own environment in 30 lines: python -m twosome.play env=own env.id=own_environment:Balcony-v0"""

import gymnasium
import numpy as np
from twosome_envs.wrappers.menu import MenuWrapper

PLANTS = ("rose", "fern", "thyme")
PHRASES = ("fill the can", *(f"water the {plant}" for plant in PLANTS))


class Balcony(gymnasium.Env):
    observation_space = gymnasium.spaces.MultiBinary(4)  # the can is full; each plant is watered
    action_space = gymnasium.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.zeros(4, np.int8)
        return self.state.copy(), {}

    def step(self, action):
        if action == 0:
            self.state[0] = 1
        elif self.state[0]:
            self.state[0], self.state[action] = 0, 1
        done = bool(self.state[1:].all())
        return self.state.copy(), float(done), done, False, {}


def describe(state):
    plants = [f"The {PLANTS[i]} is {'wet' if state[i + 1] else 'dry'}." for i in range(3)]
    return " ".join([f"Your watering can is {'full' if state[0] else 'empty'}.", *plants])


def make(**kwargs):
    goal = "Water every plant on the balcony."
    return MenuWrapper(Balcony(), describe=describe, goal=goal, phrases=PHRASES, max_steps=20, **kwargs)


gymnasium.register("Balcony-v0", entry_point=make)
