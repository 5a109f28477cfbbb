"""How far training moved the language model: perplexity and KL on held-out English. `python -m twosome.retention RUN`.

    perplexity   exp of the mean negative log-probability of the next token, adapter off (before) and on (after)
    KL           mean over tokens of KL(before | after) of the next-token distribution, in nats
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

WINDOW = 256  # tokens of a text that the model sees at a time


def measure(policy: Any, text: str, max_tokens: int = 16_384) -> dict[str, float]:
    """Perplexity before and after, and the KL between them, of a policy's language model on a text."""
    from twosome.model import adapter_off

    ids = policy.tokenizer(text, verbose=False)["input_ids"][:max_tokens]
    windows = [ids[i : i + WINDOW] for i in range(0, len(ids) - 1, WINDOW)]
    losses = {"before": 0.0, "after": 0.0}
    divergence, count = 0.0, 0
    with torch.no_grad():
        for window in windows:
            if len(window) < 2:
                continue
            batch = torch.tensor([window], device=policy.lm.get_input_embeddings().weight.device)
            with adapter_off(policy.lm):
                before = policy.lm(input_ids=batch, use_cache=False).logits[0, :-1].float().log_softmax(-1)
            after = policy.lm(input_ids=batch, use_cache=False).logits[0, :-1].float().log_softmax(-1)
            target = batch[0, 1:, None]
            losses["before"] -= before.gather(1, target).sum().item()
            losses["after"] -= after.gather(1, target).sum().item()
            divergence += (before.exp() * (before - after)).sum().item()
            count += len(target)
    return {
        "tokens": count,
        "perplexity_before": math.exp(losses["before"] / count),
        "perplexity_after": math.exp(losses["after"] / count),
        "kl": divergence / count,
    }


def main(argv: list[str] | None = None) -> None:
    """`python -m twosome.retention RUN_OR_CHECKPOINT [TEXT_FILE]`; without a file, the held-out text of this package."""
    from twosome import tiny
    from twosome.api import load
    from twosome.types import TwosomeError

    arguments = sys.argv[1:] if argv is None else argv
    if not 1 <= len(arguments) <= 2:
        print("Usage: python -m twosome.retention RUN_OR_CHECKPOINT [TEXT_FILE]", file=sys.stderr)
        raise SystemExit(2)
    try:
        path = Path(arguments[1]) if len(arguments) == 2 else tiny.path() / "heldout.txt"
        print(json.dumps(measure(load(arguments[0]), path.read_text(encoding="utf-8")), indent=1))
    except (TwosomeError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
