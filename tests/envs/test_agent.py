"""Laws of the agent, the world around a world whose menu also offers internal actions.

Where a law could hold for a wrong reason, a wrong variant stands beside it and must fail.
"""

import copy
import doctest
import itertools
import json
import pickle
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
import twosome_envs.agent
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.agent import Agent, AgentState, SealedError
from twosome_envs.agent import menu as menu_module
from twosome_envs.agent.menu import one_line
from twosome_envs.base import Menu

WORLDS = ("twosome/TomatoSalad-v0", "twosome/FoodPreparation-v0", "twosome/Entertainment-v0")
SALAD = {"id": "twosome/TomatoSalad-v0"}
CLOCK = itertools.count()


class Facts(NamedTuple):
    """Looks up one of two facts, the second after the first only; three slots, one of them never used."""

    name: str = "facts"
    slots: int = 3
    cost: float = 0.25
    is_external: bool = False

    def menu(self, state: AgentState) -> Menu:
        return Menu(("recall the recipe", "recall the price"), (state.counts[0] == 0, state.counts[0] > 0))

    def run(self, slot: int, state: AgentState) -> str:
        return ("Chop the tomato,\nthen  plate it.", f"A tomato costs {len(state.notes)}.")[slot]


class Adviser(NamedTuple):
    """Asks somebody who never answers twice alike."""

    name: str = "adviser"
    slots: int = 1
    cost: float = 0.5
    is_external: bool = True
    answer: str = "Answer number {}."

    def menu(self, state: AgentState) -> Menu:
        return Menu(("ask the adviser",), (True,))

    def run(self, slot: int, state: AgentState) -> str:
        return self.answer.format(next(CLOCK))


class Broken(Adviser):
    """Fails with a long message of two lines."""

    def run(self, slot: int, state: AgentState) -> str:
        raise ValueError("no line\nto the adviser" + " at all" * 200)


class Second(Adviser):
    """Another one."""

    def menu(self, state: AgentState) -> Menu:
        return Menu(("ask another",), (True,))


BOTH = (Facts(), Adviser())


def around(world=SALAD, actions=BOTH, max_internal=4, **kwargs):
    return gymnasium.make("twosome/Agent-v0", world=world, actions=actions, max_internal=max_internal, **kwargs)


RECIPE, PRICE, UNUSED, ASK = (gymnasium.make(**SALAD).action_space.n + k for k in range(4))


