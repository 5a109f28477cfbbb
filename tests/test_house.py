"""The house: imports point one way, no circles, no long files, and the drawing that shows it is the true one."""

import ast
import statistics
import tomllib

import pytest

from tests import house

LONGEST_FILE, LONGEST_FUNCTION, MEDIAN = 300, 60, 150
PACKAGES = list(house.PACKAGES)
FILES = [
    pytest.param(p, id=str(p.relative_to(house.ROOT))) for package in PACKAGES for p in house.modules(package).values()
]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_a_rank_and_every_rank_a_module(package):
    folders = {name.split(".")[0] for name in house.modules(package) if name}
    assert folders == house.rank_of(package).keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package):
    assert house.wrong_arrows(house.graph(package), house.rank_of(package)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_there_are_no_circles(package):
    assert house.circles(house.graph(package)) == []


def test_the_laws_see_lazy_same_line_and_typing_imports(tmp_path):
    path = tmp_path / "trie.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from twosome.cli.train import main\n"
        "def f():\n    from twosome.rl import ppo, losses; import twosome.bench.table\n",
        encoding="utf-8",
    )
    known = set(house.modules("twosome"))
    found = house.imports("twosome", "lm.trie", path, known)
    assert found == {"cli.train", "rl.ppo", "rl.losses", "bench.table"}
    wrong = house.wrong_arrows({"lm.trie": found}, house.rank_of("twosome"))
    assert len(wrong) == 4, "rl is a sibling of lm, the others stand above it"


def test_a_relative_import_and_a_circle_would_be_seen(tmp_path):
    path = tmp_path / "env.py"
    path.write_text("from . import world\nfrom .simulator import SimulatorWorld\n", encoding="utf-8")
    found = house.imports("twosome_envs", "virtualhome.env", path, set(house.modules("twosome_envs")))
    assert found == {"virtualhome.world", "virtualhome.simulator"}
    assert house.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]


@pytest.mark.parametrize("path", FILES)
def test_the_trainer_and_the_environments_do_not_know_each_other(path):
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    heads = {name.split(".")[0] for name in imported}
    if path.is_relative_to(house.ROOT / "envs"):
        assert not heads & {"twosome", "torch"}, "importing twosome_envs needs gymnasium and numpy only"
    else:
        assert "twosome_envs" not in heads, "the trainer gets environments by id alone"


@pytest.mark.parametrize("path", FILES)
def test_no_module_reaches_into_another(path):
    """No private name of another module of the project is imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("twosome")):
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private, f"line {node.lineno}: {private}"


@pytest.mark.parametrize("path", FILES)
def test_no_file_and_no_function_is_long(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", FILES)
def test_summaries_are_one_line(path):
    """The first line of a docstring says it all; what follows comes after an empty line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and (text := ast.get_docstring(node)):
            _, *rest = text.split("\n")
            assert not rest or not rest[0].strip(), f"{getattr(node, 'name', 'module')}: {text[:80]!r}"


def test_modules_are_small():
    sizes = [p.read_text(encoding="utf-8").count("\n") for p in house.modules("twosome").values()]
    assert statistics.median(sizes) < MEDIAN


@pytest.mark.parametrize("package", PACKAGES)
def test_the_drawing_in_contributing_is_that_of_the_imports(package):
    text = (house.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert house.drawing(package) in text, "run `python tests/house.py` and put its drawing there"


def test_an_addition_to_a_learner_touches_four_files():
    """The count-based exploration bonus, as the example of CONTRIBUTING.md; where old names are read does not count."""
    files = [
        p
        for folder in ("twosome", "envs", "conf")
        for p in (house.ROOT / folder).rglob("*.*")
        if p.suffix in (".py", ".yaml")
    ]
    touched = {str(p.relative_to(house.ROOT)) for p in files if "count_bonus" in p.stem + p.read_text(encoding="utf-8")}
    reads_old_names = {"twosome/config/names.py", "twosome/training/checkpoint_format_1.py"}
    other_learners = {"twosome/rl/expert_iteration.py", "conf/expert_iteration/default.yaml", "conf/method/clone.yaml",
                      "twosome/rl/q_head.py", "twosome/config/learners.py", "conf/q_head/default.yaml",
                      "conf/experiment/toolbox.yaml"}  # fmt: skip
    measured = {"conf/attribution.yaml"}  # what each addition earns
    assert touched - reads_old_names - other_learners - measured == {
        "twosome/rl/count_bonus.py",
        "twosome/rl/ppo.py",
        "twosome/config/schema.py",
        "conf/ppo/default.yaml",
    }


def test_every_folder_is_packaged():
    listed = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    found = {
        ".".join([package, *path.parent.relative_to(root).parts])
        for package, root in house.PACKAGES.items()
        for path in root.rglob("__init__.py")
    }
    assert set(listed) == found | {"twosome_conf"}
