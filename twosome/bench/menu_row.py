"""One row of the menus bench: a made menu, scored or learnt from, and what that took."""

from __future__ import annotations

import itertools
import random
from typing import Any

VERBS = ["take", "open", "put", "move", "look at", "pour", "examine", "connect", "focus on", "read"]
NOUNS = [
    "apple", "cup", "red box", "door", "kitchen table", "lamp", "book", "fridge", "old shirt", "sofa", "plate", "tv",
    "radio", "window", "bed", "knife", "towel", "glass of water", "oven", "chair",
]  # fmt: skip
LINKS = ("to", "in", "with")
PROMPT = "Goal: boil water.\nScene: {scene}\nNext action:"
MOST = len(VERBS) * len(NOUNS) * len(LINKS) * (len(NOUNS) - 1)


def menu(actions: int, seed: int) -> tuple[str, ...]:
    """So many phrases, such as a scene full of things offers: two things, a verb and a link each."""
    pairs = itertools.permutations(NOUNS, 2)
    phrases = [f"{verb} {a} {link} {b}" for (a, b), verb, link in itertools.product(pairs, VERBS, LINKS)]
    return tuple(random.Random(seed).sample(phrases, actions))


def measure(row: dict[str, Any]) -> dict[str, Any]:
    """Peak memory beyond the loaded model, and seconds of the processor, of one menu scored or learnt from."""
    import torch

    from twosome.bench import measure as meter
    from twosome.bench import models
    from twosome.bench.schemes import PER_PASS, make
    from twosome.config.compose import compose
    from twosome.lm import tokens
    from twosome.types import Decision

    torch.set_num_threads(1)
    chosen = models.overrides(row["shape"], dtype="float32", quantization="none", device="cpu", checkpointing=False)
    cfg = compose(["env=tomato_salad", *chosen, f"policy.token_budget={row['token_budget']}", f"seed={row['seed']}"])
    built = models.build(row["shape"], cfg.model, row["seed"])
    runner = make(next(s for s in PER_PASS if s.key == row["scheme"]), built, cfg)
    scene = " ".join(f"There is a {a} on the {b}." for a, b in zip(NOUNS, NOUNS[3:], strict=False))
    decision = Decision.plain(PROMPT.format(scene=scene), menu(row["actions"], row["seed"]))
    paths = [s.ids for s in tokens.encode(built.tokenizer, decision.prompt, decision.menu)]
    if row["scheme"] == "published" and len(paths) * max(map(len, paths)) > row["published_tokens"]:
        return {}
    meter.give_back_at_once()
    device, weights = torch.device("cpu"), torch.ones(1)

    def job() -> None:
        runner.score([decision]) if row["mode"] == "act" else runner.train([decision], weights)

    times: list[float] = []

    def timed() -> None:
        times.append(meter.seconds(job, device).cpu)

    with meter.tokens_of(built.lm) as counter:
        beyond = meter.peak_memory(timed, device)
    for _ in range(row["repetitions"] - 1):
        timed()
    return {"peak_memory": beyond, "tokens": counter.total, "cpu_seconds": times, "model": built.description}