def random_play(env, seed, legal=True, options=None, prefer=()):
    """What reset and step return, as (action, observation, reward, terminated, truncated, info)."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed, options=options)
    yield None, observation, 0.0, False, False, info
    over = False
    while not over:
        choices = np.flatnonzero(info["action_mask"]) if legal else np.arange(len(info["actions"]))
        inside = [a for a in choices if a in prefer]
        action = int(rng.choice(inside if inside and rng.random() < 0.3 else choices))
        observation, reward, terminated, truncated, info = env.step(action)
        yield action, observation, reward, terminated, truncated, info
        over = terminated or truncated


def assert_same_play(first, second, seed, legal=True):
    pairs = zip(random_play(first, seed, legal), random_play(second, seed, legal), strict=True)
    for mine, other in pairs:
        np.testing.assert_equal(mine, other)


# Without actions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", WORLDS)
@pytest.mark.parametrize("legal", [True, False])
def test_without_actions_the_agent_is_its_world(id, legal):
    """Every key, array, reward and flag, step by step; and the spaces."""
    agent, world = gymnasium.make("twosome/Agent-v0", world={"id": id}), gymnasium.make(id)
    assert (agent.action_space, agent.observation_space) == (world.action_space, world.observation_space)
    assert agent.unwrapped.gamma == world.unwrapped.gamma
    for seed in range(3):
        assert_same_play(agent, world, seed, legal)
    with pytest.raises(AssertionError):  # with an action it is another world
        assert_same_play(around({"id": id}), world, 0, legal)


def test_without_actions_an_agent_around_an_agent_is_the_inner_one():
    """Events and the seal pass through."""
    outer = Agent(around().unwrapped)
    told = [info["events"] for *_, info in random_play(outer, 1, prefer=(ASK,))]
    events = [json.loads(json.dumps(event)) for step in told for event in step]
    assert events
    again = random_play(outer, 1, options={"events": events}, prefer=(ASK,))
    assert [info["events"] for *_, info in again] == told
    outer.reset()
    outer.sealed = True
    with pytest.raises(SealedError):
        outer.step(ASK)


# The contract ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [*WORLDS, "twosome/TomatoLettuceSalad-v0"])
@pytest.mark.parametrize("actions", [(), (Facts(),)])
@pytest.mark.parametrize("render_mode", [None, "rgb_array", "ansi"])
def test_check_env(id, actions, render_mode):
    """Warnings are errors here, so this passes without one."""
    check_env(around({"id": id}, actions, render_mode=render_mode).unwrapped)


@pytest.mark.parametrize("id", WORLDS)
def test_observation_and_info(id):
    """The types of the contract at every step, and a menu that keeps its length and its first entries."""
    env, world = around({"id": id}), gymnasium.make(id)
    n = int(world.action_space.n)
    assert env.action_space.n == n + 4
    inside = range(n, n + 4)
    rng = np.random.default_rng(0)
    taken, was_legal = [0, 0, 0, 0], None
    for action, observation, reward, terminated, truncated, info in random_play(env, 0, legal=False, prefer=inside):
        assert env.observation_space.contains(observation)
        assert observation["vector"].dtype == np.float32
        assert observation["scene"].strip() == observation["scene"]
        assert isinstance(info["actions"], tuple)
        assert len(info["actions"]) == len(set(info["actions"])) == n + 4
        assert info["actions"][-4:] == ("recall the recipe", "recall the price", f"(unused {n + 2})", "ask the adviser")
        assert info["action_mask"].dtype == bool
        assert info["action_mask"].shape == (n + 4,)
        assert not info["action_mask"][n + 2]
        assert type(info["duration"]) is int
        assert info["duration"] >= 1
        assert type(info["success"]) is type(terminated) is type(truncated) is bool
        assert type(reward) is float
        assert ("episode" in info) == (terminated or truncated)
        assert isinstance(info["events"], tuple)
        assert json.loads(json.dumps(info["events"])) == list(info["events"])
        if action is not None and action >= n and was_legal[action]:
            taken[action - n] += 1
        assert observation["vector"][-4:].tolist() == taken
        was_legal = info["action_mask"].copy()
        info["action_mask"][:] = rng.random() < 0.5  # what was returned belongs to the user
        observation["vector"][:] = -1
    assert sum(taken) == 4


def test_the_worlds_menu_and_mask_come_first():
    env, world = around({"id": "twosome/Entertainment-v0"}), gymnasium.make("twosome/Entertainment-v0")
    n = world.action_space.n
    (_, info), (_, expected) = env.reset(), world.reset()
    rng = np.random.default_rng(3)
    over = False
    while not over:
        assert info["actions"][:n] == expected["actions"]
        np.testing.assert_array_equal(info["action_mask"][:n], expected["action_mask"])
        env.step(n)  # an internal action or a masked one: the world does not notice
        action = int(rng.choice(np.flatnonzero(expected["action_mask"])))
        seen, *mine, info = env.step(action)
        shown, *others, expected = world.step(action)
        assert mine == others
        assert seen["scene"].splitlines()[0] == shown["scene"]
        assert info["executed"] == expected["executed"]
        over = mine[1] or mine[2]


@pytest.mark.parametrize("legal", [True, False])
def test_the_return_is_the_worlds_rewards_less_the_costs(legal):
    """Both discounted per primitive step, an internal action being one step; wrong variants differ."""
    env = around(max_internal=6)
    gamma, differs = env.unwrapped.gamma, [0, 0, 0]
    for seed in range(4):
        total = free = instant = undiscounted = 0.0
        steps = world_steps = 0
        for action, _, reward, _, _, info in random_play(env, seed, legal, prefer=(RECIPE, PRICE, ASK)):
            if action is None:
                continue
            cost = -reward if action >= RECIPE else 0.0
            assert action < RECIPE or cost in (0.0, Facts().cost if action < ASK else Adviser().cost)
            gain = reward if action < RECIPE else 0.0
            total += gamma**steps * (gain - cost)
            free += gamma**steps * gain
            instant += gamma**world_steps * (gain - cost)
            undiscounted += gamma**steps * gain - cost
            steps += info["duration"]
            world_steps += info["duration"] if action < RECIPE else 0
        assert info["episode"] == {"r": pytest.approx(total, rel=0, abs=1e-9), "l": steps}
        for k, wrong in enumerate((free, instant, undiscounted)):
            differs[k] += info["episode"]["r"] != pytest.approx(wrong, rel=0, abs=1e-6)
    assert all(differs)


def test_an_internal_action_changes_the_notes_and_nothing_else():
    env = around()
    before, info = env.reset()
    inner = env.unwrapped.world.snapshot()
    observation, reward, terminated, truncated, info = env.step(RECIPE)
    assert env.unwrapped.world.snapshot() == inner
    assert observation["scene"] == before["scene"] + "\nNote: Chop the tomato, then plate it."
    assert observation["goal"] == before["goal"]
    assert observation["vector"].tolist() == [*before["vector"][:-4], 1, 0, 0, 0]
    assert (reward, terminated, truncated) == (-0.25, False, False)
    assert {key: info[key] for key in ("duration", "success", "events")} == {
        "duration": 1,
        "success": False,
        "events": (),
    }
    observation, *_ = env.step(PRICE)
    assert observation["scene"].splitlines()[1:] == [
        "Note: Chop the tomato, then plate it.",
        "Note: A tomato costs 1.",
    ]


@pytest.mark.parametrize("masked", [PRICE, UNUSED])
def test_a_masked_internal_action_costs_a_step_only(masked):
    env = around()
    before, info = env.reset()
    assert not info["action_mask"][masked]
    observation, reward, terminated, truncated, info = env.step(masked)
    np.testing.assert_equal(observation, before)
    assert (reward, terminated, truncated, info["duration"]) == (0.0, False, False, 1)
    assert str(reward) == "0.0"
    assert env.unwrapped.snapshot().own.steps == 1


def test_internal_actions_are_masked_after_the_last_one():
    env = around(max_internal=3)
    env.reset()
    for left in (2, 1, 0):
        *_, info = env.step(ASK)
        assert info["action_mask"][ASK] == (left > 0)
        assert info["action_mask"][RECIPE] == (left > 0)
    assert info["action_mask"][:RECIPE].all()
    assert env.step(ASK)[1] == 0.0
    _, info = env.reset()
    assert info["action_mask"][ASK]


def test_what_an_action_sees():
    """The world's own texts, the notes, its own counts, and what is left; nothing that could be changed."""
    seen = []

    class Spy(Facts):
        def run(self, slot, state):
            seen.append(state)
            return "Seen."

    env = around(actions=(Adviser(), Spy()))
    observation, _ = env.reset()
    env.step(RECIPE)  # the adviser is first here
    env.step(RECIPE + 1)
    [state] = seen
    assert state[:2] == (observation["scene"], observation["goal"])
    assert (len(state.notes), state.counts, state.left) == (1, (0, 0, 0), 3)
    assert hash(state)


