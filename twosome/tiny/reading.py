"""How well a model reads advice on scenes that it never saw: the table of the reader's card.

    python -m twosome.tiny.reading --model FOLDER --write      # measure, and replace the table in its README.md

Advice is random, so following it is reading and not knowing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import gymnasium

from twosome.tiny import play
from twosome.tiny.advised import text_of
from twosome.tiny.plans import log_ratios, shortest_plan, under_any_advice
from twosome.tiny.prior import ENVIRONMENTS, MARK, Prior
from twosome.tiny.situations import Situation
from twosome.tiny.text import PROMPT, TEMPERATURE

SCENES = 300  # of each kind


class Read(NamedTuple):
    """Over some advised scenes: how often the model prefers a right action, and how probable the right ones are.

    `chance`: how probable they are where all actions are alike. What is right: to do what is encouraged most, to leave
    what is discouraged; where the advice says nothing of the scene all actions are.
    """

    greedy: float
    probability: float
    chance: float


def read(prior: Prior, kind: str, worlds: Sequence[Sequence[Situation]], n: int = SCENES, seed: int = 0) -> Read:
    """One kind of advice (`own`, `example`, `warning`) on scenes of `worlds`, as they are."""
    rng = Random(seed)
    found: list[tuple[float, float, float]] = []
    while len(found) < n:
        s, other = (rng.choice(rng.choice(worlds)) for _ in range(2))
        if not len(set(s.menu)) == len(s.menu) > 1 < len(other.menu):
            continue
        text = text_of(rng, kind, s, other, is_unlike=False)
        p = prior.policy(text.text[: text.prompt], s.menu, TEMPERATURE)
        right = [a in text.menu for a in s.menu]
        found.append((right[p.index(max(p))], sum(q for q, is_right in zip(p, right, strict=True) if is_right),
                      sum(right) / len(right)))  # fmt: skip
    return Read(*(sum(column) / n for column in zip(*found, strict=True)))


def unlike(prior: Prior, worlds: Sequence[Sequence[Situation]], n: int = SCENES, seed: int = 0) -> float:
    """How much an example of a scene that is not alike moves the policy: mean total variation from that without."""
    rng, moved = Random(seed), []
    for _ in range(n):
        s, other = (rng.choice(rng.choice(worlds)) for _ in range(2))
        if len(s.menu) > 1 < len(other.menu):
            text = text_of(rng, "example", s, other, is_unlike=True)
            advised = prior.policy(text.text[: text.prompt], s.menu, TEMPERATURE)
            alone = prior.policy(PROMPT.format(goal=s.goal, scene=s.scene), s.menu, TEMPERATURE)
            moved.append(sum(abs(a - b) for a, b in zip(advised, alone, strict=True)) / 2)
    return sum(moved) / len(moved)


def table(prior: Prior, n: int = SCENES) -> str:
    """Markdown."""
    lines = [
        f"| advice | prefers a right action | probability of these, temperature {TEMPERATURE} | by chance |",
        "|---|---|---|---|",
    ]
    told = {
        "own": "of the present menu",
        "example": "an example with other nouns",
        "warning": "what to leave alone",
    }
    for where, is_held_out in (("never seen", True), ("seen", False)):
        worlds = play.situations(seed=1, steps=1500, held_out=is_held_out)
        for kind, name in told.items():
            r = read(prior, kind, worlds, n)
            lines.append(f"| {name}, worlds {where} | {r.greedy:.3f} | {r.probability:.3f} | {r.chance:.3f} |")
        lines.append(f"| an example that is not alike, worlds {where}: moves | | {unlike(prior, worlds, n):.3f} | |")
    return "\n".join([*lines, "", *_plans(prior)])


def _plans(prior: Prior) -> list[str]:
    """Markdown: that it knows no plan."""
    lines = ["| right action of a shortest plan | without advice | whatever is encouraged |", "|---|---|---|"]
    for name in ENVIRONMENTS:
        plan = shortest_plan(gymnasium.make(f"twosome_envs:twosome/{name}-v0", disable_env_checker=True))
        alone = log_ratios(prior, plan)
        where = " (never seen)" if f"{name}-v0" in play.HELD_OUT else ""
        lines.append(f"| {name}{where} | {sum(alone) / len(alone):+.2f} | {under_any_advice(prior, plan):+.2f} |")
    return lines


def main() -> None:
    """Measure how a model reads."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of a model made with --reads")
    parser.add_argument("--write", action="store_true", help="put the table into the model card")
    args = parser.parse_args()
    result = table(Prior(args.model))
    print(result)
    if args.write:
        card = args.model / "README.md"
        before, _, after = card.read_text().partition(MARK)
        _, _, after = after.partition(MARK)
        card.write_text(f"{before}{MARK}\n{result}\n{MARK}{after}")


if __name__ == "__main__":
    main()
