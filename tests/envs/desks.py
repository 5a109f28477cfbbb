"""How the tests of the desk play it."""

import numpy as np
from twosome_envs.desk.questions import Kind


def legal(info):
    return {phrase: k for k, phrase in enumerate(info["actions"]) if info["action_mask"][k]}


def take(env, info, phrase):
    """Observation, reward and info of an action by its words."""
    observation, reward, _, _, info = env.step(legal(info)[phrase])
    return observation, reward, info


def random_play(env, seed, episodes=1, is_legal=True):
    """What reset and step return, as (phrase, observation, reward, terminated, truncated, info)."""
    rng = np.random.default_rng(seed)
    for episode in range(episodes):
        observation, info = env.reset(seed=None if episode else seed)
        yield None, observation, 0.0, False, False, info
        while "episode" not in info:
            choices = np.flatnonzero(info["action_mask"]) if is_legal else np.arange(len(info["actions"]))
            action = int(rng.choice(choices))
            phrase = info["actions"][action]
            observation, reward, terminated, truncated, info = env.step(action)
            yield phrase, observation, reward, terminated, truncated, info


def at_care(env, count=1):
    """Reset, and answer wrongly or rightly, whatever comes, until this many care questions were met."""
    observation, info = env.reset()
    while True:
        count -= env.desk.question.kind == Kind.CARE
        if not count:
            return observation, info
        observation, _, _, _, info = env.step(0)