# Snapshots ------------------------------------------------------------------------------------------------------------


def assert_snapshots_are_the_whole_state(env, twin):
    """From any snapshot the same future, notes included, on this environment and on another one of the same kind."""
    steps, snapshots = [], []
    for step in random_play(env, 4, legal=False, prefer=(RECIPE, PRICE)):
        steps.append(step)
        snapshots.append(env.unwrapped.snapshot())
    for i in reversed(range(len(steps) - 1)):
        for other in (env.unwrapped, twin.unwrapped):
            observation, info = other.restore(snapshots[i])
            assert other.snapshot() == snapshots[i]
            assert hash(other.snapshot()) == hash(snapshots[i])
            np.testing.assert_equal(observation, steps[i][1])
            np.testing.assert_equal(info, {key: value for key, value in steps[i][5].items() if key in info})
            assert info.keys() >= {"actions", "action_mask", "duration", "success", "events"}
            np.testing.assert_equal(other.step(steps[i + 1][0]), steps[i + 1][1:])
    other.restore(snapshots[-1])
    with pytest.raises(ResetNeeded):
        other.step(0)


@pytest.mark.parametrize("id", WORLDS)
def test_snapshot_and_restore(id):
    assert_snapshots_are_the_whole_state(around({"id": id}, (Facts(),)), around({"id": id}, (Facts(),)))


