"""The page of episodes: one bounded file that asks for nothing else, and the GIF beside it."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from twosome import report


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


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
