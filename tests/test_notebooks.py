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


def test_the_six_are_there():
    names = {path.stem for path in NOTEBOOKS}
    assert {"01_score_a_menu", "02_read_a_run", "03_your_environment", "04_memory", "05_asking", "06_tools"} <= names


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


SHORT = {  # of a cell: what is long there, and what stands for it; the actor learns after four updates of 256 steps
    r"\btotal_steps=\d+": "total_steps=1280",
    r'("eval_(?:interval|episodes|episodes_final)"): \d+': r"\1: 1",
    r", world, 20,": ", world, 2,",
}


def shortened(source):
    """A cell whose trainings and evaluations are of seconds: the same calls with smaller numbers."""
    for long, short in SHORT.items():
        source = re.sub(long, short, source)
    return source


@pytest.fixture(scope="module")
def kernel():
    """One for all short forms; a notebook begins in an empty namespace, the packages stay imported."""
    manager = pytest.importorskip("jupyter_client", reason="needs jupyter_client (the extra `dev`)").KernelManager()
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


def execute(notebook, folder, kernel=None):
    """No cell may fail or warn."""
    client = pytest.importorskip("nbclient", reason="needs nbclient (the extra `dev`)")
    for cell in code(notebook):
        cell.outputs = []
    options = {"timeout": 3 * SECONDS, "kernel_name": "python3", "resources": {"metadata": {"path": str(folder)}}}
    runner = client.NotebookClient(notebook, km=kernel, **options)
    runner.execute()
    if kernel is not None:
        runner.kc.stop_channels()
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_from_top_to_bottom(path, kernel, tmp_path):
    """With smaller numbers; as it is, in the long form."""
    notebook = nbformat.read(path, as_version=4)
    for cell in code(notebook):
        cell.source = shortened(cell.source)
        assert cell.source.count("twosome.train(") == cell.source.count("total_steps=1280")
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"%reset -f\nimport os\nos.chdir({str(tmp_path)!r})"))
    execute(notebook, tmp_path, kernel)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_as_it_is_committed(path, tmp_path):
    started = time.perf_counter()
    execute(nbformat.read(path, as_version=4), tmp_path)
    print(f"{path.stem}: {time.perf_counter() - started:.0f} s")