class Wrapped(gymnasium.Wrapper):
    """The wrong variant: the same idea as a `gymnasium.Wrapper`. `env.unwrapped` passes it by."""

    def __init__(self, env):
        super().__init__(env)
        self.notes = []
        self.action_space = gymnasium.spaces.Discrete(env.action_space.n + 1)

    def reset(self, **kwargs):
        self.notes = []
        return self._noted(*self.env.reset(**kwargs))

    def step(self, action):
        if action < self.env.action_space.n:
            observation, reward, terminated, truncated, info = self.env.step(action)
        else:
            self.notes.append("Chop the tomato, then plate it.")
            reward, terminated, truncated = -0.25, False, False
            observation, info = self.unwrapped.restore(self.unwrapped.snapshot())
        observation, info = self._noted(observation, info)
        return observation, reward, terminated, truncated, info

    def _noted(self, observation, info):
        scene = "\n".join([observation["scene"], *(f"Note: {note}" for note in self.notes)])
        return {**observation, "scene": scene}, info


def test_a_gymnasium_wrapper_would_lose_the_notes():
    for env, keeps in ((around(actions=(Facts(),)), True), (Wrapped(gymnasium.make(**SALAD)), False)):
        env.reset()
        without = env.unwrapped.snapshot()
        noted, *_ = env.step(RECIPE)
        with_note = env.unwrapped.snapshot()
        assert "Note: Chop" in noted["scene"]
        assert (with_note != without) is keeps
        env.unwrapped.restore(without)
        assert ("Note" not in env.step(0)[0]["scene"]) is keeps  # the wrapper's note outlives its taking back
        assert (env.unwrapped.restore(with_note)[0]["scene"] == noted["scene"]) is keeps


def test_snapshots_travel():
    env = around().unwrapped
    env.reset()
    env.step(RECIPE)
    snapshot = env.snapshot()
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot
    other = copy.deepcopy(env)
    other.step(PRICE)
    assert env.snapshot() == snapshot != other.snapshot()
    assert snapshot.state == env.snapshot().state != other.snapshot().state


def test_a_wrong_snapshot_is_named():
    env = around().unwrapped
    with pytest.raises(ResetNeeded, match="before the first reset"):
        env.snapshot()
    env.reset()
    with pytest.raises(TypeError, match=r"what snapshot\(\) returned, got str"):
        env.restore("start")
    other = around(actions=(Facts(),)).unwrapped
    other.reset()
    with pytest.raises(ValueError, match="has 3 internal slots, this agent 4"):
        env.restore(other.snapshot())


def test_a_world_without_snapshots_is_named_with_the_remedy():
    """Playing needs none."""

    class Forgetful(gymnasium.Env):
        def __init__(self):
            self.inside = gymnasium.make(**SALAD).unwrapped
            self.action_space, self.observation_space = self.inside.action_space, self.inside.observation_space
            self.reset, self.step = self.inside.reset, self.inside.step

    with pytest.raises(ValueError, match=r"names no gamma: give gamma="):
        Agent(Forgetful())
    limited = gymnasium.wrappers.TimeLimit(gymnasium.make(**SALAD).unwrapped, 3)
    for world, remedy in ((Forgetful(), r"no snapshot\(\).*MenuWrapper"), (limited, "wrapper TimeLimit.*without it")):
        env = Agent(world, (Facts(),), 3, gamma=0.99)
        env.reset()
        assert "Note" in env.step(RECIPE)[0]["scene"]
        with pytest.raises(NotImplementedError, match=remedy):
            env.snapshot()
    env.step(0)
    env.step(0)
    *_, truncated, info = env.step(0)
    assert truncated  # the limit of the world counts its own steps
    assert info["episode"]["l"] == env._now.steps


# Sealed ---------------------------------------------------------------------------------------------------------------


def assert_a_simulation_asks_nobody(env):
    """Refused without a trace, before and after a restore; the menu is that of the open world."""
    _, info = env.reset()
    snapshot, mask, asked = env.snapshot(), info["action_mask"].copy(), next(CLOCK)
    env.sealed = True
    for _ in range(2):
        with pytest.raises(SealedError, match=r"'ask the adviser'.*external.*sealed"):
            env.step(ASK)
        assert env.snapshot() == snapshot
        np.testing.assert_array_equal(env.restore(snapshot)[1]["action_mask"], mask)
    env.step(RECIPE)  # what can be recomputed is simulated
    assert next(CLOCK) == asked + 1
    env.restore(snapshot)
    env.sealed = False
    assert env.step(ASK)[1] == -0.5


