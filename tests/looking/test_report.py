"""The episode report: what it records, that it is one bounded file, and that it works in a real browser."""

import json
import math
import re
import shutil
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Dict, Discrete, Text

from twosome import report
from twosome.config.schema import compose
from twosome.report.record import record

NASTY = '</script><img src=x onerror="window.hacked=1"> & "quoted" <b>'


class Lamps(gymnasium.Env):
    """Two decisions; the second ends the episode. Draws nothing. Its texts try to break out of the page."""

    def __init__(self):
        self.action_space = Discrete(2)
        self.observation_space = Dict(scene=Text(200), goal=Text(200))

    def _shown(self):
        info = {"actions": ("press " + NASTY, "wait"), "duration": 1 + self.t, "success": self.t == 2}
        return {"scene": f"Lamp {self.t} {NASTY}", "goal": f"Light {NASTY}"}, info

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self._shown()

    def step(self, action):
        self.t += 1
        observation, info = self._shown()
        return observation, 0.25 * self.t, self.t == 2, False, info


class Broken(Lamps):
    """Promises pictures and cannot draw them."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode=None):
        super().__init__()
        self.render_mode = render_mode

    def render(self):
        raise RuntimeError("no screen")


gymnasium.register("Lamps-v0", Lamps)
gymnasium.register("Broken-v0", Broken)


def settings(name: str):
    known = name not in ("Lamps-v0", "Broken-v0")
    return compose([f"env={name}"] if known else ["env=own", f"env.id={name}", "env.gamma=0.5"]).env


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture(scope="module")
def written(policy, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "page.html"
    env = settings("tomato_salad")
    recordings = report.write(path, policy, env, policy.settings.prompt, episodes=4, seed=1)
    return path, recordings


# What is recorded --------------------------------------------------------------------------------------------


def test_rewards_values_and_advantages_fit_together(policy):
    """GAE with lambda 1 plus the value is the discounted return; durations enter the discount."""
    [first, second] = record(policy, settings("Lamps-v0"), "{goal} {scene}", 2, gae_lambda=1.0)
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


def test_an_episode_without_end_is_cut(policy):
    [r] = record(policy, settings("tomato_salad"), policy.settings.prompt, 1, max_steps=3)
    assert len(r.steps) == 3
    assert r.truncated
    assert not r.success


def test_an_environment_that_cannot_draw_is_shown_without_pictures(policy, caplog):
    [r] = record(policy, settings("Broken-v0"), "{goal} {scene}", 1)
    assert r.steps[0].picture is None
    assert "no screen" in caplog.text


# The file ----------------------------------------------------------------------------------------------------


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
    from PIL import Image

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


def test_no_pictures_no_gif(policy, tmp_path):
    env = settings("Lamps-v0")
    [r, *_] = report.write(tmp_path / "lamps.html", policy, env, "{goal} {scene}", episodes=2)
    assert not (tmp_path / "lamps.gif").exists()
    with pytest.raises(ValueError, match="does not draw itself"):
        report.write_gif(tmp_path / "x.gif", r)


# In a browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (the extra `dev`)")
    chrome, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chrome or not driver:
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()


@pytest.fixture
def page(browser, written):
    browser.set_window_size(1200, 900)
    browser.get("about:blank")
    browser.get(f"file://{written[0]}")
    yield browser
    assert [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []


def where(browser) -> tuple[int, int]:
    episode, step = browser.execute_script("return location.hash").lstrip("#").split(".")
    return int(episode), int(step)


def press(browser, *keys):
    from selenium.webdriver.common.by import By

    for key in keys:
        browser.find_element(By.TAG_NAME, "body").send_keys(key)


def test_it_opens_without_an_error_and_shows_the_first_decision(page, written):
    first = written[1][0].steps[0]
    assert page.execute_script("return document.getElementById('scene').textContent") == first.scene
    assert page.execute_script("return document.getElementById('picture').naturalWidth") > 100
    rows = page.execute_script("return [...document.querySelectorAll('#menu tr')].map(r => r.innerText)")
    assert len(rows) == len(first.menu)
    assert "▶ " + first.menu[first.chosen] in page.execute_script("return document.querySelector('.chosen').innerText")
    numbers = page.execute_script("return document.getElementById('numbers').innerText")
    for name in ("reward", "value", "advantage", "entropy"):
        assert name in numbers


def test_keys_and_clicks_move(page, written):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    assert where(page) == (1, 1)
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert where(page) == (1, 2)
    press(page, Keys.ARROW_DOWN)
    assert where(page) == (2, 1)
    press(page, Keys.ARROW_UP, Keys.END)
    assert where(page) == (4, len(written[1][3].steps) + 1)
    assert "discounted return" in page.execute_script("return document.getElementById('numbers').innerText")
    page.find_element(By.ID, "back").click()
    assert where(page) == (4, len(written[1][3].steps))
    press(page, Keys.HOME)
    page.find_element(By.CSS_SELECTOR, '[data-at="1,2"]').click()
    assert where(page) == (2, 3)
    page.find_element(By.ID, "next").click()
    assert where(page) == (2, 4)
    scene = page.execute_script("return document.getElementById('scene').textContent")
    assert scene == written[1][1].steps[3].scene


def test_filters_for_failures_and_uncertain_decisions(page, written):
    from selenium.webdriver.common.keys import Keys

    failures = [k + 1 for k, r in enumerate(written[1]) if not r.success]
    shown = "return [...document.querySelectorAll('.episode')].map(e => +e.dataset.episode + 1)"
    press(page, "f")
    assert page.execute_script(shown) == failures
    press(page, "f")
    assert page.execute_script(shown) == [1, 2, 3, 4]
    press(page, "u")
    assert "decisions shown" in page.execute_script("return document.getElementById('count').textContent")
    visited = []
    press(page, Keys.HOME)
    for _ in range(40):
        visited.append(where(page))
        press(page, Keys.ARROW_RIGHT)
        if where(page) == visited[-1]:
            break
    entropies = [written[1][e - 1].steps[t - 1].entropy for e, t in visited]
    assert len(visited) == len(set(visited)) <= 10
    assert all(a >= b - 1e-4 for a, b in pairwise(entropies)), "the page rounds"
    assert entropies[0] == pytest.approx(max(s.entropy for r in written[1] for s in r.steps), abs=1e-4)


@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_the_width_of_a_phone(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": width < 500},
    )
    page.refresh()
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = page.execute_script(
        "return [...document.querySelectorAll('#next, #menu td, select')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 14
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_an_address_names_a_decision(page, written):
    page.get("about:blank")
    page.get(f"file://{written[0]}#2.3")
    assert where(page) == (2, 3)


def test_texts_cannot_break_out_of_the_page(browser, policy, tmp_path):
    path = tmp_path / "lamps.html"
    report.write(path, policy, settings("Lamps-v0"), "{goal} {scene}", episodes=2)
    browser.get(f"file://{path}")
    assert browser.execute_script("return document.getElementById('scene').textContent") == f"Lamp 0 {NASTY}"
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.getElementById('picture').hidden")
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
