"""Free text after a prompt, drawn from a model by transformers' own `generate`; the same for the same prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from twosome.errors import ConfigError, ContextLengthError
from twosome.lm import tokens
from twosome.lm.adapter import adapter_off, context_length, vocabulary_size
from twosome.types import LanguageModel, Tokenizer


def propose(lm: LanguageModel, tokenizer: Tokenizer, prompt: str, n: int, max_tokens: int) -> tuple[str, ...]:
    """What the frozen model (adapter off) writes next, n times, each to its first line end; what differs, none empty.

    Drawn with a seed that is the prompt's own, so the same call gives the same texts; whoever else draws is not
    disturbed. `max_tokens`: of a text, at most.

    Raises `ConfigError` for numbers below 1, `ContextLengthError` where the context has no place behind the prompt.
    """
    if n < 1 or max_tokens < 1:
        raise ConfigError(f"Expected 1 or more proposals of 1 or more tokens, got {n} and {max_tokens}.")
    longest = context_length(lm)
    ids = tokens.encode_prompt(tokenizer, prompt, longest, vocabulary_size(lm))
    room = max_tokens if longest is None else min(max_tokens, longest - len(ids))
    if room < 1:
        raise ContextLengthError(f"The prompt takes all {longest} tokens of the model's context. Shorten it.")
    base = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    device = lm.get_input_embeddings().weight.device
    given = torch.tensor([ids], device=device)
    seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8], "big") >> 1
    with adapter_off(lm), _evaluating(lm), torch.no_grad(), torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        drawn = base.generate(
            given, attention_mask=torch.ones_like(given), generation_config=_config(base, tokenizer, n, room)
        )
    texts = (tokenizer.decode(row[len(ids) :], skip_special_tokens=True) for row in drawn.tolist())
    lines = (" ".join(text.partition("\n")[0].split()) for text in texts)
    return tuple(dict.fromkeys(filter(None, lines)))


def _config(base: LanguageModel, tokenizer: Tokenizer, n: int, room: int) -> Any:
    """Plain draws from the model's own distribution, whatever a folder's generation_config.json asks for."""
    from transformers import GenerationConfig

    own = getattr(base.generation_config, "eos_token_id", None)
    ends = {tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])} - {None}
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends, default=0)
    plain: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, "num_beams": 1}
    counts = {"num_return_sequences": n, "max_new_tokens": room}
    return GenerationConfig(do_sample=True, eos_token_id=sorted(ends) or None, pad_token_id=pad, **counts, **plain)


@contextmanager
def _evaluating(lm: LanguageModel) -> Iterator[None]:
    """Every module in evaluation mode, and each as it was afterwards."""
    training = [module for module in lm.modules() if module.training]
    lm.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
