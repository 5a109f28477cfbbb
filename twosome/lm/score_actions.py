"""Score the actions of any causal language model: the one function for everybody."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from twosome.config.names import RENAMED_VALUES, near
from twosome.errors import ConfigError, MenuError
from twosome.lm import tokens
from twosome.lm.adapter import context_length, vocabulary_size
from twosome.lm.microbatch import Limits, Scored, ScorerChoice, score
from twosome.lm.scorers import SCORERS, device_of
from twosome.types import NORMALIZATIONS, LanguageModel, Tokenizer

_choices: weakref.WeakKeyDictionary[LanguageModel, dict[tuple[Any, ...], ScorerChoice]] = weakref.WeakKeyDictionary()


def score_actions(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    menus: Sequence[Sequence[str]],
    *,
    normalization: str = "word",
    scorer: str = "auto",
    token_budget: int = 8192,
    menus_per_row: int = 8,
) -> list[Tensor]:
    """The log-probability of each action of each menu, softmaxed over the menu: a list of float32 1-D tensors.

    Each distinct token prefix of the whole batch is computed once. Exact, differentiable, for any Hugging
    Face causal LM or PEFT model, on its device and in its mode (call `model.eval()` first where it has
    dropout).

    `prompts`: N texts; `menus`: N sequences of distinct phrases; prompt and phrase are joined by one space.
    `normalization`: what an action's summed log-probability is divided by: `word`, `token`, `sum` (nothing),
    or `unconditional` (per word, after subtracting the log-probability of the same tokens without the
    prompt).
    `scorer`: `auto` checks on these prompts which of `trie`, `prompt_cache`, `separate` is exact for this model.
    `token_budget`: most tokens of one forward pass; a menu that exceeds it is scored in several, and each is
    run once more in the backward pass, so keep the model's mode until then. `menus_per_row`: menus merged into
    one row of a pass.

    Raises `MenuError` for an empty menu or action, duplicates, or prompts and menus of unequal number,
    `ContextLengthError` when prompt + action are longer than the model's context.

    >>> twosome.score_actions(model, tokenizer, ["You are hungry."], [["eat", "sleep"]])  # doctest: +SKIP
    [tensor([-0.2313, -1.5774])]
    """
    if isinstance(prompts, str):
        raise MenuError("Expected `prompts` as a sequence of texts, got one text. Put it in a list, and its menu too.")
    if len(prompts) != len(menus):
        raise MenuError(f"Expected one menu per prompt, got {len(prompts)} prompts and {len(menus)} menus.")
    scorer = RENAMED_VALUES.get(("policy.scorer", scorer), scorer)
    for what, got, known in (
        ("normalization", normalization, NORMALIZATIONS),
        ("scorer", scorer, ("auto", *SCORERS)),
    ):
        if got not in known:
            raise ConfigError(f"Unknown {what} {got!r}.{near(str(got), list(known))} Known: {', '.join(known)}.")
    limits = context_length(model), vocabulary_size(model)
    encoded = [
        tokens.encode(tokenizer, prompt, _menu(menu), *limits) for prompt, menu in zip(prompts, menus, strict=True)
    ]
    if not encoded:
        return []
    doubled = normalization == "unconditional"
    alone = [tokens.unconditional(tokenizer, menu) if doubled else [] for menu in encoded]
    names = _choice(model, scorer).of(model, encoded, with_gradient=torch.is_grad_enabled(), token_budget=token_budget)
    results: dict[int, Tensor] = {}
    scored, size = Scored(encoded, alone, [()] * len(encoded)), Limits(token_budget, menus_per_row)
    for index, log_probs in score(model, scored, names, size, normalization):
        results |= {i: row[: len(encoded[i])] for i, row in zip(index, log_probs, strict=True)}
    return [results[i] for i in range(len(encoded))]


def _menu(menu: Sequence[str]) -> tuple[str, ...]:
    """A menu as a tuple; one string stays what it is, for `encode` to refuse."""
    if isinstance(menu, str):
        return cast(tuple[str, ...], menu)
    try:
        return tuple(menu)
    except TypeError:
        raise MenuError(f"Expected a menu, a sequence of action phrases, got {type(menu).__name__} {menu!r}.") from None


def _choice(model: LanguageModel, scorer: str) -> ScorerChoice:
    """One check per model and mode: whatever changes what a forward pass computes has a check of its own."""
    if scorer != "auto":
        return ScorerChoice(scorer)
    mode = (
        model.training,
        _uses_checkpointing(model),
        model.config._attn_implementation,
        torch.is_grad_enabled(),
        torch.is_autocast_enabled(device_of(model).type),
    )
    return _choices.setdefault(model, {}).setdefault(mode, ScorerChoice())


def _uses_checkpointing(model: LanguageModel) -> bool:
    """Whether gradient checkpointing is on, which changes what a forward pass returns."""
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
