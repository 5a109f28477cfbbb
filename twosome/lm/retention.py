"""How far training moved the language model: perplexity and KL on held-out English. `python -m twosome.retention RUN`.

perplexity   exp of the mean negative log-probability of the next token, adapter off (before) and on (after)
KL           mean over tokens of KL(before | after) of the next-token distribution, in nats
"""

from __future__ import annotations

import math

import torch

from twosome.errors import ConfigError
from twosome.lm.adapter import adapter_off
from twosome.types import LanguageModel, Tokenizer

WINDOW = 256  # tokens of a text that the model sees at a time


def measure(lm: LanguageModel, tokenizer: Tokenizer, text: str, max_tokens: int = 16_384) -> dict[str, float]:
    """Perplexity before and after, and the KL between them, of an adapted language model on a text.

    Raises `ConfigError` for a text of less than two tokens.
    """
    ids = tokenizer(text, verbose=False)["input_ids"][:max_tokens]
    if len(ids) < 2:
        raise ConfigError("There is too little text to measure: expected two tokens or more.")
    windows = [ids[i : i + WINDOW] for i in range(0, len(ids) - 1, WINDOW)]
    losses = {"before": 0.0, "after": 0.0}
    divergence, count = 0.0, 0
    with torch.no_grad():
        for window in windows:
            if len(window) < 2:
                continue
            batch = torch.tensor([window], device=lm.get_input_embeddings().weight.device)
            with adapter_off(lm):
                before = lm(input_ids=batch, use_cache=False).logits[0, :-1].float().log_softmax(-1)
            after = lm(input_ids=batch, use_cache=False).logits[0, :-1].float().log_softmax(-1)
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
