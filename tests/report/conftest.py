"""A page of four episodes, and two worlds that draw nothing: one that cannot, one that promises it."""

import shutil

import gymnasium
import pytest
from gymnasium.spaces import Dict, Discrete, Text

from twosome import report
from twosome.config.compose import compose
from twosome.config.schema import EnvSettings

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


@pytest.fixture(scope="session")
def nasty() -> str:
    return NASTY


@pytest.fixture(scope="session")
def tomato_salad() -> EnvSettings:
    return compose(["env=tomato_salad"]).env


@pytest.fixture(scope="session")
def lamps() -> EnvSettings:
    return compose(["env=own", "env.id=Lamps-v0", "env.gamma=0.5"]).env


@pytest.fixture(scope="session")
def broken() -> EnvSettings:
    return compose(["env=own", "env.id=Broken-v0", "env.gamma=0.5"]).env


@pytest.fixture(scope="session")
def written(untrained, tomato_salad, tmp_path_factory):
    """The page of four episodes, and their recordings."""
    path = tmp_path_factory.mktemp("report") / "page.html"
    return path, report.write(path, untrained, tomato_salad, episodes=4, seed=1)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
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
