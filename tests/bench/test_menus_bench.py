"""The menus bench: its menus, its rows, its table, and what it refuses."""

import json

import pytest

from twosome.bench import __main__ as bench
from twosome.bench import menu_row, menus


def test_menus_hold_so_many_distinct_phrases():
    some = menu_row.menu(menu_row.MOST, seed=0)
    assert len(set(some)) == len(some) == menu_row.MOST
    assert menu_row.menu(5, 0) != menu_row.menu(5, 1)


@pytest.mark.slow  # a process for every row
def test_the_bench_measures_and_prints(tmp_path, capsys):
    small = ["shape=mini", "actions=[4,100]", "published_tokens=2000", "repetitions=1", "token_budget=256"]
    bench.main(["menus", *small, f"out={tmp_path / 'menus'}"])
    said = capsys.readouterr().out
    assert "| act, ours |" in said
    results = json.loads((tmp_path / "menus" / "menus.json").read_text())["results"]["menus"]
    found = {tuple(r["job"][:3]): r["found"] for r in results}
    assert len(found) == 8
    assert found["published", "train", 100] == {}, "left out"
    for mode, times in (("act", 1), ("train", 2)):
        assert found["ours", mode, 4]["tokens"] < found["published", mode, 4]["tokens"] / 3
        assert found["ours", mode, 100]["tokens"] > times * 256


def test_the_table():
    rows = {("ours", "act", 8, 0): {"peak_memory": 2**21, "cpu_seconds": [0.2, 0.16], "tokens": 1200}}
    text = menus.table(rows | {("published", "act", 8, 0): {}})
    assert "| act, ours | 2 / 20.00 (1,200) |" in text
    assert "| act, published | not run |" in text


@pytest.mark.parametrize("wrong", ["actions=[0]", "modes=[look]", "schemes=[theirs]", "token_budget=3"])
def test_what_cannot_work_is_refused(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit) as leaving:
        bench.main(["menus", wrong, f"out={tmp_path}"])
    assert leaving.value.code == 2
    assert f"{wrong.partition('=')[0]}=" in capsys.readouterr().err
