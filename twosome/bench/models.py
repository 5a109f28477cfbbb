"""The models that are measured: the embedded one, random weights of a given shape, or any folder or hub name.

    name   layers  width  inner   heads  weights
    mini   1       32     64      1      costs next to nothing: to count tokens
    25m    8       512    1408    8      27.0 M with the tiny model's vocabulary of 1280
    7b     32      4096   11008   32     6.7 G with a vocabulary of 32000

Random weights cost exactly what trained ones cost. The shapes use the tiny model's tokenizer; its ids are a part of a
larger vocabulary. A small vocabulary makes the LM head cheap, which favours the schemes that run it at every position.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from twosome.config.schema import ModelSettings
from twosome.types import LanguageModel, Tokenizer

SHAPES = {
    "mini": {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 1},
    "25m": {"num_hidden_layers": 8, "hidden_size": 512, "intermediate_size": 1408, "num_attention_heads": 8},
    "7b": {"num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32},
}
VOCABULARY = {"mini": 1280, "25m": 1280, "7b": 32000}


class Built(NamedTuple):
    """A causal LM with its adapter, its tokenizer, and the model settings it was built from."""

    lm: LanguageModel
    tokenizer: Tokenizer
    settings: ModelSettings
    description: str


def overrides(name: str, *, dtype: str, quantization: str, device: str, checkpointing: bool) -> list[str]:
    """The settings of `conf/model` for a model of the bench: tiny has its own, the others those of `hf`."""
    if name == "tiny":
        return ["model=tiny", f"model.device={device}"]
    return [
        "model=hf", f"model.name='{name}'", f"model.dtype={dtype}", f"model.quantization={quantization}",
        f"model.device={device}", f"model.gradient_checkpointing={str(checkpointing).lower()}",
    ]  # fmt: skip


def build(name: str, settings: ModelSettings, seed: int, vocabulary: int | None = None) -> Built:
    """The model on its device with a LoRA adapter that is not at its start (where half of it would be zero)."""
    from twosome.lm.adapter import add_adapter
    from twosome.lm.loading import load_lm

    torch.manual_seed(seed)
    lm, tokenizer = _random(name, settings, vocabulary) if name in SHAPES else load_lm(settings)
    described = _describe(name, lm, settings)
    lm = add_adapter(lm, settings.lora, settings.gradient_checkpointing)
    with torch.no_grad():
        for parameter in (p for p in lm.parameters() if p.requires_grad):
            parameter.normal_(std=0.02)
    return Built(lm, tokenizer, settings, described)


def _random(name: str, settings: ModelSettings, vocabulary: int | None) -> tuple[LanguageModel, Tokenizer]:
    """A Llama of random weights, made on the device itself, and the tiny model's tokenizer."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from twosome import tiny
    from twosome.lm.loading import choose_device, quiet

    quiet()
    device, dtype = choose_device(settings.device), getattr(torch, settings.dtype)
    shape: dict[str, Any] = SHAPES[name] | {
        "vocab_size": vocabulary or VOCABULARY[name],
        "attn_implementation": settings.attention,
    }
    config = LlamaConfig(max_position_embeddings=2048, tie_word_embeddings=False, **shape)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            lm = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(previous)
    lm.requires_grad_(False)
    if settings.quantization != "none":
        quantize(lm, settings.quantization, dtype, device)
    return lm, AutoTokenizer.from_pretrained(str(tiny.path()))


def quantize(lm: LanguageModel, kind: str, dtype: torch.dtype, device: torch.device) -> None:
    """Put bitsandbytes layers in the place of every linear layer but the LM head, one at a time, as loading would."""
    import bitsandbytes as bnb

    head = lm.get_output_embeddings()
    linear = [(n, m) for n, m in lm.named_modules() if isinstance(m, nn.Linear) and m is not head]
    for path, old in linear:
        where, _, name = path.rpartition(".")
        weight = old.weight.data.cpu()
        new: Any
        if kind == "nf4":
            new = bnb.nn.Linear4bit(
                old.in_features,
                old.out_features,
                bias=False,
                compute_dtype=dtype,
                compress_statistics=True,
                quant_type="nf4",
            )
            new.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=True)
        else:
            new = bnb.nn.Linear8bitLt(
                old.in_features, old.out_features, bias=False, has_fp16_weights=False, threshold=0.0
            )
            new.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
        setattr(lm.get_submodule(where), name, new.to(device))
    lm.is_loaded_in_4bit, lm.is_loaded_in_8bit = kind == "nf4", kind == "int8"
    lm.is_quantized = True


def _describe(name: str, lm: LanguageModel, settings: ModelSettings) -> str:
    weights = sum(p.numel() for p in lm.parameters()) if settings.quantization != "nf4" else None
    size = f", {weights / 1e6:,.1f} M weights" if weights else ""
    c = lm.config
    return (
        f"{name}: {c.model_type}, {c.num_hidden_layers} layers, {c.hidden_size} wide, vocabulary {c.vocab_size}{size}, "
        f"{settings.dtype}, quantization {settings.quantization}, LoRA r{settings.lora.rank} on {settings.lora.targets}"
    )
