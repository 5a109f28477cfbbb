"""What the embedded model does before any RL: its policy on the environments, the table of its card.

    python -m twosome.tiny.prior --write      # measure, and replace the table in weights/README.md

Scored the plain way, one full sequence per action, so that the numbers do not depend on the trainer's own
scorer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import gymnasium
import torch

from twosome.tiny import path
from twosome.tiny.corpus import PROMPT

Observation: TypeAlias = dict[str, Any]  # both as gymnasium hands them out
Info: TypeAlias = dict[str, Any]

MARK = "<!-- before any RL: written by python -m twosome.tiny.prior --write -->"
ENVIRONMENTS = [
    "TomatoSalad",
    "TomatoLettuceSalad",
    "FoodPreparation",
    "Entertainment",
    "Cheese",
    "Hamburger",
    "ApplePie",
    "Pizza",
    "WashingPlate",
    "Laundry",
]


class Prior:
    """The policy of the untouched model: softmax over the menu of log-probability per word."""

    def __init__(self, folder: Path | str | None = None):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = str(folder or path())
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.probabilities = cache(self._probabilities)

    @torch.no_grad()
    def log_probs(self, prompt: str, actions: tuple[str, ...]) -> list[float]:
        """log p(action | prompt), summed over the tokens of the action."""
        head = self.tokenizer(prompt)["input_ids"]
        rows = [self.tokenizer(f"{prompt} {a}")["input_ids"] for a in actions]
        width = max(map(len, rows))
        ids = torch.tensor([r + [0] * (width - len(r)) for r in rows])
        logp = self.model(ids).logits.log_softmax(-1)
        return [sum(float(logp[n, t - 1, r[t]]) for t in range(len(head), len(r))) for n, r in enumerate(rows)]

    def policy(self, prompt: str, actions: tuple[str, ...], temperature: float = 1.0) -> list[float]:
        """Softmax of the log-probabilities per word, sharpened."""
        sums = self.log_probs(prompt, actions)
        scores = torch.tensor([s / len(a.split()) / temperature for s, a in zip(sums, actions, strict=True)])
        found: list[float] = scores.softmax(0).tolist()
        return found

    def _probabilities(self, goal: str, scene: str, actions: tuple[str, ...]) -> tuple[float, ...]:
        return tuple(self.policy(PROMPT.format(goal=goal, scene=scene), actions))

    def act(self, observation: Observation, info: Info, rng: Random | None) -> int:
        """An index of the menu: sampled, or with no `rng` the most probable."""
        legal = [i for i, ok in enumerate(info["action_mask"]) if ok]
        menu = tuple(info["actions"][i] for i in legal)
        p = self.probabilities(observation["goal"], observation["scene"], menu)
        return rng.choices(legal, p)[0] if rng else legal[max(range(len(p)), key=p.__getitem__)]


def play(env: gymnasium.Env, act: Callable[[Observation, Info], int], episodes: int) -> tuple[float, float]:
    """Mean discounted return and success rate of `act(observation, info) -> index`."""
    returns, wins = 0.0, 0
    for _ in range(episodes):
        observation, info = env.reset()
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(act(observation, info))
            over = terminated or truncated
        returns += info["episode"]["r"]
        wins += bool(info["success"])
    return returns / episodes, wins / episodes


def table(prior: Prior, episodes: int, seed: int = 0) -> str:
    """Markdown: sampled and greedy prior against uniform play, `episodes` episodes each."""
    lines = ["| environment | uniform: return, success | sampled prior | greedy prior |", "|---|---|---|---|"]
    for name in ENVIRONMENTS:
        rng = Random(seed)
        env = gymnasium.make(f"twosome_envs:twosome/{name}-v0", disable_env_checker=True)

        def uniform(_: Observation, info: Info, rng: Random = rng) -> int:
            return rng.choice([i for i, ok in enumerate(info["action_mask"]) if ok])

        def sampled(observation: Observation, info: Info, rng: Random = rng) -> int:
            return prior.act(observation, info, rng)

        def greedy(observation: Observation, info: Info) -> int:
            return prior.act(observation, info, None)

        cells = [play(env, uniform, episodes), play(env, sampled, episodes), play(env, greedy, 1)]
        lines.append(f"| {name} | " + " | ".join(f"{r:.3f}, {100 * s:.0f} %" for r, s in cells) + " |")
        env.close()
    return "\n".join(lines)


def main() -> None:
    """Measure the embedded model before any RL."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, default=None, help="another folder than the embedded one")
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--write", action="store_true", help="put the table into the model card")
    args = parser.parse_args()
    result = table(Prior(args.model), args.episodes)
    print(result)
    if args.write:
        card = Path(args.model or path()) / "README.md"
        before, _, after = card.read_text().partition(MARK)
        _, _, after = after.partition(MARK)
        card.write_text(f"{before}{MARK}\n{result}\n{MARK}{after}")


if __name__ == "__main__":
    main()
