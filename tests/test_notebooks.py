"""The notebooks run from top to bottom with the embedded model, and are committed with outputs worth reading."""

import re
import time
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbformat (the extra `dev`)")

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 180  # each, on two cores


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_five_are_there():
    names = {path.stem for path in NOTEBOOKS}
    assert {"01_score_a_menu", "02_read_a_run", "03_your_environment", "04_memory", "05_asking"} <= names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_committed_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    figures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert figures, "a page with a figure"
    text = "\n".join(str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs)
    assert not re.search(r"(?<![\w.])/(home|Users|tmp|work|root|mnt)/", text), "no path of the machine it was made on"
    assert path.stat().st_size < 2**20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_from_top_to_bottom(path, tmp_path):
    client = pytest.importorskip("nbclient", reason="needs nbclient (the extra `dev`)")
    notebook = nbformat.read(path, as_version=4)
    for cell in code(notebook):
        cell.outputs = []
    started = time.perf_counter()
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=3 * SECONDS, kernel_name="python3", resources=resources).execute()
    print(f"{path.stem}: {time.perf_counter() - started:.0f} s")
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
