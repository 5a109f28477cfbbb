"""The short form of the fault suite; `python -m tests.faults` is the long one."""

from __future__ import annotations

import pytest

from tests.faults import corrupt, disks, guests, kills, settings

pytestmark = [
    # torch warns of fork() in a process with threads of its own: the children start none before they exec nothing
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


def test_killed_runs_end_in_the_same_bits():
    count = kills.run(3, variants=["dropout"], per_run=3)
    assert count.made == 3
    assert not count.failures, "\n".join(count.failures)


def test_corrupted_checkpoints_are_refused():
    count = corrupt.run(60)
    assert not count.failures, "\n".join(count.failures)


def test_misbehaving_environments_are_reported():
    count = guests.run(24)
    assert not count.failures, "\n".join(count.failures)


def test_malformed_settings_are_refused():
    count = settings.run(40)
    assert not count.failures, "\n".join(count.failures)


def test_a_disk_that_refuses_and_a_signal():
    count = disks.run(2, cases=("file_too_large", "signalled"))
    assert not count.failures, "\n".join(count.failures)
