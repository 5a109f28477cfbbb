"""The page in a real browser: it opens without an error, moves by keys and clicks, filters, and fits a phone."""

from itertools import pairwise

import pytest

from twosome import report
from twosome.report.record import Recording, Step


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


def test_it_plays_by_itself_until_it_is_stopped_or_at_the_end(page, written):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    label = "return document.getElementById('play').textContent"
    page.find_element(By.ID, "play").click()
    WebDriverWait(page, 20).until(lambda browser: where(browser) >= (1, 3))
    assert "stop" in page.execute_script(label)
    press(page, Keys.ARROW_LEFT)
    assert "play" in page.execute_script(label), "whoever moves has the page to himself"
    press(page, Keys.END, Keys.ARROW_LEFT, " ")
    last = (4, len(written[1][3].steps) + 1)
    WebDriverWait(page, 20).until(lambda browser: where(browser) == last and "play" in browser.execute_script(label))
    press(page, " ")
    assert where(page) == (1, 1), "and from the beginning"


def test_a_phrase_opens_into_its_words(page, written):
    from selenium.webdriver.common.by import By

    step = written[1][0].steps[0]
    shown = "return [...document.querySelectorAll('#menu details[open] .word')].map(w => w.innerText.split('\\n'))"
    assert page.execute_script(shown) == []
    page.find_element(By.CSS_SELECTOR, "#menu summary").click()
    likely = max(range(len(step.menu)), key=step.probs.__getitem__)
    found = page.execute_script(shown)
    assert [word for word, _ in found] == step.menu[likely].split()
    numbers = [float(number.replace("−", "-")) for _, number in found]
    assert numbers == pytest.approx([p for _, p in step.words[likely]], abs=0.006)
    press(page, "w")
    assert len(page.execute_script(shown)) == sum(len(phrase.split()) for phrase in step.menu)


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
    readable = "document.querySelectorAll('#next, #menu td, select')"
    sizes = page.execute_script(f"return [...{readable}].map(e => parseFloat(getComputedStyle(e).fontSize))")
    assert min(sizes) >= 14
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_an_address_names_a_decision(page, written):
    page.get("about:blank")
    page.get(f"file://{written[0]}#2.3")
    assert where(page) == (2, 3)


def test_texts_cannot_break_out_of_the_page(browser, untrained, lamps, nasty, tmp_path):
    path = tmp_path / "lamps.html"
    report.write(path, untrained, lamps, episodes=2)
    browser.get(f"file://{path}")
    assert browser.execute_script("return document.getElementById('scene').textContent") == f"Lamp 0 {nasty}"
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.getElementById('picture').hidden")
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def test_numbers_that_are_none_are_shown_as_such(browser, tmp_path):
    nan = float("nan")
    step = Step("<!--<script>", ("a", "b"), (nan, nan), 0, 0.5, 1, nan, nan, None)
    made = Recording(goal="g", greedy=True, steps=[step], discounted_return=nan, last_scene="end")
    title = {"env": "x", "model": "", "gamma": 0.9, "optimum": None}
    (tmp_path / "page.html").write_text(report.render([made], title), encoding="utf-8")
    browser.get(f"file://{tmp_path / 'page.html'}")
    assert [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
    assert browser.execute_script("return document.getElementById('scene').textContent") == "<!--<script>"
    assert "not finite" in browser.execute_script("return document.getElementById('numbers').innerText")
