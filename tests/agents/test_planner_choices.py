"""Laws of what the planner finds, what it asks of the policy, and what is played and learnt."""

import json

import numpy as np
import pytest
import torch

from tests.agents.worlds import GAMMA, OUT, Stub, ask, env, kitchen, planner_of, play, world_of
from tests.search.trees import BOTH
from twosome.agents.planner import METRICS
from twosome.errors import NumericsError
from twosome.rollout.evaluate import run_episodes


def test_no_simulations_are_the_policy_bit_for_bit():
    policy = Stub(weights={"go right": 3.0})
    world = world_of(env(), policy)
    rows = policy.log_probs([world.decision])
    asked = policy.counts.copy()
    (choice,) = planner_of(policy, simulations=0, is_training=True)([world], [world.decision], rows)
    assert choice.log_probs is rows[0]
    assert choice.target is None
    assert policy.counts == asked
    assert world.env.unwrapped.steps_taken == 0


def optimal_values(where):
    """The exact value of every state of a small world, by text, and the optimum: slow and obvious."""
    world = world_of(where, Stub())
    start = world.snapshot()
    snapshots, moves = {world.key: start}, {}
    texts, waiting = {world.key: world.state}, [world.key]
    while waiting:
        key = waiting.pop()
        moves[key] = []
        world.restore(snapshots[key])
        for action in range(len(world.menu.phrases)):
            world.restore(snapshots[key])
            step = world.step(action)
            discount = 0.0 if step.terminated else where.gamma**step.duration
            moves[key].append((world.key, step.reward, discount))
            if not step.terminated and world.key not in snapshots:
                inner = world.snapshot().env._replace(steps=0, over=False)
                snapshots[world.key] = start._replace(env=inner)
                texts[world.key] = world.state
                waiting.append(world.key)
    values = dict.fromkeys(moves, 0.0)
    for _ in range(500):
        before = dict(values)
        for key, row in moves.items():
            values[key] = max(reward + discount * values.get(after, 0.0) for after, reward, discount in row)
        if values == before:
            break
    world.restore(start)
    return {texts[key]: value for key, value in values.items()}, values[world.key]


@pytest.fixture(scope="module", params=["TomatoSalad", "FoodPreparation"])
def known(request):
    """A world, the exact values of its states, and its optimum."""
    where = kitchen(request.param)
    return where, *optimal_values(where)


@BOTH
def test_with_a_rough_critic_the_plan_is_optimal_one_by_one_and_in_batches(known, algorithm):
    where, values, optimum = known
    rng = np.random.default_rng(0)
    policy = Stub({state: value + rng.normal(0, 0.05) for state, value in values.items()})
    passes = []
    for batch in (1, 8):
        planner = planner_of(policy, algorithm=algorithm, batch=batch, simulations=64)

        def afresh(*asked, planner=planner):
            planner.clear_cache()  # what an earlier decision has found out would leave nothing to ask
            return planner(*asked)

        (episode,) = run_episodes(policy, where, 1, greedy=True, seed=0, deliberate=afresh)
        assert episode.discounted_return == pytest.approx(optimum, abs=0.01)
        passes.append(planner.cost.passes)
    most = 1 / 3 if "Food" in where.id else 0.4  # six leaves a decision, in two levels, are two passes at least
    assert passes[1] <= most * passes[0]
    (alone,) = run_episodes(policy, where, 1, greedy=True, seed=0)
    assert alone.discounted_return < 0.5 * optimum  # the policy itself knows nothing


def test_a_cut_off_episode_goes_on_in_its_value_and_one_that_is_over_does_not():
    critic = {f"Leave. You are in room {k}.{' You carry the key.' * key}": 1 + k for k in range(3) for key in (0, 1)}
    asked = []

    class Watching(Stub):
        def log_probs(self, decisions):
            asked.extend(decisions)
            return super().log_probs(decisions)

    policy = Watching(critic)
    world = world_of(env(limit=5), policy)
    for _ in range(2):
        world.step(world.menu.phrases.index("pick up the key" if not world.actions else "go right"))
    (result,) = ask(planner_of(policy, prune=False, simulations=40), world)
    q = dict(zip(world.menu.phrases, result.q.tolist(), strict=True))
    assert q["go right"] == pytest.approx(GAMMA**3 * 3)  # three steps with the key, then the clock runs out
    assert q["go left"] == pytest.approx(GAMMA**3 * 1)
    assert q["give up"] == 0.0
    assert all(len(decision.menu) > 1 for decision in asked)  # what is over has a value and no choice
    assert GAMMA**3 * 3 != pytest.approx(GAMMA * 3) != 0.0  # the wrong variants: no duration, no value


def test_several_worlds_in_one_search_are_searched_as_alone():
    policy = Stub()
    worlds = [world_of(env(length=length), policy, index) for index, length in enumerate((2, 3, 4))]
    worlds[1].step(1)
    together = ask(planner_of(policy), *worlds)
    for world, result in zip(worlds, together, strict=True):
        (alone,) = ask(planner_of(policy), world)
        assert result.visits.tolist() == alone.visits.tolist()
        assert result.q.tolist() == pytest.approx(alone.q.tolist(), nan_ok=True)
        assert result.action == alone.action


