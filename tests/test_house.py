"""The house: imports point one way, every key is logged and documented, every command of the README runs."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "twosome"

# The stations of the flow. A module imports only what stands in a line above its own, or in its own line.
ORDER = """
types disk
forest scoring returns losses prompts signals metrics tiny
config checks complaints saved cli
tokens loading model scorers probe passes
distribution distribution_views comparison world probes decisions
policy imitation novelty baselines
ppo rollout checkpoint
api run methods statistics session
report boards traces evaluate console retention plan
train play inspect_cli bench
"""
RANK = {name: rank for rank, line in enumerate(ORDER.split("\n")) for name in line.split()}


def imports_of(path):
    """Top-level names of the package that a file imports, wherever it does, except for the type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "twosome":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("twosome.")}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            assert "twosome_envs" not in ast.unparse(node), f"{path}: the trainer gets environments by id alone"
    return found


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            yield name, path


@pytest.mark.parametrize(("name", "path"), [pytest.param(n, p, id=str(p.relative_to(PACKAGE))) for n, p in modules()])
def test_imports_point_one_way(name, path):
    assert name in RANK, f"{name} has no place in the flow: give it one in ORDER"
    upward = {other for other in imports_of(path) if other in RANK and RANK[other] > RANK[name]}
    assert not upward, f"{name} imports {upward}, which come after it"


def test_a_wrong_direction_would_be_seen(tmp_path):
    path = tmp_path / "forest.py"
    path.write_text("def f():\n    from twosome.training.loop import train\n", encoding="utf-8")
    assert any(RANK[other] > RANK["forest"] for other in imports_of(path))


@pytest.mark.parametrize("path", sorted((ROOT / "envs").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_environments_know_nothing_of_the_trainer(path):
    text = path.read_text(encoding="utf-8")
    assert "import twosome\n" not in text
    assert "from twosome " not in text
    assert "from twosome." not in text
    assert "import torch" not in text


def test_no_file_is_long():
    long = {
        str(p.relative_to(ROOT)): n
        for folder in ("twosome", "envs")
        for p in (ROOT / folder).rglob("*.py")
        if (n := p.read_text(encoding="utf-8").count("\n")) > 310
    }
    assert not long