def test_a_sealed_world_refuses_external_actions():
    class Unsealing(Agent):
        """The wrong variant: a restore, which every simulation does all the time, opens the seal."""

        def restore(self, snapshot):
            self.sealed = False
            return super().restore(snapshot)

    assert_a_simulation_asks_nobody(around().unwrapped)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        assert_a_simulation_asks_nobody(Unsealing(SALAD, BOTH, 4))


# Events ---------------------------------------------------------------------------------------------------------------


def assert_events_replay(record, replay):
    """The actions of an episode and its events through JSON give every observation, info and reward again."""
    steps = list(random_play(record, 2, prefer=(ASK, RECIPE)))
    events = json.loads(json.dumps([event for *_, info in steps for event in info["events"]]))
    assert len(events) > 1
    asked = next(CLOCK)
    again = [(None, *replay.reset(seed=2, options={"events": events}))]
    again += [(action, *replay.step(action)) for action, *_ in steps[1:]]
    np.testing.assert_equal(again[0], (None, steps[0][1], steps[0][5]))
    for mine, other in zip(again[1:], steps[1:], strict=True):
        np.testing.assert_equal(mine, other)
    assert next(CLOCK) == asked + 1
    assert replay.unwrapped.snapshot() == record.unwrapped.snapshot()


@pytest.mark.parametrize(
    "adviser", [Adviser(), Broken(), Adviser(answer=""), Adviser(answer="größer \ud800\x1b[0m" * 99)]
)
def test_events_replay_exactly(adviser):
    actions = (Facts(), adviser)
    assert_events_replay(around(actions=actions), around(actions=actions))


def test_without_events_an_episode_does_not_replay():
    class Forgetful(Agent):
        """The wrong variant: it does not use the events."""

        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)

    with pytest.raises(AssertionError):
        assert_events_replay(around(), Forgetful(SALAD, BOTH, 4))


def test_after_the_last_event_the_action_really_runs():
    env = around()
    _, info = env.reset(options={"events": [{"action": "adviser", "slot": 0, "note": "Told before."}]})
    assert info["events"] == ()
    observation, *_, info = env.step(ASK)
    assert observation["scene"].endswith("Note: Told before.")
    assert info["events"] == ({"action": "adviser", "slot": 0, "note": "Told before."},)
    answer = f"Answer number {next(CLOCK) + 1}."
    observation, *_, info = env.step(ASK)
    assert observation["scene"].endswith(answer)
    assert info["events"][0]["note"] == answer
    *_, info = env.step(RECIPE)
    assert info["events"] == ()
    assert "Note" not in env.reset()[0]["scene"]


def test_a_snapshot_inside_a_replay_holds_the_events_to_come():
    env = around().unwrapped
    env.reset(options={"events": [{"action": "adviser", "slot": 0, "note": f"Told {k}."} for k in range(2)]})
    snapshot = env.snapshot()
    first = env.step(ASK)
    env.step(ASK)
    env.restore(snapshot)
    np.testing.assert_equal(env.step(ASK), first)


EVENT = {"action": "adviser", "slot": 0, "note": "Yes."}


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ("adviser", TypeError, r"must be a list of entries of info\[\"events\"\], got 'adviser'"),
        (3, TypeError, "must be a list"),
        ([EVENT, "Yes."], TypeError, r"\[1\] is 'Yes.', expected an entry of info"),
        ([{"action": "adviser", "note": "Yes."}], TypeError, r"expected an entry of info.*\"slot\": int"),
        ([{**EVENT, "more": 1}], TypeError, "expected an entry of info"),
        ([{**EVENT, "slot": True}], TypeError, "expected str, int and str"),
        ([{**EVENT, "note": None}], TypeError, "expected str, int and str"),
        ([{**EVENT, "slot": 1}], ValueError, "'adviser' has slots 0 to 0 only"),
        ([{**EVENT, "action": "oracle"}], ValueError, r"'oracle'.*the external actions here are \['adviser'\]"),
        ([{**EVENT, "action": "facts"}], ValueError, r"'facts'.*the external actions here are \['adviser'\]"),
    ],
)
def test_malformed_events_are_named(events, error, message):
    env = around().unwrapped
    env.reset()
    before = env.snapshot()
    with pytest.raises(error, match=message):
        env.reset(options={"events": events})
    assert env.snapshot() == before
    if error is ValueError:
        with pytest.raises(ValueError, match="the external actions here are \\[\\]"):
            Agent(SALAD).reset(options={"events": [EVENT]})


