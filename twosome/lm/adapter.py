"""The LoRA adapter on a frozen language model. Knows nothing of prompts, menus or PPO."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from twosome import files, tensor_files
from twosome.errors import ConfigError, brief
from twosome.types import LanguageModel

if TYPE_CHECKING:
    from twosome.config.schema import LoraSettings

log = logging.getLogger(__name__)


def add_adapter(lm: LanguageModel, settings: LoraSettings, gradient_checkpointing: bool = False) -> LanguageModel:
    """A PEFT model with one LoRA adapter in float32, whatever the base's precision."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
        task_type="CAUSAL_LM",
        fan_in_fan_out=any(type(m).__name__ == "Conv1D" for m in lm.modules()),  # GPT-2's layers are transposed
    )
    try:
        with warnings.catch_warnings():  # PEFT 0.21 asks transformers by a name that is on its way out
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            # A tied head has an adapter of its own; only merging it, which is never done here, would move both.
            warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings", category=UserWarning)
            model = get_peft_model(lm, config)
    except ValueError as error:
        linear = linear_layers(lm)
        example = f"[{', '.join(linear[:2])}]"
        raise ConfigError(
            f"model.lora.targets={settings.targets!r} does not fit this model: it has no such layer. Its linear layers "
            f"are {', '.join(linear)}; give some of them, as in 'model.lora.targets={example}', or all-linear for all "
            "but the LM head."
        ) from error
    prepare(model, gradient_checkpointing)
    return model


def linear_layers(lm: LanguageModel) -> list[str]:
    """The names of the layers that an adapter can be put on, as the model calls them, the LM head last."""
    head = lm.get_output_embeddings()
    named = [
        (name.split(".")[-1], module is head)
        for name, module in lm.named_modules()
        if hasattr(module, "weight") and ("Linear" in type(module).__name__ or type(module).__name__ == "Conv1D")
    ]
    ordered = sorted(set(named), key=lambda pair: (pair[1], pair[0]))
    return list(dict.fromkeys(name for name, _ in ordered))


def prepare(model: LanguageModel, gradient_checkpointing: bool = False) -> None:
    """Adapters in float32; train mode with the base's dropout at 0, in which alone quantised layers keep gradients."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if gradient_checkpointing:
        enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    model.train()
    set_dropout(model, False)


def compile_layers(lm: LanguageModel, **options: Any) -> None:
    """`torch.compile` on each decoder layer.

    They are alike and share what is compiled, where a whole model would take as many times longer; the LM head stays
    outside, since every pass hooks it again.
    """
    stacks = [m for m in lm.modules() if isinstance(m, nn.ModuleList)]
    for layer in max(stacks, key=len, default=[]):  # type: ignore[arg-type]
        layer.compile(**{"dynamic": True, **options})


@contextmanager
def adapter_off(model: LanguageModel) -> Iterator[None]:
    """The frozen backbone alone.

    The switch of every layer is set here: PEFT's own looks through the whole model five times, which takes longer than
    a small pass, and leaves `requires_grad` changed (PEFT issue 3447).
    """
    before = [(layer, layer._disable_adapters) for layer in _wrapped_layers(model)]
    try:
        for layer, _ in before:
            layer._disable_adapters = True
        yield
    finally:
        for layer, was_off in before:
            layer._disable_adapters = was_off


def tuner_layer(model: LanguageModel) -> Any:
    """The first layer that an adapter wraps, None without adapters."""
    return next(_wrapped_layers(model), None)


def _wrapped_layers(model: LanguageModel) -> Iterator[Any]:
    if "peft" not in sys.modules:  # then nothing can be wrapped, and its import would take seconds
        return
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for module in model.modules():
        if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            yield module


def adapter_switches(layer: Any) -> object:
    """Which adapters are on at a `tuner_layer`, as a value that changes when they are switched."""
    return None if layer is None else (tuple(layer.active_adapters), bool(layer.disable_adapters))


def save_adapter(model: LanguageModel, folder: Path) -> None:
    """Write the adapter in PEFT's own format."""
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)


def load_adapter(model: LanguageModel, folder: Path) -> None:
    """Read an adapter into a model with one of the same shape. Raises `CheckpointError` where it does not fit.

    Only the tensors are read: `adapter_config.json` decides nothing here.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    shapes = {name: tensor.shape for name, tensor in expected.items()}
    adapter = tensor_files.read_finite_tensors(folder / "adapter_model.safetensors", shapes)
    _compare_bases(model, folder)
    set_peft_model_state_dict(model, adapter)


def _compare_bases(model: LanguageModel, folder: Path) -> None:
    """Warn of an adapter that was trained on a model of another name: its shapes fit, its numbers mean nothing."""
    path = folder / "adapter_config.json"
    saved = files.read_json(path) if path.is_file() else {}
    theirs = saved.get("base_model_name_or_path") if isinstance(saved, dict) else None
    ours = getattr(model.config, "name_or_path", None)
    if isinstance(theirs, str) and theirs and ours and _last(theirs) != _last(ours):
        log.warning(
            "The adapter in %s was trained on %s and is put on %s: unless these are the same weights under two names, "
            "its scores mean nothing.",
            folder,
            brief(repr(theirs)),
            ours,
        )


def _last(name: str) -> str:
    """A model's own name, without the folder or hub account that it lies in."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold()


def set_dropout(model: LanguageModel, active: bool) -> None:
    """LoRA dropout on (learning) or off (acting). The base has none."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train(active)


def context_length(lm: LanguageModel) -> int | None:
    """Most tokens the model takes, None where it sets no limit."""
    config = lm.config.get_text_config() if hasattr(lm.config, "get_text_config") else lm.config
    return next(
        (
            n
            for name in ("max_position_embeddings", "n_positions", "max_seq_len")
            if isinstance(n := getattr(config, name, None), int)
        ),
        None,
    )


def vocabulary_size(lm: LanguageModel) -> int:
    """How many token ids the model knows."""
    return int(lm.get_input_embeddings().weight.shape[0])
