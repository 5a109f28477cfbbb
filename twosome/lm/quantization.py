"""Quantised weights, by bitsandbytes: which kinds there are, and how each is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twosome.errors import ModelError

if TYPE_CHECKING:
    from twosome.config.schema import ModelSettings


def quantization_config(settings: ModelSettings) -> Any:
    """The `quantization_config` of `from_pretrained`, None for none. Raises `ModelError` without bitsandbytes."""
    if settings.quantization == "none":
        return None
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"model.quantization={settings.quantization} needs bitsandbytes, which cannot be imported here "
            f"({error}). `pip install bitsandbytes`, or use model.quantization=none."
        ) from None
    from transformers import BitsAndBytesConfig

    if settings.quantization == "int8":
        # Outliers above a threshold are found per batch: a score would depend on who else is in it. 0 is exact.
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, settings.dtype),
    )
