"""The two functions for everybody: score the actions of any model, load a trained policy."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence as Seq
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from twosome.types import NORMALIZATIONS, CheckpointError, ConfigError, Decision, MenuError, ModelError

if TYPE_CHECKING:
    from twosome.passes import ScorerChoice
    from twosome.policy import LLMPolicy

_choices: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def score_actions(
    model: Any,
    tokenizer: Any,
    prompts: Seq[str],
    menus: Seq[Seq[str]],
    *,
    normalization: str = "word",
    scorer: str = "auto",
    token_budget: int = 8192,
    menus_per_row: int = 8,
) -> list[Tensor]:
    """The log-probability of each action of each menu, softmaxed over the menu: a list of float32 1-D
    tensors.

    Each distinct token prefix of the whole batch is computed once. Exact, differentiable, for any Hugging
    Face causal LM or PEFT model, on its device and in its mode (call `model.eval()` first where it has
    dropout).

    `prompts`: N texts; `menus`: N sequences of distinct phrases; prompt and phrase are joined by one space.
    `normalization`: what an action's summed log-probability is divided by: `word`, `token`, `sum` (nothing),
    or `unconditional` (per word, after subtracting the log-probability of the same tokens without the
    prompt).
    `scorer`: `auto` probes on these prompts which of `forest`, `prompt_cache`, `separate` is exact for this
    model.
    `token_budget`: most tokens of one forward pass without gradient; `menus_per_row`: menus merged into one
    row of it.

    Raises `MenuError` for an empty menu or action, duplicates, or prompts and menus of unequal number,
    `ContextLengthError` when prompt + action are longer than the model's context.

    >>> twosome.score_actions(model, tokenizer, ["You are hungry."], [["eat", "sleep"]])  # doctest: +SKIP
    [tensor([-0.2313, -1.5774])]
    """
    from twosome import tokens
    from twosome.config import near
    from twosome.model import context_length, vocabulary_size
    from twosome.passes import score
    from twosome.scorers import SCORERS

    if isinstance(prompts, str):
        raise MenuError(
            "Expected `prompts` as a sequence of texts, got one text. Put it in a list, and its menu too."
        )
    if len(prompts) != len(menus):
        raise MenuError(f"Expected one menu per prompt, got {len(prompts)} prompts and {len(menus)} menus.")
    for what, got, known in (
        ("normalization", normalization, NORMALIZATIONS),
        ("scorer", scorer, ("auto", *SCORERS)),
    ):
        if got not in known:
            raise ConfigError(
                f"Unknown {what} {got!r}.{near(str(got), list(known))} Known: {', '.join(known)}."
            )
    limits = context_length(model), vocabulary_size(model)
    sequences = [
        tokens.encode(tokenizer, Decision(p, _menu(menu)), *limits)
        for p, menu in zip(prompts, menus, strict=True)
    ]
    if not sequences:
        return []
    doubled = normalization == "unconditional"
    alone = [tokens.unconditional(tokenizer, menu) if doubled else [] for menu in sequences]
    names = _choice(model, scorer).of(
        model, sequences, with_gradient=torch.is_grad_enabled(), token_budget=token_budget
    )
    results: dict[int, Tensor] = {}
    for index, log_probs in score(model, sequences, alone, names, token_budget, menus_per_row, normalization):
        results |= {i: row[: len(sequences[i])] for i, row in zip(index, log_probs, strict=True)}
    return [results[i] for i in range(len(sequences))]


def _menu(menu: Seq[str]) -> tuple[str, ...]:
    """A menu as a tuple; one string stays what it is, for `encode` to complain about."""
    if isinstance(menu, str):
        return cast(tuple[str, ...], menu)
    try:
        return tuple(menu)
    except TypeError:
        raise MenuError(
            f"Expected a menu, a sequence of action phrases, got {type(menu).__name__} {menu!r}."
        ) from None


def _choice(model: Any, scorer: str) -> ScorerChoice:
    """One probe per model and mode: whatever changes what a forward pass computes has a probe of its own."""
    from twosome.passes import ScorerChoice
    from twosome.scorers import device_of

    if scorer != "auto":
        return ScorerChoice(scorer)
    mode = (
        model.training,
        _checkpoints(model),
        model.config._attn_implementation,
        torch.is_grad_enabled(),
        torch.is_autocast_enabled(device_of(model).type),
    )
    return _choices.setdefault(model, {}).setdefault(mode, ScorerChoice())


def _checkpoints(model: Any) -> bool:
    """Whether gradient checkpointing is on, which changes what a forward pass returns."""
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def build_policy(cfg: Any, *, adapter: bool = True) -> LLMPolicy:
    """A fresh policy from settings (`model`, `policy`, `seed`): the model, a new LoRA adapter, a new value
    head. Without the `adapter` it cannot learn, but is ready sooner: a new one changes no score.
    """
    from twosome.model import ValueHead, add_adapter, compile_layers, load_lm
    from twosome.policy import LLMPolicy

    if cfg.model.threads is not None:
        torch.set_num_threads(cfg.model.threads)
    torch.manual_seed(cfg.seed)
    lm, tokenizer = load_lm(cfg.model)
    width = lm.get_output_embeddings().weight.shape[-1]
    device = lm.get_input_embeddings().weight.device
    if adapter:
        lm = add_adapter(lm, cfg.model.lora, cfg.model.gradient_checkpointing)
    value_head = ValueHead(width, cfg.model.value_head).to(device)
    if cfg.model.compile:
        compile_layers(lm)
    policy = LLMPolicy(lm, tokenizer, value_head, cfg.policy)
    policy.train_settings = cfg
    return policy


def load(path_or_name: str | Path, *, checkpoint: str = "newest", overrides: Seq[str] = ()) -> LLMPolicy:
    """A policy from a run folder, a checkpoint folder, a model folder, a hub name, or `tiny`.

    A run or checkpoint brings its own settings, adapter and value head; a bare model gets a fresh adapter
    (which changes nothing until it is trained). `checkpoint`: of a run folder, `newest` or `best`.
    `overrides`: Hydra overrides such as
    `["model.device=cpu"]`. Raises `CheckpointError`, `ModelError` or `ConfigError` with the remedy.
    """
    from twosome import checkpoint as files
    from twosome.config import compose
    from twosome.saved import saved_settings

    path = Path(path_or_name).expanduser()
    if (path / "checkpoints").is_dir():
        path = _checkpoint_of(path, checkpoint)
    if (path / files.MANIFEST).is_file():
        files.verify(path)
        cfg = saved_settings(path / "config.yaml", overrides)
        policy = build_policy(cfg)
        files.read_policy(path, policy)
        return policy
    if (path / "adapter_config.json").is_file() or (path / "adapter").is_dir():
        raise ModelError(
            f"{path} is not a whole checkpoint (no {files.MANIFEST}); give the folder checkpoints/step-... "
            "of a run."
        )
    return build_policy(
        compose(
            [f"model={'tiny' if str(path_or_name) == 'tiny' else 'hf'}", *_name(path_or_name), *overrides]
        )
    )


def _name(path_or_name: str | Path) -> list[str]:
    return [] if str(path_or_name) == "tiny" else [f"model.name='{path_or_name}'"]


def _checkpoint_of(run_dir: Path, which: str) -> Path:
    from twosome import checkpoint as files
    from twosome.disk import read_json

    if which == "best":
        best = run_dir / "best.json"
        if not best.is_file():
            raise CheckpointError(
                f"{run_dir} names no best checkpoint yet (it had no evaluation). Use checkpoint='newest'."
            )
        name = str(read_json(best).get("checkpoint"))
        if Path(name).name != name:
            raise CheckpointError(f"{best} leads out of the run's folder ({name!r}); refused.")
        return run_dir / "checkpoints" / name
    if which != "newest":
        raise ConfigError(f"Unknown checkpoint {which!r}. Known: newest, best.")
    folder, complaints = files.newest_good(run_dir)
    if folder is None:
        raise CheckpointError(
            f"{run_dir} holds no usable checkpoint. {' '.join(complaints.values())}".strip()
        )
    for complaint in complaints.values():
        logging.getLogger(__name__).warning("Using %s instead of a newer, damaged one: %s", folder, complaint)
    return folder
