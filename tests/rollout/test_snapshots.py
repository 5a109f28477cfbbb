"""A world goes back and plays on as if nothing had been: by the environment's own snapshots, or by replay."""

import random

import gymnasium
import pytest
from gymnasium.wrappers import TimeLimit

from tests.rollout.example_worlds import LENGTH, OUTSIDE, SALAD, Corridor, Oracle, Restless, agent, begun, settings
from twosome.config.compose import compose
from twosome.errors import EnvironmentFault

LIMIT = 9  # decisions of a world under a time limit


def limited(env):
    return TimeLimit(env, LIMIT)


def of(name):
    return compose([f"env={name}"]).env


# name: (settings, wrapper, whether the environment itself goes back)
KINDS = {
    "kitchen": (lambda: of("tomato_salad"), None, True),
    "home": (lambda: of("food_preparation"), None, True),
    "mixture": (lambda: of("salads"), None, True),
    "shop": (lambda: of("shop"), None, True),
    "pages": (lambda: of("pages"), None, True),
    "desk": (lambda: of("desk"), None, True),
    "toolbox": (lambda: of("toolbox"), None, True),
    "agent": (agent, None, True),
    "split task": (lambda: of("orders_2_split"), None, True),
    "agent around a world with a time limit": (
        lambda: agent(world=SALAD | {"kwargs": {"max_episode_steps": LIMIT}}),
        None,
        False,
    ),
    "third party": (lambda: settings(Corridor), None, False),
    "third party that asks outside": (lambda: settings(Oracle), None, False),
    "time limit by its settings": (lambda: settings(SALAD["id"], max_episode_steps=LIMIT), None, False),
    "time limit around it": (lambda: of("food_preparation"), limited, False),
}


@pytest.fixture(params=list(KINDS))
def make(request):
    """Worlds of one kind, always the same, and whether the environment itself goes back."""
    env, wrap, can_snapshot = KINDS[request.param]
    return lambda index=0: begun(env(), index=index, wrap=wrap), can_snapshot


def play(world, rng, steps):
    """What some random actions give, up to the end of the episode; nobody is asked, whose answers are never alike."""
    told = []
    while len(told) < steps and not world.is_over:
        quiet = [k for k, phrase in enumerate(world.menu.phrases) if not phrase.startswith("ask")]
        told.append((world.step(rng.choice(quiet)), world.decision, world.menu))
    return told


def ask(world):
    """Ask outside, where that is an action."""
    [k] = [k for k, phrase in enumerate(world.menu.phrases) if phrase.startswith("ask")]
    world.step(k)


def situation(world):
    return world.snapshot(), world.decision, world.menu, world.state, world.observation["scene"], world.is_over


def test_whether_the_environment_itself_goes_back(make):
    world, can_snapshot = make[0](), make[1]
    assert world.can_snapshot == can_snapshot
    assert (world.snapshot().env is not None) == can_snapshot


def test_equal_situations_have_equal_snapshots_of_equal_hash(make):
    one, other = make[0](), make[0]()
    met = set()
    for k in range(8):
        assert one.snapshot() == other.snapshot()
        assert hash(one.snapshot()) == hash(other.snapshot())
        assert one.snapshot() not in met
        met.add(other.snapshot())
        for world in (one, other):
            play(world, random.Random(k), 1)
        if one.is_over:
            break
    assert len(met) > 4


@pytest.mark.parametrize("seed", range(3))
def test_to_go_back_and_play_on_is_as_if_nothing_had_been(make, seed):
    world, twin = make[0](), make[0]()
    play(world, random.Random(seed), 3)
    play(twin, random.Random(seed), 3)
    before, there = situation(world), world.snapshot()
    assert situation(twin) == before
    for attempt in range(3):
        play(world, random.Random(attempt), 4 + 3 * attempt)
        world.restore(there)
        assert situation(world) == before
        assert hash(world.snapshot()) == hash(there)
    told = play(world, random.Random(99), 30)
    assert told == play(twin, random.Random(99), 30)
    assert situation(world) == situation(twin)
    if world.is_over:
        assert told[-1][0].episode is not None
        world.reset()
        twin.reset()
        assert situation(world) == situation(twin)


def test_situations_can_be_visited_in_any_order(make):
    """As a search does: back and forth, also from after the end of the episode, and from another one."""
    world = make[0]()
    visited = [situation(world)]
    rng = random.Random(0)
    while not world.is_over and len(visited) < 8:
        play(world, rng, 1)
        visited.append(situation(world))
    play(world, rng, 500)
    assert world.is_over
    visited.append(situation(world))
    world.reset()
    for k in (3, 0, -1, 2, 5, -1, 1):
        expected = visited[k % len(visited)]
        world.restore(expected[0])
        assert situation(world) == expected


