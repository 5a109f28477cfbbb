"""The LoRA adapter on a frozen language model, and the value head. Knows nothing of prompts, menus or PPO."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from twosome.loading import choose_device, load_lm, quiet
from twosome.types import ConfigError

if TYPE_CHECKING:
    from twosome.config import LoraSettings, ValueHeadSettings

__all__ = [
    "ValueHead",
    "adapter_off",
    "add_adapter",
    "choose_device",
    "context_length",
    "load_lm",
    "prepare",
    "quiet",
    "set_dropout",
    "vocabulary_size",
]


class ValueHead(nn.Module):
    """Features of the adapter-free backbone [N, H] -> values [N].

    `linear`: one layer. `mlp`: H -> widths -> 1 with tanh between; widths (1024, 512) are the published
    variant. The last layer starts at zero, so the first values are 0 whatever the features.
    """

    def __init__(self, width: int, settings: ValueHeadSettings):
        super().__init__()
        sizes = [width, *(settings.widths if settings.kind == "mlp" else []), 1]
        layers: list[nn.Module] = [nn.LayerNorm(width)] if settings.layer_norm else []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.Tanh()]
        self.layers = nn.Sequential(*layers[:-1])
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).squeeze(-1)


def add_adapter(lm: Any, settings: LoraSettings, gradient_checkpointing: bool = False) -> Any:
    """A PEFT model with one LoRA adapter in float32, whatever the base's precision."""
    from omegaconf import ListConfig
    from peft import LoraConfig, get_peft_model

    targets = (
        list(settings.targets)
        if isinstance(settings.targets, (list, tuple, ListConfig))
        else settings.targets
    )
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
        fan_in_fan_out=any(
            type(m).__name__ == "Conv1D" for m in lm.modules()
        ),  # GPT-2's layers are transposed
    )
    try:
        with warnings.catch_warnings():  # PEFT 0.21 asks transformers by a name that is on its way out
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            model = get_peft_model(lm, config)
    except ValueError as error:
        linear = sorted(
            {
                n.split(".")[-1]
                for n, m in lm.named_modules()
                if hasattr(m, "weight") and "Linear" in type(m).__name__
            }
        )
        raise ConfigError(
            f"model.lora.targets={targets!r} does not fit this model: {error} Its linear layers are "
            f"{', '.join(linear)}; `all-linear` takes all of them but the LM head."
        ) from None
    prepare(model, gradient_checkpointing)
    return model


def prepare(model: Any, gradient_checkpointing: bool = False) -> None:
    """Adapters in float32; train mode with the base's dropout at 0, in which alone quantised layers keep
    gradients.
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if gradient_checkpointing:
        enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    model.train()
    set_dropout(model, False)


def compile_layers(lm: Any, **options: Any) -> None:
    """`torch.compile` on each decoder layer. They are alike and share what is compiled, where a whole model
    would take as many times longer; the LM head stays outside, since every pass hooks it anew.
    """
    stacks = [m for m in lm.modules() if isinstance(m, nn.ModuleList)]
    for layer in max(stacks, key=len, default=[]):  # type: ignore[arg-type]
        layer.compile(**{"dynamic": True, **options})


@contextmanager
def adapter_off(model: Any) -> Iterator[None]:
    """The frozen backbone alone. Restores `requires_grad`, which PEFT's own switch would leave changed (PEFT
    issue 3447).
    """
    if not hasattr(model, "disable_adapter"):
        yield
        return
    flags = [(p, p.requires_grad) for p in model.parameters()]
    try:
        with model.disable_adapter():
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def set_dropout(model: Any, active: bool) -> None:
    """LoRA dropout on (learning) or off (acting). The base has none."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train(active)


def context_length(lm: Any) -> int | None:
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


def vocabulary_size(lm: Any) -> int:
    """How many token ids the model knows."""
    return int(lm.get_input_embeddings().weight.shape[0])