def test_events_of_another_episode_are_named():
    env = around(actions=(Adviser(), Second(name="second"))).unwrapped
    env.reset(options={"events": [EVENT]})
    before = env.snapshot()
    with pytest.raises(RuntimeError, match=r"'second', slot 0, was taken where the next .* Event\(action='adviser'"):
        env.step(RECIPE + 1)
    assert env.snapshot() == before
    env.step(RECIPE)
    env.reset(options={"events": [EVENT]})
    with pytest.raises(RuntimeError, match=r"has ended and 1 of the events .* left over.*Event\(action='adviser'"):
        _walk_to_the_end(env)


def _walk_to_the_end(env):
    while True:
        env.step(0)


# Failures -------------------------------------------------------------------------------------------------------------


def test_an_external_action_that_fails_says_so_and_is_charged():
    env = around(actions=(Broken(),), max_note=60)
    before, _ = env.reset()
    observation, reward, *_, info = env.step(RECIPE)
    note = observation["scene"].removeprefix(before["scene"] + "\nNote: ")
    assert note.startswith("ask the adviser failed: ValueError: no line to the adv")
    assert note.endswith(" ...")
    assert len(note) <= 60
    assert reward == -0.5
    assert info["events"] == ({"action": "adviser", "slot": 0, "note": note},)


def test_an_answer_that_is_no_text_is_a_failure():
    class Numb(Adviser):
        def run(self, slot, state):
            return 7

    env = around(actions=(Numb(),))
    env.reset()
    note = env.step(RECIPE)[0]["scene"].splitlines()[-1]
    assert note == "Note: ask the adviser failed: TypeError: run() returned 7 (int), expected the note as str"


def test_a_fault_of_an_action_that_is_not_external_is_passed_on():
    """It would come again in every replay: a fault of the program, and not of the world outside."""
    env = around(actions=(Broken()._replace(is_external=False),)).unwrapped
    env.reset()
    before = env.snapshot()
    with pytest.raises(ValueError, match="no line"):
        env.step(RECIPE)
    assert env.snapshot() == before


def test_an_interruption_is_no_failure():
    class Interrupted(Adviser):
        def run(self, slot, state):
            raise KeyboardInterrupt

    env = around(actions=(Interrupted(),))
    env.reset()
    with pytest.raises(KeyboardInterrupt):
        env.step(RECIPE)


def test_an_empty_answer_is_noted_as_such():
    env = around(actions=(Adviser(answer=" \n"),))
    env.reset()
    assert env.step(RECIPE)[0]["scene"].endswith("\nNote: ask the adviser: nothing")


def test_a_scene_with_all_its_notes_is_in_the_space():
    env = around(actions=(Adviser(answer="word " * 99),), max_internal=3, max_note=100)
    before = env.reset()[0]["scene"]
    for _ in range(3):
        observation, *_ = env.step(RECIPE)
    longest = env.unwrapped.world.observation_space["scene"].max_length
    room = env.observation_space["scene"].max_length - longest
    assert room - 6 <= len(observation["scene"]) - len(before) <= room  # a cut word leaves its blank out


LETTERS = st.text(st.one_of(st.characters(), st.sampled_from(" \n\x1b\u2028\ud800")))