@pytest.mark.parametrize("kind", ["third party that asks outside", "agent", "agent around a world with a time limit"])
def test_what_was_asked_outside_is_not_asked_again_when_a_world_goes_back(kind):
    env, wrap, _ = KINDS[kind]
    world = begun(env(), wrap=wrap)
    ask(world)
    play(world, random.Random(0), 1)
    ask(world)
    before, there, events, asked = situation(world), world.snapshot(), list(world.events), next(OUTSIDE)
    assert len(events) == 2
    play(world, random.Random(0), 3)
    world.restore(there)
    assert situation(world) == before
    assert world.events == events
    assert next(OUTSIDE) == asked + 1
    ask(world)  # now somebody is asked
    assert next(OUTSIDE) == asked + 3
    assert world.events[:2] == events
    assert len(world.events) == 3


# Wrong variants -------------------------------------------------------------------------------------------------------


def only_the_environment(world, there):
    """The wrong variant: what is counted around the environment stays as it is."""
    world.env.unwrapped.restore(there)


@pytest.mark.parametrize("kind", ["kitchen", "home", "mixture", "agent"])
def test_to_restore_the_environment_alone_would_show(kind):
    """Menu, return, length and transcript of the world belong to the situation."""
    env, wrap, _ = KINDS[kind]
    world = begun(env(), wrap=wrap)
    play(world, random.Random(0), 3)
    before, inside = situation(world), world.env.unwrapped.snapshot()
    play(world, random.Random(1), 3)
    only_the_environment(world, inside)
    assert world.env.unwrapped.snapshot() == inside
    assert situation(world) != before
    world.restore(before[0])
    assert situation(world) == before


@pytest.mark.parametrize("kind", ["time limit by its settings", "time limit around it"])
def test_a_snapshot_of_the_environment_inside_would_miss_a_wrappers_counter(kind):
    """A time limit counts outside: without a replay the episode would end too early."""
    env, wrap, _ = KINDS[kind]
    world = begun(env(), wrap=wrap)

    def truncated_after(go_back):
        world.reset()
        play(world, random.Random(0), 3)
        there, inside = world.snapshot(), world.env.unwrapped.snapshot()
        play(world, random.Random(1), 4)
        go_back(there, inside)
        return len(play(world, random.Random(2), 50))

    def wrong(there, inside):
        world.restore(there)
        play(world, random.Random(1), 4)
        only_the_environment(world, inside)

    assert truncated_after(lambda there, inside: world.restore(there)) == LIMIT - 3
    assert truncated_after(wrong) == LIMIT - 3 - 4


def test_an_environment_that_does_not_repeat_itself_is_told():
    """A replay that leads elsewhere is a fault, also where every action is still legal."""
    told = [led_elsewhere(index) for index in range(8)]
    assert told.count(True) >= 2


def led_elsewhere(index):
    """Whether going back was refused; where not, it led to the same situation by chance."""
    world = begun(settings(Restless, width=2), index=index)
    play(world, random.Random(0), 4)
    before = situation(world)
    try:
        world.restore(before[0])
    except EnvironmentFault as fault:
        return "is not reproducible" in str(fault)
    assert situation(world) == before
    return False


# Faults in between ----------------------------------------------------------------------------------------------------


def test_after_a_fault_another_instance_goes_back_to_the_same_situation(make):
    world = make[0]()
    play(world, random.Random(0), 2)
    before, there = situation(world), world.snapshot()
    play(world, random.Random(1), 2)
    world.recreate()
    world.restore(there)
    assert situation(world) == before
    play(world, random.Random(1), 2)


class Broken(gymnasium.Wrapper):
    """Snapshots that a third party got wrong."""

    @property
    def unwrapped(self):
        return self

    def snapshot(self):
        if self.how == "raises in snapshot":
            raise OSError("no\n\nroom")
        return 3

    def restore(self, snapshot):
        if self.how == "raises in restore":
            raise KeyError(snapshot)
        return {"returns nothing": None, "returns too much": (1, 2, 3), "returns no texts": ({}, {})}[self.how]


@pytest.mark.parametrize(
    "how", ["raises in snapshot", "raises in restore", "returns nothing", "returns too much", "returns no texts"]
)
def test_snapshots_that_a_third_party_got_wrong_are_told(how):
    world = begun(settings(Corridor), wrap=lambda env: type("Named", (Broken,), {"how": how})(env.unwrapped))
    with pytest.raises(EnvironmentFault, match=r"example/Corridor-v0 .*run seed 0") as caught:
        world.restore(world.snapshot())
    assert "\n" not in str(caught.value)


def test_the_examples_are_what_they_say():
    """The corridor's episodes end by its door or its clock."""
    ends = set()
    for index in range(20):
        world = begun(settings(Corridor), index=index)
        last = play(world, random.Random(index), 50)[-1][0]
        assert last.episode is not None
        assert last.terminated != last.truncated
        assert last.episode.length <= LENGTH + 1
        ends.add(last.terminated)
    assert ends == {True, False}
