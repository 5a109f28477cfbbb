"""Laws of the planner and its worlds: it leaves them as they were, and refuses those that it cannot trust."""

from typing import NamedTuple

import numpy as np
import pytest
from twosome_envs.agent import AgentState
from twosome_envs.base import Menu

from tests.agents.worlds import GAMMA, OUT, Stub, ask, env, kitchen, planner_of, play, world_of
from tests.search.trees import BOTH
from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout.driver import Tolerance, drive

ENVS = (env(), env("Keys"), kitchen("TomatoSalad"), kitchen("FoodPreparation"))
ALL = pytest.mark.parametrize("where", ENVS, ids=lambda where: where.id)


def told(world):
    """All that a world is, as one can see it."""
    texts = world.observation["scene"], world.observation["goal"], world.observation["vector"].tolist()
    mask = [np.asarray(world.info[name]).tolist() for name in ("actions", "action_mask", "duration", "success")]
    numbers = world.discounted_return, world.length, world.is_over, world.episode
    return world.state_dict(), world.snapshot(), hash(world.snapshot()), world.key, texts, mask, numbers, world.decision


@ALL
@BOTH
@pytest.mark.parametrize(("before", "playouts"), [(0, 0), (2, 0), (1, 2)])
def test_the_world_after_a_search_is_the_world_before(where, algorithm, before, playouts):
    policy = Stub()
    world, twin = (world_of(where, policy) for _ in range(2))
    for each in (world, twin):
        for _ in range(before):
            each.step(0)
    seen = told(world)
    planner = planner_of(policy, algorithm=algorithm, simulations=20, playouts=playouts)
    for _ in range(3):
        ask(planner, world)
        assert told(world) == seen == told(twin)
    for _ in range(6):  # and goes on like one in which nobody searched
        assert world.step(len(world.menu.phrases) - 2) == twin.step(len(twin.menu.phrases) - 2)
        assert told(world) == told(twin)


def test_nothing_but_the_decision_is_played():
    policy = Stub()
    worlds = [world_of(env(), policy, index) for index in range(2)]
    planner = planner_of(policy)
    transitions = drive(worlds, policy, None, Tolerance(), planner)
    assert [t.action for t in transitions] == [1, 1]
    assert [world.actions for world in worlds] == [[2], [2]]  # its index in the action space: the key
    for transition in transitions:
        assert transition.target.sum().item() == pytest.approx(1)
        assert transition.log_probs.exp().tolist() == [0.0, 1.0, 0.0]


class Failing(Stub):
    """Raises after some calls."""

    def values(self, states):
        if self.counts["states"] > 5:
            raise KeyboardInterrupt
        return super().values(states)


ADVISED = EnvSettings(
    id="twosome/Agent-v0",
    kwargs={"world": {"id": "TwosomeTest/Backwards-v0"}, "actions": (), "max_internal": 2, "gamma": GAMMA},
    gamma=GAMMA,
    optimum=None,
)


class Adviser(NamedTuple):
    """Asks somebody, or looks up something at hand."""

    is_external: bool
    name: str = "adviser"
    slots: int = 1
    cost: float = 0.0

    def menu(self, state: AgentState) -> Menu:
        return Menu(("ask the adviser",), (True,))

    def run(self, slot: int, state: AgentState) -> str:
        return "Take the key."


def advised(is_external):
    return EnvSettings(**{**vars(ADVISED), "kwargs": {**ADVISED.kwargs, "actions": (Adviser(is_external),)}})


def test_a_world_is_sealed_inside_a_search_alone_and_comes_back_where_the_model_fails():
    seen = []

    class Watching(Stub):
        def log_probs(self, decisions):
            seen.append([world.sealed for world in worlds])
            return super().log_probs(decisions)

    policy = Watching()
    worlds = [world_of(advised(False), policy, index) for index in range(2)]
    worlds[1].sealed = True
    ask(planner_of(policy), *worlds)
    assert seen[0] == [False, True]  # the driver's question
    assert len(seen) > 3
    assert all(sealed == [True, True] for sealed in seen[1:])
    assert [world.sealed for world in worlds] == [False, True]  # each as it was

    failing = Failing()
    world = world_of(advised(False), failing)
    world.step(0)
    before = told(world)
    with pytest.raises(KeyboardInterrupt):
        ask(planner_of(failing), world)
    assert not world.sealed
    assert told(world) == before


def test_worlds_are_unsealed_where_one_of_them_cannot_be_searched():
    policy = Stub()
    worlds = [world_of(advised(False), policy), world_of(env("Moody"), policy), world_of(advised(False), policy)]
    with pytest.raises(ConfigError):
        ask(planner_of(policy), *worlds)
    assert not any(world.sealed for world in worlds)


def test_an_action_that_asks_somebody_raises_inside_a_search_and_one_that_does_not_is_searched():
    policy = Stub()
    world = world_of(advised(True), policy)
    before = told(world)
    with pytest.raises(EnvironmentFault, match=r"SealedError.*asks outside"):
        ask(planner_of(policy), world)
    assert not world.sealed
    assert told(world) == before
    world.step(world.menu.phrases.index("ask the adviser"))  # outside it may be asked
    assert "Take the key." in world.state
    inner = world_of(advised(False), policy)
    (result,) = ask(planner_of(policy), inner)
    assert result.visits[inner.menu.phrases.index("ask the adviser")] > 0


