"""Small games to search, made by hand or at random, and the slow obvious answers to them."""

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from twosome.config.schema import SearchSettings
from twosome.search.descents import Root
from twosome.search.mcts import search
from twosome.search.tree import Evaluation, Node, Outcome, Position, back_up, strike, visit

GAMMA = 0.9
ALGORITHMS = ["puct", "gumbel"]
BOTH = pytest.mark.parametrize("algorithm", ALGORITHMS)
algorithms = st.sampled_from(ALGORITHMS)
seeds = st.integers(0, 10**6)


class Edge(NamedTuple):
    """Where an action leads. `end`: `won` or `lost` (terminated), `cut` (truncated), or nothing."""

    to: str
    reward: float = 0.0
    duration: int = 1
    end: str = ""


Game = dict[str, dict[str, Edge]]  # state -> phrase -> edge


def won(reward: float = 1.0, duration: int = 1) -> Edge:
    return Edge("goal", reward, duration, "won")


def lost(reward: float = 0.0) -> Edge:
    return Edge("ruin", reward, 1, "lost")


LATER = {
    "start": {"at once": Edge("poor", 0.5), "later": Edge("rich")},
    "poor": {"end": won(0.0)},
    "rich": {"end": won(1.0)},
}


def position(game: Game, state: str, end: str = "") -> Position:
    return Position(state, () if end else tuple(game[state]), bool(end), end == "cut", state, (state, end))


class Simulate:
    """The rules of a game. `steps`: the (state, phrase) taken so far."""

    def __init__(self, game: Game):
        self.game, self.steps = game, []

    def __call__(self, where: Position, action: int) -> Outcome:
        phrase = where.phrases[action]
        self.steps.append((where.payload, phrase))
        edge = self.game[where.payload][phrase]
        discount = 0.0 if edge.end in ("won", "lost") else GAMMA**edge.duration
        return Outcome(position(self.game, edge.to, edge.end), edge.reward, discount, edge.end == "lost")


class Model:
    """Priors and values by state, even and 0 where none are given. `asked`: the states of every call."""

    def __init__(self, game: Game, values=None, priors=None):
        self.game, self.values, self.priors, self.asked = game, values or {}, priors or {}, []

    def __call__(self, positions: list[Position]) -> list[Evaluation]:
        self.asked.append([p.payload for p in positions])
        return [self.of(p) for p in positions]

    def of(self, where: Position) -> Evaluation:
        given = self.priors.get(where.payload, {})
        weights = np.array([given.get(phrase, 1.0) for phrase in where.phrases])
        return Evaluation(np.log(weights / weights.sum()) if len(weights) else weights, self.values.get(where.key, 0.0))

    @property
    def leaves(self) -> list[str]:
        return [state for call in self.asked for state in call]


def settings(**changes) -> SearchSettings:
    """As in `conf/search/default.yaml`, with 64 simulations."""
    usual = {
        "simulations": 64,
        "algorithm": "puct",
        "batch": 1,
        "c": 1.25,
        "floor": 0.01,
        "considered": 16,
        "prune": True,
        "playouts": 0,
        "noise_share": 0.25,
        "noise_alpha": 0.3,
        "max_passes": None,
        "max_seconds": None,
    }
    return SearchSettings(**{**usual, **changes})


def root_of(game: Game, model: Model, state: str = "start", simulate=None) -> Root:
    where = position(game, state)
    return Root(where, model.of(where), simulate or Simulate(game))


def find(game: Game, model: Model | None = None, seed: int = 0, state: str = "start", training=False, **changes):
    """The result of a search, and its cost."""
    model = model or Model(game)
    rng = np.random.default_rng(seed)
    (result,), cost = search([root_of(game, model, state)], model, settings(**changes), rng, is_training=training)
    return result, cost


def by_phrase(result, name: str) -> dict[str, float]:
    """An array of a result, by the phrases of its root."""
    return dict(zip(result.root.position.phrases, getattr(result, name).tolist(), strict=True))


def chosen(result) -> str:
    return result.root.position.phrases[result.action]


def nodes(node: Node) -> list[Node]:
    """All nodes of a tree."""
    return [node, *(n for child in node.children if child is not None for n in nodes(child))]


def alike(one, other):
    """Whether two results say the same of every phrase."""
    for name in ("target", "visits", "q", "is_struck"):
        assert by_phrase(one, name) == pytest.approx(by_phrase(other, name), nan_ok=True, abs=1e-12), name
    assert chosen(one) == chosen(other)
    assert (one.value, one.struck, one.torn_down) == pytest.approx((other.value, other.struck, other.torn_down))
    return True