def test_a_bonus_is_of_the_state_that_an_action_leads_to():
    policy = Stub()
    world = world_of(env(), policy)
    planner = planner_of(policy, bonus=lambda state: 0.5 if "room 1" in state else 0.0)
    (result,) = ask(planner, world)
    right = world.menu.phrases.index("go right")
    assert result.root.bonuses[right] == 0.5
    assert result.root.rewards[right] == 0.0
    assert sum(result.root.bonuses) == 0.5


# What is asked of the policy ------------------------------------------------------------------------------------------


def test_a_state_met_again_in_another_branch_is_not_computed_again(untrained):
    world = world_of(kitchen("FoodPreparation"), untrained)
    row = untrained.log_probs([world.decision])
    untrained.clear_cache()
    before = untrained.counts.copy()
    (result,) = planner_of(untrained, simulations=24).search([world], [world.decision], row)
    found, queue = [], [result.root]
    while queue:
        node = queue.pop()
        queue += [child for child in node.children if child is not None]
        if node is not result.root and node.is_expanded and not node.position.is_final:
            found.append(node.position.payload.decision)
    computed = untrained.counts["decisions_computed"] - before["decisions_computed"]
    assert computed == len(set(found) - {world.decision}) < len(found)
    assert untrained.counts["decisions"] - before["decisions"] == computed  # it was not even asked
    assert untrained.counts["passes"] > before["passes"]


def test_what_the_policy_said_of_a_state_is_kept_until_it_has_learnt():
    policy = Stub()
    world = world_of(kitchen("TomatoSalad"), policy)
    planner = planner_of(policy, simulations=8)
    [before] = ask(planner, world)
    passes = planner.cost.passes
    assert passes
    [again] = ask(planner, world)
    assert planner.cost.passes == passes
    assert (again.visits == before.visits).all()
    assert np.array_equal(again.q, before.q, equal_nan=True)
    policy.known |= {child.position.payload.decision.state: 5.0 for child in before.root.children if child is not None}
    [stale] = ask(planner, world)
    assert (stale.visits == before.visits).all()  # the wrong variant: nobody said that the critic has learnt
    planner.clear_cache()
    [fresh] = ask(planner, world)
    assert fresh.value > before.value + 1
    assert planner.cost.passes > passes


class Sick(Stub):
    """Gives no numbers for some states, as a model of half precision that has overflowed."""

    def values(self, states):
        if any("room 1" in state for state in states):
            raise NumericsError("a NaN")
        return super().values(states)

    def log_probs(self, decisions):
        if any("room 2" in d.state for d in decisions):
            raise NumericsError("a NaN")
        return super().log_probs(decisions)


@pytest.mark.parametrize("batch", [1, 4])
def test_answers_that_are_no_numbers_are_counted_and_the_search_goes_on(batch):
    plans = []
    for policy in (Sick(), Stub()):
        planner = planner_of(policy, batch=batch)
        plans.append(play(planner, world_of(env(), policy)))
        assert (planner.metrics()["search/not_finite"] > 0) == isinstance(policy, Sick)
    assert plans == [OUT, OUT]


# What is played and learnt --------------------------------------------------------------------------------------------


@BOTH
def test_in_training_what_is_played_is_what_the_search_proposes(algorithm):
    policy = Stub()
    world = world_of(kitchen("FoodPreparation"), policy)
    rows = policy.log_probs([world.decision])
    played = []
    for is_training in (True, False):
        planner = planner_of(policy, algorithm=algorithm, is_training=is_training, simulations=8)
        (choice,) = planner([world], [world.decision], rows)
        assert choice.target.sum().item() == pytest.approx(1)
        assert torch.isfinite(choice.log_probs).all()  # entropies stay numbers
        assert choice.log_probs.shape == choice.target.shape == rows[0].shape
        played.append((choice.log_probs.exp(), choice.target))
    assert played[1][0].max() == 1.0
    assert (played[1][1] < 1).all()
    if algorithm == "puct":
        assert torch.allclose(*played[0])
    else:
        assert played[0][0].max() == 1.0  # the noise at the root is what explores


def test_going_on_from_a_saved_state_is_going_on():
    policy = Stub()
    how = {"is_training": True, "simulations": 2, "considered": 2, "algorithm": "gumbel"}
    straight, stopped = planner_of(policy, **how), planner_of(policy, **how)
    world = world_of(kitchen("FoodPreparation"), policy)
    for planner in (straight, stopped):
        ask(planner, world)
    again = planner_of(policy, seed=9, **how)
    state = json.loads(json.dumps(stopped.state_dict()))
    again.load_state_dict(state)
    straight.clear_cache()  # as at every update, where a run is saved
    fresh = planner_of(policy, seed=9, **how)  # the wrong variant: a random state of its own
    visits = [[ask(planner, world)[0].visits.tolist() for _ in range(8)] for planner in (straight, again, fresh)]
    assert visits[0] == visits[1] != visits[2]
    assert straight.metrics() == again.metrics() != fresh.metrics()
    for name in ("struck", "passes", "rng"):
        with pytest.raises((KeyError, ValueError, TypeError)):
            again.load_state_dict({**state, name: -1})


def test_all_that_is_logged_has_its_explanation():
    assert planner_of(Stub()).metrics().keys() == METRICS.keys()
