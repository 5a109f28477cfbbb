"""What a recorded episode holds: rewards, values and advantages that fit together, pictures where there are any."""

import math

import pytest

from twosome.report.record import record


def test_rewards_values_and_advantages_fit_together(untrained, lamps):
    """GAE with lambda 1 plus the value is the discounted return; durations enter the discount."""
    [first, second] = record(untrained, lamps, 2, gae_lambda=1.0)
    assert first.greedy
    assert not second.greedy
    for r in (first, second):
        assert r.success
        assert [s.reward for s in r.steps] == [0.25, 0.5]
        assert [s.duration for s in r.steps] == [2, 3]
        assert r.steps[0].advantage + r.steps[0].value == pytest.approx(0.25 + 0.5**2 * 0.5)
        assert r.steps[1].advantage + r.steps[1].value == pytest.approx(0.5)
        assert all(sum(s.probs) == pytest.approx(1, abs=1e-6) for s in r.steps)
        assert r.steps[0].picture is None
        assert 0 <= r.steps[0].entropy <= math.log(2) + 1e-9


def test_the_greedy_episode_takes_the_most_probable(written):
    _, recordings = written
    for s in recordings[0].steps:
        assert s.probs[s.chosen] == max(s.probs)


def test_an_episode_without_end_is_truncated(untrained, tomato_salad):
    [r] = record(untrained, tomato_salad, 1, max_steps=3)
    assert len(r.steps) == 3
    assert r.truncated
    assert not r.success


def test_an_environment_that_cannot_draw_is_shown_without_pictures(untrained, broken, caplog):
    [r] = record(untrained, broken, 1)
    assert r.steps[0].picture is None
    assert "no screen" in caplog.text