# The slow obvious answers ---------------------------------------------------------------------------------------------


def best_value(game: Game, state: str, values=None) -> float:
    """The value of a state by trying everything; the game must have no circle."""
    return max(worth(game, edge, values) for edge in game[state].values())


def worth(game: Game, edge: Edge, values=None) -> float:
    """The value of an action, likewise."""
    if edge.end in ("won", "lost"):
        return edge.reward
    rest = (values or {}).get(edge.to, 0.0) if edge.end == "cut" else best_value(game, edge.to, values)
    return edge.reward + GAMMA**edge.duration * rest


# Games at random ------------------------------------------------------------------------------------------------------

WORDS = ("ask", "break", "carry", "drop", "eat", "fetch", "go")


def random_tree(seed: int, depth: int = 3, width: int = 3) -> Game:
    """Uneven depths, menus of all lengths and orders, rewards on the way, durations, all kinds of ends but losses."""
    rng, game = random.Random(seed), {}

    def grow(state: str, left: int) -> None:
        menu = {}
        for k, phrase in enumerate(rng.sample(WORDS, rng.randint(1, width))):
            end = rng.choice(["won", "cut"]) if left == 0 else rng.choice(["", "", "", "won", "cut"])
            menu[phrase] = Edge(f"{state}.{k}", round(rng.uniform(-1, 1), 2), rng.randint(1, 3), end)
        game[state] = menu
        for edge in menu.values():
            if not edge.end:
                grow(edge.to, left - 1)

    grow("start", depth)
    return game


def full_tree(seed: int, depth: int, width: int) -> Game:
    """Every way is of the same length; rewards everywhere."""
    rng, game = random.Random(seed), {}

    def grow(state: str, left: int) -> None:
        end = "" if left else "won"
        game[state] = {p: Edge(f"{state}.{p}", round(rng.random(), 3), 1, end) for p in WORDS[:width]}
        for edge in game[state].values():
            if left:
                grow(edge.to, left - 1)

    grow("start", depth)
    return game


def random_graph(seed: int, size: int = 6) -> Game:
    """Circles, failures and sometimes a goal; the only rewards are at the goal."""
    rng = random.Random(seed)
    names = ["start", *(f"room {k}" for k in range(1, size))]
    game: Game = {}
    for name in names:
        menu = {}
        for phrase in rng.sample(WORDS, rng.randint(1, 4)):
            kind = rng.random()
            menu[phrase] = lost() if kind < 0.2 else won() if kind < 0.25 else Edge(rng.choice(names))
        game[name] = menu
    return game


def shuffled(game: Game, seed: int) -> Game:
    """The same game with every menu in another order."""
    rng = random.Random(seed)
    return {state: dict(rng.sample(list(menu.items()), len(menu))) for state, menu in game.items()}


def renamed(game: Game) -> tuple[Game, dict[str, str]]:
    """The same game from the start as a tree in which no state comes twice, and the state that every copy is of."""
    tree: Game = {}
    origin = {"start": "start"}

    def grow(state: str) -> None:
        tree[state] = {}
        for phrase, edge in game[origin[state]].items():
            copy = f"{state} / {phrase}"
            origin[copy] = edge.to
            tree[state][phrase] = edge._replace(to=copy)
            if not edge.end:
                grow(copy)

    grow("start")
    return tree, origin


# Nodes by hand --------------------------------------------------------------------------------------------------------


def node_with(priors, visited=None, value=0.0, struck=(), phrases=None) -> Node:
    """A node of these priors; `visited`: {action: (visits, Q)}, `struck`: actions."""
    phrases = phrases or tuple(WORDS[: len(priors)])
    here = Node(Position("here", phrases, False, False, None, None))
    here.expand(Evaluation(np.log(np.array(priors, float)), value))
    for action, (visits, q) in (visited or {}).items():
        for _ in range(visits):
            visit(here, action)
            back_up([(here, action)], q)
    for action in struck:
        strike([(here, action)])
    return here


def random_node(seed: int, n_struck: int | None = None) -> Node:
    """Some actions visited, some struck, but one."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    visited = {a: (int(rng.integers(1, 6)), float(rng.normal())) for a in range(n) if rng.random() < 0.6}
    struck = rng.permutation(n)[: rng.integers(0, n) if n_struck is None else n_struck]
    return node_with(rng.dirichlet(np.ones(n)), visited, float(rng.normal()), struck.tolist())
