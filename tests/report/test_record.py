"""What a recorded episode holds: rewards, values and advantages that fit together, pictures where there are any."""

import math
import sys

import pytest

from tests.report import conftest
from twosome import report
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


def test_the_words_of_a_step_are_those_of_its_decision(untrained, written):
    for s in written[1][1].steps[:3]:
        prompt = untrained.prompter.template.format(goal=written[1][1].goal, scene=s.scene)
        d = untrained.inspect(prompt, s.menu)
        for action, words in zip(d.words, s.words, strict=True):
            assert [word for word, _ in words] == [w.word for w in action]
            assert [p for _, p in words] == pytest.approx([w.log_prob for w in action], abs=1e-4)


def test_a_policy_without_words_is_recorded_too(lamps):
    from twosome.systems.baselines.random import RandomPolicy

    [r] = record(RandomPolicy(), lamps, 1)
    assert all(s.words is None for s in r.steps)


def test_an_episode_without_end_is_truncated(untrained, tomato_salad):
    [r] = record(untrained, tomato_salad, 1, max_steps=3)
    assert len(r.steps) == 3
    assert r.truncated
    assert not r.success


def test_an_environment_that_cannot_draw_is_shown_without_pictures(untrained, broken, caplog):
    [r] = record(untrained, broken, 1)
    assert r.steps[0].picture is None
    assert "no screen" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_one_that_ends_the_program_when_it_draws_is_shown_without_pictures_too(untrained, broken, caplog, error):
    streams = sys.stdout, sys.stderr

    def render(self):
        sys.stdout = sys.stderr = None
        raise error("no screen")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest.Broken, "render", render)
        [r] = record(untrained, broken, 1)
    assert r.steps[0].picture is None
    assert f"draws no pictures: it raised {error.__name__}" in caplog.text
    assert (sys.stdout, sys.stderr) == streams


def test_a_small_thing_keeps_its_colour(untrained, tomato_salad, tmp_path):
    """A tomato in the cook's hands is red, in the page and in the GIF: a palette of averages would make it brown."""
    import io

    import numpy as np
    from PIL import Image

    def redness(picture: Image.Image) -> int:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
        return int((pixels[..., 0] - pixels[..., 1:].max(axis=-1)).max())

    [episode] = report.record(untrained, tomato_salad, 1, seed=0, max_steps=1)
    assert redness(Image.open(io.BytesIO(episode.steps[0].picture))) > 120
    report.write_gif(tmp_path / "episode.gif", episode)
    with Image.open(tmp_path / "episode.gif") as picture:
        assert redness(picture) > 120
    assert episode.legend.startswith("Bright: what the cook sees.")
