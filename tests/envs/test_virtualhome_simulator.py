"""The state machines against the simulator of the PyPI package, transition by transition."""

import importlib.metadata

import pytest
from twosome_envs.virtualhome import simulator
from twosome_envs.virtualhome.env import VirtualHomeEnv, shared_world


def is_installed():
    try:
        return bool(importlib.metadata.version("virtualhome"))
    except importlib.metadata.PackageNotFoundError:
        return False


needs_simulator = pytest.mark.skipif(not is_installed(), reason=simulator.INSTALL)


@needs_simulator
@pytest.mark.parametrize(
    ("task", "arbitrary", "states", "transitions"),
    [
        # The published home counts 197, 910, 1340 and 32351. There the agent starts near a second packet of
        # chips, which makes the start a state of its own, and one thing may stand on two others.
        ("food_preparation", False, 50, 192),
        ("food_preparation", True, 92, 900),
        ("entertainment", False, 321, 1335),
        ("entertainment", True, 1827, 30770),
        ("washing_plate_faithful", True, 92, 900),
        ("laundry_faithful", True, 92, 900),
    ],
)
def test_state_machine_and_simulator_agree_everywhere(task, arbitrary, states, transitions):
    table, simulated = (shared_world(task, "published", "published", backend) for backend in ("table", "virtualhome"))
    pairs, seen, compared = [(table.start, simulated.start)], {simulated.start}, 0
    for a, b in pairs:
        assert simulated.observe(b) == table.observe(a)
        assert simulated.view(b) == a
        for action in range(table.n_actions):
            if not (arbitrary or table.menu(a).is_legal[action]):
                continue
            outcome, executed = table.transition(a, action)
            other, other_executed = simulated.transition(b, action)
            assert (other.rewards, other.success, other_executed) == (
                outcome.rewards,
                outcome.success,
                executed,
            )
            assert simulated.observe(other.state) == table.observe(outcome.state)
            compared += 1
            if other.state not in seen:
                seen.add(other.state)
                if not other.success:
                    pairs.append((outcome.state, other.state))
    assert (len(seen), compared) == (states, transitions)


@needs_simulator
def test_the_environment_runs_on_the_simulator():
    table, simulated = (VirtualHomeEnv("entertainment", backend=name) for name in ("table", "virtualhome"))
    table.reset(), simulated.reset()
    for action in (4, 9, 5, 10, 0, 6, 11, 7, 13, 8, 15):
        mine, other = table.step(action), simulated.step(action)
        assert {k: mine[0][k] for k in ("scene", "goal")} == {k: other[0][k] for k in ("scene", "goal")}
        assert mine[1:4] == other[1:4]
        assert table._ansi(table._state) == simulated._ansi(simulated._state)
    assert other[4]["success"]
    assert hash(simulated.snapshot()) is not None


@needs_simulator
def test_cleared_caches_hold_nothing():
    """The shared world's transitions and observations, and the simulator that is loaded."""
    env = VirtualHomeEnv("entertainment", backend="virtualhome")
    env.reset()
    env.step(4)
    caches = (env.world.transition, env.world.observe, env.world._load)
    assert all(cache.cache_info().currsize for cache in caches)
    env.clear_cache()
    assert not any(cache.cache_info().currsize for cache in caches)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(ImportError, match=r"pip install --no-deps virtualhome==2\.3\.0"):
        simulator._package.__wrapped__()


def test_the_simulator_has_no_corrected_rules():
    with pytest.raises(ValueError, match="rules='published'"):
        VirtualHomeEnv("entertainment", rules="corrected", backend="virtualhome")
