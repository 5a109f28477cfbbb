"""Which of a model's layers attend over a sliding window, and the attention masks that a trie needs there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from twosome.types import LanguageModel

FULL, SLIDING = "full_attention", "sliding_attention"  # as `config.layer_types` names them


def attention_window(lm: LanguageModel) -> int | None:
    """The shortest sliding or chunked attention window of the model's layers, None where all attention is full."""
    config = _text_config(lm)
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and all(kind == FULL for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    names = ("sliding_window", "attention_chunk_size", "window_size")
    windows = [w for w in (getattr(config, name, None) for name in names) if isinstance(w, int) and w > 0]
    return min(windows, default=None)


def exceeds_window(lm: LanguageModel, tokens: int) -> bool:
    """Whether a path of so many tokens is longer than a window that `masks` cannot express (chunks, say)."""
    window = attention_window(lm)
    return window is not None and tokens > window and not _slides(lm)


def masks(lm: LanguageModel, may_see: Tensor, depth: Tensor) -> Tensor | dict[str, Tensor]:
    """The attention masks of an ancestor relation, as the model takes them: one, or one for every kind of layer.

    `may_see` [R, L, L]: whether node i may see node j; `depth` [R, L]: their positions. A layer with a sliding window
    sees those ancestors alone that are less than the window above: `depth_i - depth_j < window`. Inside the window one
    mask serves all layers. Masks are [R, 1, L, L].
    """
    window = attention_window(lm)
    if window is None or int(depth.max()) < window or not _slides(lm):
        return _as_taken(lm, may_see)
    near = _as_taken(lm, may_see & (depth[:, :, None] - depth[:, None, :] < window))
    kinds = getattr(_text_config(lm), "layer_types", None)
    return near if kinds is None else {FULL: _as_taken(lm, may_see), SLIDING: near}


def _slides(lm: LanguageModel) -> bool:
    """Whether its window is a sliding one, alone or beside full attention."""
    config = _text_config(lm)
    kinds = getattr(config, "layer_types", None) or [SLIDING]
    return getattr(config, "sliding_window", None) == attention_window(lm) and {FULL, SLIDING} >= set(kinds)


def _as_taken(lm: LanguageModel, may_see: Tensor) -> Tensor:
    if lm.config._attn_implementation == "sdpa":
        return may_see[:, None]
    # Eager attention adds its mask: a bool one would be read as 0 and 1.
    dtype = next((p.dtype for p in lm.parameters() if p.dtype.is_floating_point), torch.float32)
    mask = torch.zeros(may_see.shape, dtype=dtype, device=may_see.device)
    return mask.masked_fill(~may_see, torch.finfo(dtype).min)[:, None]


def _text_config(lm: LanguageModel) -> Any:
    return lm.config.get_text_config() if hasattr(lm.config, "get_text_config") else lm.config
