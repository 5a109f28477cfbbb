"""A plan as data and as people see it: the tree, its most visited line, the figure."""

import json

import pytest

from twosome.inspection.plan import WIDTH, Branch, Plan


def branch(phrase, visits, *, q=0.5, reward=0.0, is_struck=False, branches=()):
    return Branch(phrase, 0.25, visits, q if visits else None, reward, is_struck, branches)


INNER = (branch("chop <it>", 6, reward=0.2), branch("drop it", 1))
PLAN = Plan(
    action="pick up",
    index=2,
    value=0.75,
    actions=("wait", "pick up", "leave"),
    target=(0.1, 0.9, 0.0),
    branches=(branch("wait", 1), branch("pick up", 7, branches=INNER), branch("leave", 0, is_struck=True)),
    simulations=8,
    steps=9,
    passes=4,
    struck=1,
)


def test_the_line_follows_the_visits_from_the_action_taken():
    assert PLAN.line == ("pick up", "chop <it>")


def test_struck_branches_are_not_followed():
    dead = branch("chop", 9, is_struck=True)
    plan = Plan(**{**vars(PLAN), "branches": (branch("pick up", 12, branches=(dead, branch("carry", 3))),)})
    assert plan.line == ("pick up", "carry")


def test_it_is_plain_data():
    told = json.loads(json.dumps(PLAN.to_dict()))
    assert told["line"] == ["pick up", "chop <it>"]
    assert told["branches"][1]["branches"][0]["reward"] == 0.2
    assert PLAN.tree["branches"][2]["is_struck"]


def test_the_tree_names_what_it_leaves_out():
    text = str(PLAN)
    assert "8 simulations, 9 steps simulated, 4 passes, 1 dead ends" in text
    assert text.index("pick up: prior") < text.index("wait: prior"), "the most visited comes first"
    assert "and 1 dead end" in text
    many = Plan(**{**vars(PLAN), "branches": tuple(branch(f"action {k}", 9 - k) for k in range(WIDTH + 3))})
    assert "and 3 more" in str(many)


def test_a_phrase_cannot_write_into_the_page():
    page = PLAN._repr_html_()
    assert "chop &lt;it&gt;" in page
    assert "<it>" not in page


def test_the_figure_shows_policy_and_search_for_every_action():
    pytest.importorskip("matplotlib", reason="the optional extra plot is not installed")
    import matplotlib

    matplotlib.use("Agg")
    ax = PLAN.plot()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["pick up", "wait", "leave (dead end)"]
    assert [p.get_width() for p in ax.patches] == [0.25, 0.25, 0.25, 0.9, 0.1, 0.0]