@given(st.one_of(LETTERS, st.integers(10, 50).map("a ".__mul__)), st.integers(16, 40))
def test_a_note_is_one_bounded_line_and_stays_as_it_is(text, longest):
    line = one_line(text, longest)
    assert len(line) <= longest
    assert line.isprintable()
    assert "  " not in line
    assert one_line(line, longest) == line
    assert json.loads(json.dumps(line)) == line == line.encode().decode()


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-1, 99, 1.5, "0", None, True, [0], np.array([0, 1])])
@pytest.mark.parametrize("actions", [(), BOTH])
def test_a_wrong_action_is_named_with_the_menu(wrong, actions):
    env = around(actions=actions)
    _, info = env.reset()
    before = env.unwrapped.snapshot()
    with pytest.raises(InvalidAction) as error:
        env.unwrapped.step(wrong)
    assert f"from 0 to {env.action_space.n - 1}, got {wrong!r}" in str(error.value)
    assert all(f"{index}: {phrase}" in str(error.value) for index, phrase in enumerate(info["actions"]))
    assert env.unwrapped.snapshot() == before


@pytest.mark.parametrize("right", [RECIPE, np.int64(RECIPE), np.uint8(0), np.array(RECIPE)])
def test_any_integer_is_an_action(right):
    env = around()
    env.reset()
    env.step(right)


def test_a_step_out_of_order_is_named():
    env = around().unwrapped
    with pytest.raises(ResetNeeded, match=r"before the first reset.*Call env\.reset\(\)"):
        env.step(RECIPE)
    for _ in random_play(env, 5):
        pass
    for action in (0, RECIPE):
        with pytest.raises(ResetNeeded, match="after the episode has ended"):
            env.step(action)


class Nameless:
    slots = 1


def facts(**changes):
    return Facts()._replace(**changes)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"world": "twosome/TomatoSalad-v0"},
            TypeError,
            r"world must be \{\"id\": str, .*got 'twosome/TomatoSalad-v0'",
        ),
        ({"world": {"name": "x"}}, TypeError, "world must be"),
        ({"world": {**SALAD, "kwargs": {"render_mode": "ansi"}}}, TypeError, "render_mode given to the agent"),
        ({"world": {"id": "CartPole-v1"}}, TypeError, "no world of texts and menus: expected Discrete.*MenuWrapper"),
        ({"world": gymnasium.make(**SALAD), "render_mode": "ansi"}, ValueError, "world was made with render_mode=None"),
        ({"actions": Facts}, TypeError, "actions must be a sequence of internal actions"),
        ({"actions": (Adviser,)}, TypeError, r"holds the class Adviser, expected an instance of it: Adviser\(\.\.\.\)"),
        ({"actions": ("ask",)}, TypeError, "The internal action str has no name, slots, cost, is_external, menu, run"),
        ({"actions": (Nameless(),)}, TypeError, "Nameless has no name, cost, is_external, menu, run: expected the"),
        ({"actions": (Facts(), Adviser(name="facts"))}, ValueError, r"same name: \['facts'\].*give each its own"),
        ({"world": around().unwrapped}, ValueError, r"same name: \['adviser', 'facts'\]"),
        ({"actions": (facts(name=""),)}, TypeError, "has the name '', expected a text"),
        ({"actions": (facts(slots=1.0),)}, TypeError, "'facts' has slots=1.0, expected an int"),
        ({"actions": (facts(slots=0),)}, ValueError, "slots=0, expected 1 or more"),
        ({"actions": (facts(cost="much"),)}, TypeError, "cost='much', expected a number"),
        ({"actions": (facts(cost=-0.3),)}, ValueError, "cost=-0.3, expected a finite number of 0 or more: it is sub"),
        ({"actions": (facts(cost=float("nan")),)}, ValueError, "cost=nan, expected a finite number"),
        ({"actions": (facts(is_external=None),)}, TypeError, "is_external=None, expected True or False"),
        ({"max_internal": None}, ValueError, "max_internal is missing: give the most internal actions"),
        ({"max_internal": 0}, ValueError, "max_internal=0, expected an int of 1 or more"),
        ({"max_internal": 1.5}, TypeError, r"max_internal=1.5 \(float\), expected an int"),
        ({"max_note": 3}, ValueError, "max_note=3, expected an int of 16 or more"),
        ({"gamma": 0.5}, ValueError, "gamma=0.5, but .* discounts with 0.99: leave gamma out"),
    ],
)
def test_construction_says_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        around(**arguments)


