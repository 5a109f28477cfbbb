"""Laws of a planner whose policy plays on from the leaves: what it has met is of one world, one episode, one policy."""

import pytest

from tests.agents.worlds import GAMMA, Stub, ask, env, planner_of, world_of
from tests.search.trees import BOTH
from twosome.rollout.evaluate import run_episodes

KEYED = Stub(weights={"go left": 3.0, "give up": 0.2})  # it seldom leaves: one needs the key, and three rooms
OPTIMUM = GAMMA**10  # for the key, three rooms in three steps each, and the door


@BOTH
@pytest.mark.parametrize("name", ["Backwards", "Keys"])
def test_a_seldom_success_is_found_and_followed_to_its_end(name, algorithm, caplog):
    returns = []
    for playouts in (0, 4):
        planner = planner_of(KEYED, algorithm=algorithm, simulations=4, playouts=playouts)
        (episode,) = run_episodes(KEYED, env(name), 1, greedy=True, seed=0, deliberate=planner)
        returns.append(episode.discounted_return)
    assert returns == [0, pytest.approx(OPTIMUM)]


def test_what_was_met_is_kept_for_the_episode_until_the_policy_has_learnt():
    world = world_of(env(), KEYED)
    planner = planner_of(KEYED, simulations=4, playouts=4)
    [first] = ask(planner, world)
    start = first.root.position
    known = planner._known_of(world)
    assert known.best(start) == pytest.approx(OPTIMUM)
    ask(planner, world)
    assert planner._known_of(world) is known
    planner.clear_cache()
    assert planner._known_of(world).best(start) is None
    ask(planner, world)
    assert planner._known_of(world).best(start) is not None
    world.reset()
    assert planner._known_of(world).best(start) is None


def test_worlds_share_nothing_that_was_met():
    worlds = [world_of(env(length=length), KEYED) for length in (2, 3)]
    planner = planner_of(KEYED, simulations=6, playouts=6)
    found = planner.search(worlds, [w.decision for w in worlds], KEYED.log_probs([w.decision for w in worlds]))
    assert [result.value for result in found] == pytest.approx([GAMMA**7, GAMMA**10])


def test_simulated_steps_of_playouts_and_plans_are_counted():
    world = world_of(env("Keys"), KEYED)
    planner = planner_of(KEYED, simulations=4, playouts=4)
    ask(planner, world)  # which looks first whether the world repeats itself, uncounted
    inner, before = world.env.unwrapped.steps_taken, planner.cost.steps
    ask(planner, world)
    assert planner.cost.steps - before == world.env.unwrapped.steps_taken - inner - len(world.actions)
