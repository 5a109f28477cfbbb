"""The house as its imports draw it: modules, folders, ranks. `python tests/house.py` prints the drawing of
CONTRIBUTING.md.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"twosome": ROOT / "twosome", "twosome_envs": ROOT / "envs"}

# Folders and single modules, from the bottom up. A line may import the lines above it; what stands in one line never
# imports each other. Inside a folder no circle is allowed either.
RANKS = {
    "twosome": """
        advice errors types versions
        protocols files locks terminal limits tiny
        config checkpoint_folder tensor_files
        lm memory rl rollout search inspection
        agents
        systems
        report
        monitoring
        training
        cli
        bench train evaluate play retention
    """,
    "twosome_envs": """
        arguments draws parts plans render
        base window
        game24 overcooked pages shop toy_text virtualhome workshop wrappers
        orders
        agent
        advised desk split toolbox
    """,
}


def rank_of(package: str) -> dict[str, int]:
    """The rank of every folder or module of a package, 0 at the bottom."""
    lines = RANKS[package].split("\n")
    return {name: rank for rank, line in enumerate(lines) for name in line.split()}


def modules(package: str) -> dict[str, Path]:
    """Dotted names below the package, `""` for the package itself."""
    root = PACKAGES[package]
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: str, name: str, path: Path, known: set[str]) -> set[str]:
    """The modules of the package that a file imports: anywhere in it, relative, on one line, or for the type checker
    alone.
    """
    here = name.split(".") if name else []
    inside = here if path.name == "__init__.py" else here[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {_known(a.name.split(".")[1:], known) for a in node.names if a.name.split(".")[0] == package}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = inside[: len(inside) - node.level + 1] + (node.module.split(".") if node.module else [])
            elif node.module and node.module.split(".")[0] == package:
                base = node.module.split(".")[1:]
            else:
                continue
            found |= {_known([*base, alias.name], known) for alias in node.names}
    return found - {name}


def _known(parts: list[str], known: set[str]) -> str:
    """The longest beginning that is a module."""
    while parts and ".".join(parts) not in known:
        parts = parts[:-1]
    return ".".join(parts)


def graph(package: str) -> dict[str, set[str]]:
    """Every module and the modules it imports."""
    found = modules(package)
    return {name: imports(package, name, path, set(found)) for name, path in found.items()}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Circles of imports; one per closing arrow. The package's own face, which hands out names late, takes no part."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for other in sorted(arrows.get(name, ())):
                if other:
                    walk(other, [*path, name])
            done.add(name)

    for name in sorted(arrows):
        if name:
            walk(name, [])
    return found


def wrong_arrows(arrows: dict[str, set[str]], ranks: dict[str, int]) -> list[str]:
    """Imports that point up, or to another folder of the same rank."""
    wrong = []
    for name, others in arrows.items():
        own = name.split(".")[0]
        for other in others:
            folder = other.split(".")[0]
            if name and folder and folder != own and ranks[folder] >= ranks[own]:
                wrong.append(f"{name} imports {other}")
    return wrong


def drawing(package: str) -> str:
    """The ranks from the top down, with the arrows between folders."""
    ranks, arrows = rank_of(package), graph(package)
    lines = []
    for rank in sorted(set(ranks.values()), reverse=True):
        for folder in (f for f, r in ranks.items() if r == rank):
            used = {o.split(".")[0] for n, others in arrows.items() if n.split(".")[0] == folder for o in others}
            below = ", ".join(sorted(used - {folder, ""}, key=lambda f: (-ranks[f], f)))
            lines.append(f"{rank:2d}  {folder:<12}{'-> ' + below if below else ''}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    for each in PACKAGES:
        print(f"{each}/\n{drawing(each)}\n")
