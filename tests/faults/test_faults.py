"""The short form of the fault suite; `python -m tests.faults` is the long one."""

from __future__ import annotations

import pytest

from tests.faults import corrupt, disks, environments, folders, kills, settings

pytestmark = [
    # torch warns of fork() in a process with threads of its own: the children start none before they exec nothing
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


def test_killed_runs_end_in_the_same_bits():
    count = kills.run(2, variants=["plain"], per_run=2, extra=tuple(kills.SHORT))
    assert count.made == 2
    assert not count.failures, "\n".join(count.failures)


def test_corrupted_checkpoints_are_refused():
    count = corrupt.run(50)
    assert not count.failures, "\n".join(count.failures)


def test_damaged_run_folders_open_or_are_refused():
    count = folders.run(30)
    assert count.made == 30
    assert not count.failures, "\n".join(count.failures)


@pytest.mark.slow
def test_every_hostile_state_is_refused():
    count = corrupt.run_states()
    assert count.made > 600
    assert not count.failures, "\n".join(count.failures)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["twosome", "search", "mlp_full", "tabular"])
def test_any_value_at_any_place_of_a_state_is_refused_or_does_no_harm(method):
    count = corrupt.run_random(150, method)
    assert not count.failures, "\n".join(count.failures)


def test_misbehaving_environments_are_reported():
    count = environments.run(16)
    assert not count.failures, "\n".join(count.failures)


def test_malformed_settings_are_refused():
    count = settings.run(25)
    assert not count.failures, "\n".join(count.failures)


def test_a_disk_that_refuses():
    count = disks.run(1, cases=("file_too_large",), extra=tuple(kills.SHORT))
    assert not count.failures, "\n".join(count.failures)
