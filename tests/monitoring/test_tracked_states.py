"""Tracked states: chosen once, kept when a run is resumed, and read from the file's former name too."""

import pytest

from twosome.errors import CheckpointError
from twosome.monitoring.tracked_states import TrackedStates
from twosome.types import Decision, Rollout


@pytest.fixture
def tracked(rollout_of, uniform, tmp_path) -> TrackedStates:
    """Three states, recorded at steps 0, 10 and 20."""
    tracked = TrackedStates(tmp_path / "tracked_states.json", 3)
    tracked.choose(rollout_of(), uniform)
    assert tracked.complete(None)
    assert not tracked.complete(None)
    for step in (10, 20):
        tracked.record(step, uniform)
    return tracked


def test_a_resumed_run_keeps_its_states_and_drops_what_was_recorded_later(tracked):
    again = TrackedStates(tracked.path, 3, resume_step=10)
    assert again.decisions == tracked.decisions
    assert [e["step"] for e in again.history] == [0, 10]


def test_a_run_that_begins_does_not_read_what_lies_there(tracked):
    assert TrackedStates(tracked.path, 3).decisions == []


def test_the_file_of_an_earlier_version_is_read_where_there_is_no_other(tracked, rollout_of, uniform):
    former = tracked.path.rename(tracked.path.with_name("probes.json"))
    again = TrackedStates(tracked.path, 3, resume_step=20)
    assert again.decisions == tracked.decisions
    assert [e["step"] for e in again.history] == [0, 10, 20]
    again.record(30, uniform)
    assert tracked.path.exists(), "what is written has the new name"
    former.write_text("not JSON")
    assert TrackedStates(tracked.path, 3, resume_step=30).decisions == tracked.decisions, "and is read first"
    tracked.path.unlink()
    with pytest.raises(CheckpointError):
        TrackedStates(tracked.path, 3, resume_step=30)


def test_values_at_the_start_are_those_of_the_first_update(rollout_of, samples_of, uniform, tmp_path):
    rollout = rollout_of()
    tracked = TrackedStates(tmp_path / "tracked_states.json", 3)
    tracked.choose(rollout, uniform)
    tracked.complete(samples_of(rollout))
    rewards = {
        d: r
        for ds, rs in zip(rollout.decisions, rollout.rewards.tolist(), strict=True)
        for d, r in zip(ds, rs, strict=True)
    }
    assert tracked.history[0]["values"] == [rewards[d] for d in tracked.decisions]


def test_a_prompt_that_holds_more_than_its_state_is_kept_whole(rollout_of, uniform, tmp_path):
    advised = Decision("the state", "Advice. the state", ("left", "right"))
    rollout = rollout_of()
    rollout = Rollout(**{**vars(rollout), "decisions": [[advised] * 3] * 6})
    tracked = TrackedStates(tmp_path / "tracked_states.json", 3)
    tracked.choose(rollout, uniform)
    tracked.complete(None)
    assert TrackedStates(tracked.path, 3, resume_step=1).decisions == [advised]
