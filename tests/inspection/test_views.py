"""How a decision looks: self-contained, escaped, as wide as the terminal, the same numbers everywhere."""

import io
import re
import sys

import pytest
from rich.console import Console

import twosome
from twosome.inspection import views
from twosome.inspection.views import bar, nats, percent


def test_the_page_is_self_contained_and_escaped(untrained, prompt):
    d = untrained.inspect(prompt, ["say <script>alert(1)</script> & go", "wait"])
    page = d._repr_html_() + twosome.compare({"<b>": d})._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page
    assert page.count("<table") == page.count("</table>")


@pytest.mark.parametrize("width", [80, 110])
def test_the_table_fits_a_terminal(d, width):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(d)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for action in d.actions:
        assert any(action in line and "%" in line for line in lines), action


def test_small_things_print_well():
    assert bar(0.5, 4) == "██  "
    assert bar(1.0, 4) == "████"
    assert [percent(p) for p in (0.0, 1e-6, 0.123, 0.99996)] == ["0 %", "<0.1 %", "12.3 %", "100 %"]
    assert nats(-0.0004) == "0.00"
    assert nats(-1.234) == "-1.23"


def test_figures_carry_their_numbers(d):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = d.plot()
    texts = {t.get_text() for t in ax.texts}
    assert {percent(p) for p in d.probs} <= texts
    assert ax.get_yticklabels()[0].get_text() == d.best
    both = twosome.compare(before=d, after=d).plot()
    assert len(both.patches) == 2 * len(d.actions)
    pyplot.close("all")


@pytest.mark.parametrize(("name", "view"), [("pandas", "to_frame"), ("matplotlib.pyplot", "plot")])
def test_a_missing_package_is_named_with_its_remedy(d, monkeypatch, name, view):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install"):
        getattr(d, view)()


def test_bars_of_a_notebook_have_a_background_that_closes_their_seams():
    """And are the same characters where styles are stripped."""
    for share in (0.0, 0.04, 0.5, 0.97, 1.0):
        drawn = views.html_bar(share)
        assert re.sub("<[^>]+>", "", drawn) == views.bar(share)
        assert ("background:currentColor" in drawn) == ("█" in drawn)
