"""The frozen language model, its LoRA adapter and the value head. Knows nothing of prompts, menus or PPO."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from twosome.types import ConfigError, ModelError

if TYPE_CHECKING:
    from twosome.config import LoraSettings, ModelSettings, ValueHeadSettings

TINY = "tiny"


class ValueHead(nn.Module):
    """Features of the adapter-free backbone [N, H] -> values [N].

    `linear`: one layer. `mlp`: H -> widths -> 1 with tanh between; widths (1024, 512) are the published variant.
    The last layer starts at zero, so the first values are 0 whatever the features.
    """

    def __init__(self, width: int, settings: ValueHeadSettings):
        super().__init__()
        sizes = [width, *(settings.widths if settings.kind == "mlp" else []), 1]
        layers: list[nn.Module] = [nn.LayerNorm(width)] if settings.layer_norm else []
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(a, b), nn.Tanh()]
        self.layers = nn.Sequential(*layers[:-1])
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).squeeze(-1)


def load_lm(settings: ModelSettings) -> tuple[Any, Any]:
    """The frozen causal LM and its tokenizer, from the package (`tiny`), a folder or a hub name.

    Nothing is unpickled (safetensors only) and no code of the model's author is run unless `trust_remote_code`. All dropout
    of the base is set to 0: a policy that acts and learns must be the same function. Raises `ModelError` with the remedy.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet()
    place = _place(settings.name)
    remote = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    quantization = _quantization(settings)
    device = choose_device(settings.device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **remote)
        lm = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=getattr(torch, settings.dtype),
            attn_implementation=settings.attention,
            use_safetensors=True,
            **({"quantization_config": quantization, "device_map": {"": device}} if quantization else {}),
            **remote,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelError(_explain(settings, place, error)) from error
    if not quantization:
        lm = lm.to(device)
    if lm.get_output_embeddings() is None:
        raise ModelError(f"{settings.name!r} has no LM head to score actions with; expected a causal language model.")
    lm.requires_grad_(False)
    _silence_dropout(lm)
    return lm, tokenizer


def quiet() -> None:
    """Keep the libraries' own progress bars and notes, which say nothing to act on, out of the run's output."""
    import transformers

    transformers.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)


def add_adapter(lm: Any, settings: LoraSettings, gradient_checkpointing: bool = False) -> Any:
    """A PEFT model with one LoRA adapter in float32, whatever the base's precision."""
    from omegaconf import ListConfig
    from peft import LoraConfig, get_peft_model

    targets = list(settings.targets) if isinstance(settings.targets, (list, tuple, ListConfig)) else settings.targets
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        model = get_peft_model(lm, config)
    except ValueError as error:
        linear = sorted({n.split(".")[-1] for n, m in lm.named_modules() if hasattr(m, "weight") and "Linear" in type(m).__name__})
        raise ConfigError(
            f"model.lora.targets={targets!r} does not fit this model: {error} Its linear layers are {', '.join(linear)}; "
            "`all-linear` takes all of them but the LM head."
        ) from None
    prepare(model, gradient_checkpointing)
    return model


def prepare(model: Any, gradient_checkpointing: bool = False) -> None:
    """Adapters in float32; train mode with the base's dropout at 0, in which alone quantised layers keep gradients."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    set_dropout(model, False)


@contextmanager
def adapter_off(model: Any) -> Iterator[None]:
    """The frozen backbone alone. Restores `requires_grad`, which PEFT's own switch would leave changed (PEFT issue 3447)."""
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


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. Raises `ConfigError` for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"model.device={name} is not available here ({str(error).splitlines()[0]}). Use model.device=auto, or install the "
            "torch build for your hardware."
        ) from None
    return device


def context_length(lm: Any) -> int | None:
    """Most tokens the model takes, None where it sets no limit."""
    config = lm.config.get_text_config() if hasattr(lm.config, "get_text_config") else lm.config
    return next(
        (n for name in ("max_position_embeddings", "n_positions", "max_seq_len") if isinstance(n := getattr(config, name, None), int)),
        None,
    )


def _place(name: str) -> str:
    if name == TINY:
        from twosome import tiny

        return str(tiny.path())
    path = Path(name).expanduser()
    if path.exists():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"{path} holds no config.json: expected a folder written by `save_pretrained` (config.json, model.safetensors, "
                "tokenizer files)."
            )
        return str(path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise ModelError(f"There is no model folder {path}. Check model.name, or give a hub name such as Qwen/Qwen3-0.6B-Base.")
    return name


def _quantization(settings: ModelSettings) -> Any:
    if settings.quantization == "none":
        return None
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"model.quantization={settings.quantization} needs bitsandbytes, which cannot be imported here ({error}). "
            "`pip install bitsandbytes`, or use model.quantization=none."
        ) from None
    from transformers import BitsAndBytesConfig

    if settings.quantization == "int8":
        # Outliers above a threshold are found per batch, which makes a score depend on who else is in it; 0 is exact.
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, settings.dtype),
    )


def _silence_dropout(lm: Any) -> None:
    for module in lm.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "dropout", "activation_dropout", "hidden_dropout", "layerdrop"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _explain(settings: ModelSettings, place: str, error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    name = settings.name
    if Path(place).exists():
        return f"The model in {place} cannot be loaded: {said}. Expected the files that `save_pretrained` writes, weights as safetensors."
    if "gated" in said.lower() or "401" in said or "403" in said:
        return (
            f"The model {name!r} is gated or private: {said}. Accept its licence on its hub page, then run `hf auth login`, or "
            "download it elsewhere and give the folder: model.name=/path/to/folder."
        )
    return (
        f"The model {name!r} is neither a folder here nor could it be fetched from the hub: {said}. Check the spelling and the "
        "network; without a network give a local folder: model.name=/path/to/folder (`hf download <name> --local-dir <folder>` "
        "where there is one)."
    )
