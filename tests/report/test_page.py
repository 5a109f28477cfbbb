"""The page of episodes: one bounded file that asks for nothing else, and the GIF beside it."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from twosome import report
from twosome.config.compose import compose
from twosome.report.record import Recording, Step


def data_of(page: str, **how) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1], **how)


def test_the_page_is_one_file_that_asks_the_network_for_nothing(written):
    path, recordings = written
    page = path.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)[^"'$]+""", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    data = data_of(page)
    assert [len(e["steps"]) for e in data["episodes"]] == [len(r.steps) for r in recordings]
    assert data["optimum"] == pytest.approx(0.920518, abs=1e-6)


def test_its_size_is_bounded(written):
    path, recordings = written
    assert path.stat().st_size < 2 * 2**20
    title = {"env": "x", "model": "", "gamma": 0.9, "optimum": None}
    small = report.render(recordings, title, max_pictures=20_000)
    data = data_of(small)
    assert data["left_out"] > 0
    assert sum(len(p) for p in data["pictures"]) * 3 / 4 <= 20_000
    assert any(s["picture"] == -1 for e in data["episodes"] for s in e["steps"])


def test_equal_pictures_are_stored_once(written):
    path, _ = written
    data = data_of(path.read_text())
    assert len(set(data["pictures"])) == len(data["pictures"])
    assert len(data["pictures"]) < sum(len(e["steps"]) for e in data["episodes"])


def test_the_gif_plays_an_episode(written):
    path, recordings = written
    shown = next((r for r in recordings if r.success), recordings[0])
    with Image.open(path.with_suffix(".gif")) as gif:
        assert gif.n_frames > 1
        assert gif.info["duration"] > 0
        frames = []
        for k in range(gif.n_frames):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("L"), float))
    assert gif.n_frames <= len(shown.steps) + 1
    assert max(np.abs(a - frames[0]).mean() for a in frames[1:]) > 1


def test_no_pictures_no_gif(untrained, lamps, tmp_path):
    [r, *_] = report.write(tmp_path / "lamps.html", untrained, lamps, episodes=2)
    assert not (tmp_path / "lamps.gif").exists()
    with pytest.raises(ValueError, match="does not draw itself"):
        report.write_gif(tmp_path / "x.gif", r)


@pytest.mark.parametrize("text", ["<!--<script>", "<!--", "</script>", "<script>", "]]>", "\u2028", "&lt;"])
def test_no_text_blanks_the_page(text):
    """`<!--<script>` makes the end tag of the page's data a part of them."""
    step = Step(text, (text, "wait"), (0.5, 0.5), 0, 0.0, 1, 0.0, 0.0, None)
    recording = Recording(goal=text, greedy=True, steps=[step], last_scene=text)
    page = report.render([recording], {"env": text, "model": text, "gamma": 0.9, "optimum": None})
    inside = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in inside
    data = json.loads(inside)
    assert data["env"] == data["episodes"][0]["goal"] == data["episodes"][0]["steps"][0]["menu"][0] == text


def test_numbers_that_are_none_leave_valid_data():
    nan = float("nan")
    step = Step("s", ("a", "b"), (nan, nan), 0, 0.5, 1, nan, float("inf"), None, search=(nan, 1.0))
    recording = Recording(goal="g", greedy=True, steps=[step], discounted_return=nan)
    page = report.render([recording], {"env": "x", "model": "", "gamma": 0.9, "optimum": None})
    [shown] = data_of(page, parse_constant=pytest.fail)["episodes"]
    assert shown["return"] is None
    assert [shown["steps"][0][key] for key in ("value", "advantage", "entropy")] == [None] * 3
    assert shown["steps"][0]["reward"] == 0.5


def test_a_goal_that_changes_is_told_where_it_does(untrained):
    """In a world whose task is split; elsewhere the episode's goal stands for all."""
    [recording] = report.record(untrained, compose(["env=orders_2_split"]).env, 1, max_steps=2)
    page = report.render([recording], {"env": "x", "model": "", "gamma": 0.9, "optimum": None})
    [episode] = data_of(page)["episodes"]
    assert episode["goal"].startswith("Serve, in any order")
    first, second = (step["goal"] for step in episode["steps"])
    assert first is None
    assert second.startswith("Serve a bowl that holds only chopped")
    assert episode["end"]["goal"] == recording.last_goal
    assert "step.goal ?? episode.goal" in page


def test_a_page_names_its_run_and_says_what_its_pictures_mean():
    step = Step("s", ("a", "b"), (0.5, 0.5), 0, 0.0, 1, 0.0, 0.0, None)
    recording = Recording(goal="g", greedy=True, steps=[step], legend="Shaded: out of view.")
    data = data_of(
        report.render([recording], {"env": "x", "model": "m", "run": "run a, step-00000064", "optimum": None})
    )
    assert data["run"] == "run a, step-00000064"
    assert data["episodes"][0]["legend"] == "Shaded: out of view."
