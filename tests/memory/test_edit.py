"""Memories put together, and parts of one forgotten: the laws of `twosome.memory.edit`."""

import copy
import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.config.compose import compose
from twosome.memory.edit import chosen, merged, without
from twosome.memory.records import Records, Step
from twosome.types import Situation

MONTE_CARLO = dataclasses.replace(compose([]).memory, n=None, alpha=None, power=1.0, bonus=0.0, capacity=1000)

steps = st.builds(
    lambda s, a, r: Step(Situation("goal", f"s{s}"), a, r, 0.9),
    st.integers(0, 3),
    st.sampled_from(["left", "right"]),
    st.integers(-100, 100).map(lambda r: r / 100),
)
experience = st.lists(st.lists(steps, min_size=1, max_size=5), max_size=5)


def learnt(*experiences):
    records = Records(MONTE_CARLO)
    for episodes in experiences:
        for episode in episodes:
            records.learn(episode, None)
    return records.state_dict()


def plain(state):
    """The records without their order: situation -> visits and actions, rounded."""
    return {
        (goal, scene): (visits, {phrase: (pytest.approx(q), n) for phrase, q, _, n in actions})
        for goal, scene, visits, actions in state["records"]
    }


@given(experience, experience)
@settings(max_examples=150, deadline=None)
def test_two_memories_together_are_one_memory_of_both_experiences(mine, theirs):
    """Weighted by N, means of returns are the mean of all returns (the plain mean of the two would not be)."""
    a, b = learnt(mine), learnt(theirs)
    before = copy.deepcopy((a, b))
    both, other = merged(a, b), merged(b, a)
    assert (a, b) == before
    known = {(row[0], row[1]): row for row in a["records"]}
    is_same = [row for row in b["records"] if known.get((row[0], row[1])) == row]
    if not is_same:  # an equal record is taken for the same experience
        assert plain(both) == plain(learnt(mine, theirs))
    assert plain(both) == plain(other)
    assert len(both["records"]) == len({(row[0], row[1]) for row in both["records"]})
    Records(MONTE_CARLO).load_state_dict(both)


@given(experience, experience)
@settings(max_examples=60, deadline=None)
def test_what_it_holds_already_changes_nothing(mine, theirs):
    a = learnt(mine)
    assert merged(a, a) == a
    assert merged(a, learnt()) == a
    assert plain(merged(learnt(), a)) == plain(a)
    part = without(a, lambda row: row[1] == "s0")
    assert merged(a, part) == a
    assert plain(merged(part, a)) == plain(a), "what was forgotten comes back whole from the file that was kept"


def test_what_is_only_theirs_leaves_first():
    mine = learnt([[Step(Situation("goal", "mine"), "go", 1.0, 0.9)]])
    theirs = learnt([[Step(Situation("goal", "theirs"), "go", 1.0, 0.9)]])
    both = merged(mine, theirs)
    assert [row[1] for row in both["records"]] == ["theirs", "mine"]
    assert both["begins"] == {"goal": "mine"}


def test_what_is_forgotten_is_gone_with_its_beginning():
    state = {
        "begins": {"Eat.": "A table.", "Rest.": "A bed.", "Under way.": "A door."},
        "records": [["Eat.", "A table.", 5, []], ["Rest.", "A bed.", 1, []], ["Eat.", "A TABLE and chair.", 9, []]],
    }
    assert without(state, chosen(goal="EAT")) == {
        "begins": {"Rest.": "A bed.", "Under way.": "A door."},
        "records": [["Rest.", "A bed.", 1, []]],
    }
    assert [row[1] for row in without(state, chosen(scene="table", fewer_than=9))["records"]] == [
        "A bed.",
        "A TABLE and chair.",
    ]
    assert without(state, chosen(fewer_than=0)) == state
    assert without(state, chosen())["records"] == []
