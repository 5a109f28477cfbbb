"""The embedded model as the throughput bench builds it, with small settings and a few decisions."""

import pytest
import torch

from twosome.bench import models
from twosome.bench.sample import distinct_decisions
from twosome.config.compose import compose

FIXED = ["ppo=published", "ppo.target_kl=null", "num_envs=2", "rollout_steps=4", "ppo.actor.minibatch=2"]
FIXED += ["ppo.accumulation=2", "ppo.critic.minibatch=4"]


@pytest.fixture(scope="session")
def fixed():
    """Settings whose update is eight decisions."""
    return FIXED


@pytest.fixture(scope="session")
def cfg():
    return compose(["env=tomato_lettuce_salad", "model=tiny", *FIXED])


@pytest.fixture(scope="session")
def built(cfg):
    torch.set_num_threads(1)
    return models.build("tiny", cfg.model, seed=0)


@pytest.fixture(scope="session")
def decisions(cfg):
    return distinct_decisions(cfg, 6)
