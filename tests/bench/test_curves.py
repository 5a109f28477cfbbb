"""The tables and curves of the learning bench, from figures made by hand."""

import doctest

import pytest

from twosome.bench import curves, generalization


def found(steps, taken=(1000, 1000, 1000)):
    """What the bench has of one method: the steps of every seed to the goal (None: not reached), and those it took."""
    return {
        "optimum": 0.92,
        "steps": list(taken),
        "curves": [],
        "final_greedy": [0.9] * len(taken),
        "final_sampled": [0.9] * len(taken),
        "steps_to": {"0.95": list(steps), "0.99": list(steps)},
        "seconds_to": {share: [None if s is None else 7.0 for s in steps] for share in ("0.95", "0.99")},
    }


@pytest.mark.parametrize(
    ("steps", "cells"),
    [
        ([300, 100, 200], "3 of 3 | 200 | 200 (100 to 300)"),
        ([100, None, 200], "2 of 3 | 200 | 200 (100 to > 1,000)"),
        (
            [None, None, 100],
            "1 of 3 | > 1,000 | > 1,000 (100 to > 1,000)",
        ),  # a seed that fails counts, and as the worst
    ],
)
def test_a_seed_that_did_not_arrive_counts_as_more_than_it_took(steps, cells):
    assert f"| world | method | {cells} |" in curves.markdown({"world": {"method": found(steps)}}, 3)


def test_the_overview_has_a_line_a_method_and_a_column_an_environment():
    untrained = found([], ()) | {"final_sampled": [0.1, 0.2, 0.3]}
    some, none = found([100, 300, None]), found([None] * 3)
    table = curves.overview({"a": {"mlp": some, "random": untrained}, "b": {"mlp": none, "random": untrained}})
    assert "| mlp | 300, 7 s (2 of 3) | > 1,000 (0 of 3) |" in table
    assert "| random | 0.200 | 0.200 |" in table


def test_seeds_that_are_missing_are_named():
    results = {"world": {"method": found([100, 200], (100, 200)), "other": found([], ())}}
    table = curves.markdown(results, 5)
    assert "| 2 of 2 (3 not run) |" in table
    assert "| world | other | not run | | | | | |" in table


def test_what_does_not_learn_has_returns_alone():
    table = curves.markdown({"world": {"random": found([], (0, 0))}}, 2)
    sampled = "0.9000 [0.9000, 0.9000]"
    assert f"| world | random | does not learn | | | | {sampled} | {sampled} |" in table


def test_the_picture_shows_every_environment_and_leaves_what_was_not_run_out(tmp_path):
    drawn = found([100]) | {"curves": [[(100, 0.5), (200, 0.9)], [(100, 0.1)]]}
    curves.draw({"a": {"mlp": drawn, "random": found([], ())}, "b": {"mlp": drawn}, "c": {}}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_the_examples_in_the_docstrings_run():
    for module in (curves, generalization):
        examples = doctest.testmod(module)
        assert examples.attempted > 0
        assert examples.failed == 0


def test_the_interval_holds_the_mean_and_narrows_with_agreement():
    low, high = curves.iqm_interval([0.1, 0.4, 0.5, 0.6, 0.9])
    assert low < curves.interquartile_mean([0.1, 0.4, 0.5, 0.6, 0.9]) < high
    assert curves.iqm_interval([0.5] * 5) == (0.5, 0.5)


def test_curves_are_told_apart_without_their_colours():
    looks = [(look["ls"], look.get("marker")) for look in curves.LOOKS]
    assert len({repr(look) for look in looks}) == len(looks)
    assert len({look["color"] for look in curves.LOOKS}) == len(looks)