@pytest.mark.parametrize(
    ("menu", "message"),
    [
        (None, "'facts' gave None, expected a Menu"),
        (("ask",), "expected a Menu"),
        (Menu("ask", (True,)), "expected a Menu"),
        (Menu(("a", "b", "c", "d"), (True,) * 4), "gave 4 phrases and 4 answers.*at most its 3 slots"),
        (Menu(("a", "b"), (True,)), "gave 2 phrases and 1 answers"),
        (Menu(("a", "a"), (True, True)), "phrase 'a', which the menu holds already.*word it differently"),
        (Menu(("pick up the tomato",), (True,)), "'pick up the tomato', which the menu holds already"),
        (Menu((" a",), (True,)), "phrase ' a', expected printable text on one line"),
        (Menu(("",), (True,)), "phrase '', expected printable text"),
        (Menu((3,), (True,)), "phrase 3, expected printable text"),
    ],
)
def test_a_menu_that_is_none_is_named(menu, message):
    env = around(actions=(type("Odd", (Facts,), {"menu": lambda self, state: menu})(),))
    with pytest.raises(ValueError, match=message):
        env.reset()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda info: info.pop("duration"), "gave an info without duration"),
        (lambda info: info.update(actions=info["actions"][1:]), "gave 4 phrases and a mask of 5, expected 1 to 5"),
    ],
)
def test_a_world_without_its_menu_is_named(wrong, message):
    class Odd(gymnasium.Wrapper):
        def reset(self, **kwargs):
            observation, info = self.env.reset(**kwargs)
            wrong(info)
            return observation, info

    with pytest.raises(ValueError, match=message):
        Agent(Odd(gymnasium.make(**SALAD))).reset()


# Nesting, other worlds, pictures, documentation -----------------------------------------------------------------------


def test_an_agent_around_an_agent_shares_out_the_events():
    """The inner one's slots come first; a snapshot holds both; each takes its own events."""

    def nested():
        return Agent(around(actions=(Adviser(),)).unwrapped, (Second(name="second"),), 4)

    record, replay = nested(), nested()
    actions = [RECIPE, 0, RECIPE + 1, RECIPE, 3, RECIPE + 1]
    record.reset()
    told = [record.step(action) for action in actions]
    snapshot = record.snapshot()
    assert [n for step in told for n in (e["action"] for e in step[4]["events"])] == ["adviser", "second"] * 2
    replay.reset(options={"events": [event for step in told for event in step[4]["events"]]})
    np.testing.assert_equal([replay.step(action) for action in actions], told)
    assert replay.snapshot() == snapshot
    record.reset()
    np.testing.assert_equal(record.restore(snapshot)[0], told[-1][0])
    record.sealed = True
    for action in (RECIPE, RECIPE + 1):
        with pytest.raises(SealedError):
            record.step(action)


def test_a_mixture_of_worlds_inside():
    """It names no discount of its own, and draws its world by the seed, which is handed on."""
    worlds = [{"id": "twosome/Overcooked-v0", "kwargs": {"recipe": f"{food} salad"}} for food in ("tomato", "onion")]
    inside = {"id": "twosome/Mixture-v0", "kwargs": {"worlds": worlds}}
    with pytest.raises(ValueError, match="names no gamma: give gamma="):
        around(inside)
    env, mixture = around(inside, (Facts(),), gamma=0.99), gymnasium.make(inside["id"], **inside["kwargs"])
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        assert observation["goal"] == mixture.reset(seed=seed)[0]["goal"]
    assert_snapshots_are_the_whole_state(env, around(inside, (Facts(),), gamma=0.99))


def test_pictures_show_the_notes():
    drawn, written = around(render_mode="rgb_array"), around(render_mode="ansi")
    for env in (drawn, written):
        env.reset()
    frames = [drawn.render()]
    assert "Note" not in written.render()
    for action in (RECIPE, 0, UNUSED):
        drawn.step(action)
        frames.append(drawn.render())
        observation, reward, *_ = written.step(action)
        text = written.render()
        assert observation["scene"] in text
        assert f"   reward {reward:+.4g}" in text.splitlines()[-1]
    assert len({frame.shape for frame in frames}) == 1
    assert all(frame.dtype == np.uint8 for frame in frames)
    assert len({frame.tobytes() for frame in frames}) == 4
    assert drawn.unwrapped.picture().shape[1] == frames[0].shape[1]


@pytest.mark.parametrize("module", [twosome_envs.agent, menu_module])
def test_the_docstrings_run(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