# Worlds that cannot go back, or do not repeat themselves --------------------------------------------------------------


@BOTH
def test_a_world_without_snapshots_gives_the_same_plan_with_one_warning(algorithm, caplog):
    policy = Stub()
    plans, planners = [], []
    for name in ("Backwards", "Keys"):
        planner = planner_of(policy, algorithm=algorithm)
        worlds = [world_of(env(name), policy, index) for index in range(2)]
        plans.append([play(planner, world) for world in worlds])
        planners.append(planner)
    assert plans[0] == plans[1] == [OUT, OUT]
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "TwosomeTest/Keys-v0 cannot go back: it has no snapshot()" in warnings[0]
    with_them, without = (planner.cost for planner in planners)
    assert (with_them.passes, with_them.leaves) == (without.passes, without.leaves)
    assert without.steps > 2 * with_them.steps


@pytest.mark.parametrize("name", ["Backwards", "Keys"])
def test_every_simulated_step_is_counted(name):
    policy = Stub()
    world = world_of(env(name), policy)
    world.step(1)
    planner = planner_of(policy)
    ask(planner, world)  # the first time the world is tried too, which is not part of the search
    before, counted = world.env.unwrapped.steps_taken, planner.cost.steps
    ask(planner, world)
    taken = world.env.unwrapped.steps_taken - before
    assert planner.cost.steps - counted == taken > 10
    assert planner.metrics()["search/simulated_steps"] == planner.cost.steps


@pytest.mark.parametrize("name", ["Moody", "Drifting", "Tired"])
def test_a_world_that_does_not_repeat_itself_is_refused_by_name(name):
    policy = Stub()
    with pytest.raises(ConfigError, match=rf"TwosomeTest/{name}-v0 does not repeat itself.*search.simulations=0"):
        ask(planner_of(policy), world_of(env(name), policy))


@BOTH
def test_a_world_whose_snapshots_tell_no_states_apart_is_refused_by_name(algorithm):
    """Every action would be struck as a circle, and the plan be the policy's own without a word."""
    policy = Stub()
    with pytest.raises(
        ConfigError, match=r"TwosomeTest/Blind-v0 gives the same snapshot\(\)\.state.*search.prune=false"
    ):
        ask(planner_of(policy, algorithm=algorithm), world_of(env("Blind"), policy))
    (result,) = ask(planner_of(policy, algorithm=algorithm, prune=False), world_of(env("Blind"), policy))
    assert result.struck == 0


# Worlds that break the contract inside a simulation -------------------------------------------------------------------

WAYS = ("step", "restore", "snapshot", "state", "sealed")


@BOTH
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("after", [1, 40])
def test_a_fault_in_a_simulation_is_that_of_its_world_alone(how, after, algorithm):
    """The others find what they would have found; nobody is moved, and nobody left sealed."""
    policy = Stub()
    planner = planner_of(policy, algorithm=algorithm, simulations=64)
    worlds = [
        world_of(env(), policy),
        world_of(env("Breaking", how=how, after=after), policy, 1),
        world_of(env(), policy),
    ]
    before = [told(world) for world in worlds[::2]]
    decisions = [world.decision for world in worlds]
    first, fault, last = planner.search(worlds, decisions, policy.log_probs(decisions))
    assert isinstance(fault, EnvironmentFault)
    assert "TwosomeTest/Breaking-v0" in str(fault)
    assert fault.transcript.startswith("env: {")
    assert [told(world) for world in worlds[::2]] == before
    assert not any(world.env.unwrapped.sealed for world in worlds[1:2])
    alone = planner_of(policy, algorithm=algorithm, simulations=64)
    for result in (first, last):
        (expected,) = ask(alone, world_of(env(), policy))
        assert result.visits.tolist() == expected.visits.tolist()
        assert result.action == expected.action
    if how == "step":  # it could be brought back, and was
        assert worlds[1].env.unwrapped.at == 0
        assert worlds[1].decision == decisions[1]


@pytest.mark.parametrize("how", WAYS)
def test_a_fault_in_a_simulation_costs_an_episode_and_not_a_tolerant_run(how):
    policy = Stub()
    worlds = [world_of(env(), policy), world_of(env("Breaking", how=how, after=30), policy, 1)]
    tolerance = Tolerance(1.0)
    good, bad = drive(worlds, policy, None, tolerance, planner_of(policy, simulations=32))
    assert good.step is not None
    assert bad.step is None
    assert bad.target is None
    assert (tolerance.failed, worlds[0].episode, worlds[1].episode) == (1, 0, 1)
    assert worlds[1].actions == []
    with pytest.raises(EnvironmentFault, match=r"Breaking-v0.*log\.max_failed_episodes=0"):
        drive(worlds, policy, None, Tolerance(), planner_of(policy, simulations=32))


def test_a_planner_keeps_no_world_alive():
    policy = Stub()
    planner = planner_of(policy)
    for index in range(3):
        ask(planner, world_of(env(), policy, index))
    assert len(planner._checked) == 0
