"""A plan taken apart: what a search visited, what it thought of it, what it struck.

    plan = twosome.Search(policy, simulations=32).plan(env)      # in a notebook or a terminal it shows itself as a tree
    plan.action, plan.value, plan.target, plan.branches[0].visits

It is plain data and knows nothing of how it was searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from twosome.inspection.parts import optional
from twosome.inspection.views import bar, percent, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.tree import Tree

DEPTH, WIDTH = 4, 4  # levels, and branches of a level, that are shown


@dataclass(frozen=True)
class Branch:
    """An action of a position: the policy's `prior`, the search's `visits`, their value `q` (None without)."""

    phrase: str
    prior: float
    visits: int
    q: float | None
    reward: float
    is_struck: bool
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a search says of a decision.

    `action`: the phrase to take, `index` its place in the environment's action space; `target`: a probability for every
    action of the menu, to learn or to weigh; `value`: of the state, after the search; `steps`, `passes`: simulated
    environment steps and calls of the model that it took; `struck`: dead ends.
    """

    action: str
    index: int
    value: float
    actions: tuple[str, ...]
    target: tuple[float, ...]
    branches: tuple[Branch, ...]
    simulations: int
    steps: int
    passes: int
    struck: int

    @property
    def line(self) -> tuple[str, ...]:
        """The most visited way through the tree, from the action taken on."""
        taken = [b for b in self.branches if b.phrase == self.action]
        found: list[str] = []
        while taken:
            best = max(taken, key=lambda b: (not b.is_struck, b.visits))
            if not best.visits and found:
                break
            found.append(best.phrase)
            taken = list(best.branches)
        return tuple(found)

    @property
    def tree(self) -> dict[str, Any]:
        """The whole tree as plain dicts and lists."""
        return {"value": self.value, "branches": [asdict(b) for b in self.branches]}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists, strings and numbers, ready for JSON."""
        return asdict(self) | {"line": list(self.line)}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Priors beside the search's target, an action a row, on matplotlib axes; returns the axes."""
        if ax is None:
            pyplot = optional("matplotlib.pyplot")
            ax = pyplot.subplots(figsize=(7.5, 0.9 + 0.4 * len(self.branches)), layout="constrained")[1]
        assert ax is not None
        rows = sorted(zip(self.branches, self.target, strict=True), key=lambda row: -row[1])
        at = range(len(rows))
        ax.barh(
            [y - 0.2 for y in at],
            [b.prior for b, _ in rows],
            0.38,
            color="#b9cbe0",
            label="policy",
            edgecolor="#1f3f63",
        )
        ax.barh([y + 0.2 for y in at], [t for _, t in rows], 0.38, color="#3a6ea5", label="search", edgecolor="#1f3f63")
        ax.set_yticks(list(at), [b.phrase + (" (dead end)" if b.is_struck else "") for b, _ in rows])
        ax.invert_yaxis()
        ax.set_xlim(0, 1.05)
        ax.set_xlabel("probability")
        ax.legend(frameon=False, fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title(self._head("\n"), fontsize=10, loc="left")
        return ax

    def _head(self, gap: str = " ") -> str:
        cost = f"{self.simulations} simulations, {self.steps} steps simulated, {self.passes} passes"
        return f"{self.action}: value {self.value:.3f},{gap}{cost}, {self.struck} dead ends"

    def __rich__(self) -> Tree:
        from rich.text import Text
        from rich.tree import Tree

        root = Tree(Text(self._head(), style="bold"))

        def grow(node: Tree, branches: tuple[Branch, ...], depth: int) -> None:
            for text, inner in _shown(branches):
                child = node.add(Text(text))
                if depth > 1:
                    grow(child, inner, depth - 1)

        grow(root, self.branches, DEPTH)
        return root

    def _repr_html_(self) -> str:
        def rows(branches: tuple[Branch, ...], depth: int) -> str:
            items = "".join(
                f"<li><code>{escape(text)}</code>{rows(inner, depth - 1) if depth > 1 else ''}</li>"
                for text, inner in _shown(branches)
            )
            return f"<ul>{items}</ul>" if items else ""

        return f"<div><b>{escape(self._head())}</b>{rows(self.branches, DEPTH)}</div>"

    def __str__(self) -> str:
        return plain(self)


def _shown(branches: tuple[Branch, ...]) -> Iterator[tuple[str, tuple[Branch, ...]]]:
    """The most visited branches, a line each; how many more there are, and how many are dead ends."""
    total = max(1, sum(b.visits for b in branches))
    alive = sorted((b for b in branches if not b.is_struck), key=lambda b: (-b.visits, -b.prior))
    shown = [b for b in alive if b.visits][:WIDTH]
    for b in shown:
        q = "" if b.q is None else f", value {b.q:.3f}"
        reward = f", reward {b.reward:+.3g}" if b.reward else ""
        share = f"{bar(b.visits / total, 6)} {b.visits:4d} x"
        yield f"{share} {b.phrase}: prior {percent(b.prior)}{q}{reward}", b.branches if b.visits > 1 else ()
    more, dead = len(alive) - len(shown), len(branches) - len(alive)
    rest = [f"{more} more" if more else "", f"{dead} dead end{'s' if dead > 1 else ''}" if dead else ""]
    if any(rest):
        yield "and " + ", ".join(part for part in rest if part), ()
