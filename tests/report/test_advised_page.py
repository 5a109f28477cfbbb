"""What a memory recalled, in the page of episodes: stored once, and with what the policy would have done without it."""

import json

import pytest
import torch

import twosome
from tests.report.test_page import data_of
from twosome import report
from twosome.systems.load import find
from twosome.types import Menu


@pytest.fixture(scope="module")
def advised(memory_run, tmp_path_factory):
    """The page of a policy with a memory that it also reads, and its recordings."""
    path = tmp_path_factory.mktemp("advised") / "page.html"
    policy = twosome.load(memory_run, overrides=["memory.use=both"])
    recordings = report.write(path, policy, find(memory_run).settings.env, episodes=2, seed=1)
    return path, recordings, policy


def test_every_decision_has_what_was_recalled_and_what_it_would_be_without(advised):
    path, recordings, policy = advised
    data = data_of(path.read_text())
    pairs = zip(recordings, data["episodes"], strict=True)
    steps = [pair for r, e in pairs for pair in zip(r.steps, e["steps"], strict=True)]
    policy.remind(None)
    for mine, its in steps:
        told = data["memories"][its["memory"]]
        assert told["records"][0]["similarity"] == 1.0
        assert told["values"].keys() <= set(mine.menu)
        assert told["advice"].startswith(("Encouraged: ", "Discouraged: "))
        assert its["without"] == pytest.approx(mine.without, abs=1e-6)
    mine, _ = steps[0]
    menu = Menu(mine.menu, tuple(range(len(mine.menu))))
    decision = policy.decide({"goal": recordings[0].goal, "scene": mine.scene}, menu)
    [alone] = policy.log_probs([decision])
    assert torch.allclose(alone.exp(), torch.tensor(mine.without), atol=1e-5)
    assert any(abs(a - b) > 0.1 for mine, _ in steps for a, b in zip(mine.probs, mine.without, strict=True))


def test_equal_recollections_are_stored_once(advised):
    path, recordings, _ = advised
    data = data_of(path.read_text())
    texts = [json.dumps(m) for m in data["memories"]]
    assert len(set(texts)) == len(texts)
    assert len(texts) < sum(len(r.steps) for r in recordings)


def test_without_a_memory_there_is_none(written):
    path, recordings = written
    data = data_of(path.read_text())
    assert data["memories"] == []
    assert {s["memory"] for e in data["episodes"] for s in e["steps"]} == {-1}
    assert all(s.without is None and s.memory is None for r in recordings for s in r.steps)


def test_it_is_seen_in_a_browser(browser, advised):
    path, recordings, _ = advised
    browser.get(path.as_uri())
    shown = browser.find_element("id", "memory")
    assert shown.is_displayed()
    for expected in ("recalled", "1.000", "Read before the state", "Encouraged:"):
        assert expected in shown.text
    first = recordings[0].steps[0]
    assert len(browser.find_elements("css selector", "#menu .bar b")) == len(first.menu)
    browser.find_element("css selector", ".mark.end").click()
    assert not browser.find_element("id", "memory").is_displayed(), "nothing is recalled where it ended"


def test_a_page_without_a_memory_shows_no_place_for_it(browser, written):
    path, _ = written
    browser.get(path.as_uri())
    assert not browser.find_element("id", "memory").is_displayed()
    assert not browser.find_elements("css selector", "#menu .bar b")
