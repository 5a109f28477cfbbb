"""The bench of dishes ordered together: every row asked for, with what it cost."""

import pytest

from twosome.bench import orders


def test_rows_of_an_untrained_policy(capsys):
    """Flat and split, alone and with one simulation."""
    found = list(orders.rows(["tiny"], ["orders_2"], (0, 1), episodes=1))
    assert [(r.how, r.simulations) for r in found] == [("flat", 0), ("flat", 1), ("split", 0), ("split", 1)]
    for row in found:
        assert row.optimum == pytest.approx(1.5775, abs=1e-4)
        assert row.share == pytest.approx(row.greedy / row.optimum)
        assert row.share <= 1
        assert row.decisions > 0
        assert (row.in_world == pytest.approx(row.greedy, rel=0, abs=1e-9)) == (row.how == "flat")
        assert row.passes > 0
        assert (row.steps > 0) == (row.simulations > 0)
        assert (row.sampled is None) == (row.simulations > 0)
    table = orders.markdown(found).split("\n")
    assert len(table) == 6
    assert {line.count("|") for line in table} == {len(orders.COLUMNS) + 1}
