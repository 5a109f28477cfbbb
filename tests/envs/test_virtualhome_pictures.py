"""Pictures of the home: one size, everything that matters visible, equal for equal states."""

import numpy as np
import pytest
from twosome_envs.virtualhome import SPECS
from twosome_envs.virtualhome.env import VirtualHomeEnv

PLANS = {
    "twosome/Entertainment-v0": (4, 9, 5, 10, 0, 6, 11, 7, 13, 8, 15),
    "twosome/Entertainment-v1": (4, 9, 5, 10, 0, 6, 11, 7, 13, 8, 15),
    "twosome/LaundryFaithful-v0": (0, 4, 6, 2, 5, 8, 7, 9),
}


def frames(env_id, draw):
    env = VirtualHomeEnv(**SPECS[env_id])
    env.reset()
    shown = [getattr(env, draw)(env.snapshot().state)]
    for action in PLANS.get(env_id, (4, 6, 5, 8, 7, 9)):
        env.step(action)
        shown.append(getattr(env, draw)(env.snapshot().state))
    return shown


@pytest.mark.parametrize("env_id", SPECS)
def test_every_step_of_a_solution_looks_different(env_id):
    pictures = frames(env_id, "_picture")
    assert {(p.shape, p.dtype) for p in pictures} == {((344, 500, 3), np.dtype(np.uint8))}
    assert len({p.tobytes() for p in pictures}) == len(pictures)


@pytest.mark.parametrize("env_id", SPECS)
def test_every_step_of_a_solution_reads_different(env_id):
    plans = frames(env_id, "_ansi")
    assert len(set(plans)) == len(plans)
    assert all(len({len(line) for line in plan.splitlines()}) == 1 for plan in plans)
    assert all(plan.isascii() for plan in plans)


def test_ansi():
    env = VirtualHomeEnv("entertainment")
    env.reset()
    for action in (4, 9, 5, 10, 0, 6, 11):
        env.step(action)
    assert env._ansi(env.snapshot().state) == "\n".join(
        (
            "+--------------------------------------+--------------------------------------+",
            "| KITCHEN                              | LIVING ROOM                          |",
            "|                                      | > coffee table                       |",
            "|                                      |   TV (off)                           |",
            "|                                      |   sofa                               |",
            "|                                      | > chips on the coffee table          |",
            "|                                      | @ you, standing, holding milk        |",
            "+--------------------------------------+--------------------------------------+",
            "| BATHROOM                             | BEDROOM                              |",
            *["|                                      |                                      |"] * 5,
            "+--------------------------------------+--------------------------------------+",
        )
    )
