"""Three ways to the same token log-probabilities, and the probe that chooses among them.

    forest        one pass over the distinct prefixes of many menus, with an ancestor mask     (the default)
    prompt_cache  the prompt once, its key-value cache shared by the actions of the menu       (where 4D masks do not work)
    separate      one full sequence per action                                                 (always right; the judge)

Each takes `rows`: rows of menus of sequences, and returns the log-probability of every continuation token, in that order,
float32 [E], differentiable. All let only the positions that predict something through the LM head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twosome.forest import Forest, common_prefix, grow
from twosome.types import Sequence

Rows = list[list[list[Sequence]]]

VALUE_TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-8}  # nats per token; half precision: HALF_TOLERANCE
HALF_TOLERANCE = 0.15
GRADIENT_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}  # relative, of the norm
HALF_GRADIENT_TOLERANCE = 0.2


def by_forest(lm: Any, rows: Rows) -> Tensor:
    """Every distinct prefix once. A leaf's own token is never fed: nothing is predicted from it."""
    flat = [[s for menu in row for s in menu] for row in rows]
    forests = [grow([s.ids[:-1] for s in row]) for row in flat]
    width = max(len(f) for f in forests)
    read = [
        r * width + node
        for r, (row, forest) in enumerate(zip(flat, forests, strict=True))
        for s, path in zip(row, forest.paths, strict=True)
        for node in path[s.start - 1 :]
    ]
    parents, edge = np.unique(np.array(read), return_inverse=True)
    tokens = [t for row in flat for s in row for t in s.continuation]
    logits, _ = _run(lm, *_stack(forests, width, lm), parents)
    return _pick(logits, edge, tokens)


def by_prompt_cache(lm: Any, rows: Rows) -> Tensor:
    """The prompt's keys and values once per menu; the actions continue from copies of them."""
    device = lm.get_input_embeddings().weight.device
    result = []
    for menu in (menu for row in rows for menu in row):
        shared = menu[0].ids[: menu[0].start]
        for s in menu[1:]:
            shared = shared[: common_prefix(shared, s.ids[: s.start])]
        k = len(shared) - 1
        if k < 1:
            result.append(by_separate(lm, [[menu]]))
            continue
        prompt = torch.tensor([shared[:k]], device=device)
        cache = lm(input_ids=prompt, use_cache=True).past_key_values
        cache.batch_repeat_interleave(len(menu))
        ids, is_real, index, tokens = _pad([s._replace(ids=s.ids[k:], start=s.start - k) for s in menu], device)
        mask = torch.cat([is_real.new_ones(len(menu), k), is_real], dim=1)
        positions = k + torch.arange(ids.shape[1], device=device).expand_as(ids)
        logits, _ = _run(lm, ids, mask.long(), positions, index, past_key_values=cache)
        result.append(_pick(logits, np.arange(len(index)), tokens))
    return torch.cat(result)


def by_separate(lm: Any, rows: Rows) -> Tensor:
    """One right-padded batch of full sequences: the slow obvious version."""
    device = lm.get_input_embeddings().weight.device
    ids, is_real, index, tokens = _pad([s for row in rows for menu in row for s in menu], device)
    logits, _ = _run(lm, ids, is_real.long(), None, index)
    return _pick(logits, np.arange(len(index)), tokens)


SCORERS: dict[str, Callable[[Any, Rows], Tensor]] = {
    "forest": by_forest,
    "prompt_cache": by_prompt_cache,
    "separate": by_separate,
}


def prompt_features(lm: Any, scorer: str, prompts: list[tuple[int, ...]]) -> Tensor:
    """What the LM head would read at the last token of every prompt: float32 [N, H], without gradient."""
    with torch.no_grad():
        if scorer == "forest" and not exceeds_window(lm, max(map(len, prompts))):
            forest = grow(prompts)
            index = np.array([path[-1] for path in forest.paths])
            _, hidden = _run(lm, *_stack([forest], len(forest), lm), index)
        else:
            device = lm.get_input_embeddings().weight.device
            ids, is_real, _, _ = _pad([Sequence((*p, 0), len(p), ()) for p in prompts], device)
            index = np.array([i * ids.shape[1] + len(p) - 1 for i, p in enumerate(prompts)])
            _, hidden = _run(lm, ids, is_real.long(), None, index)
    return hidden.float()


def _run(lm: Any, ids: Tensor, mask: Tensor, positions: Tensor | None, index: np.ndarray, **cache) -> tuple[Tensor, Tensor]:
    """One forward pass. Returns at the flat positions `index`: the logits [U, V] and what the LM head read [U, H].

    The positions are chosen by a hook before the LM head, so that whatever a model does after it (soft caps, scales) is kept.
    """
    chosen = torch.as_tensor(index, device=ids.device)
    seen: list[Tensor] = []

    def select(_module, args):
        seen.append(args[0].flatten(0, 1)[chosen])
        return (seen[-1][None], *args[1:])

    extra = cache if cache else {"use_cache": False}
    if positions is not None:
        extra["position_ids"] = positions
    handle = lm.get_output_embeddings().register_forward_pre_hook(select)
    try:
        logits = lm(input_ids=ids, attention_mask=mask, **extra).logits
    finally:
        handle.remove()
    return logits[0], seen[-1]


def _pick(logits: Tensor, row: np.ndarray, tokens: list[int]) -> Tensor:
    """Log-softmax in float32 (half precision would move the first ratio by 5 to 13 %), then one entry per token."""
    log_probs = logits.float().log_softmax(dim=-1)
    at = torch.as_tensor(np.asarray(row).reshape(-1), device=logits.device)
    return log_probs[at, torch.tensor(tokens, device=logits.device)]


def _stack(forests: list[Forest], width: int, lm: Any) -> tuple[Tensor, Tensor, Tensor]:
    """ids [R, L], ancestor mask [R, 1, L, L], positions [R, L] of forests side by side; padding sees itself alone."""
    device = lm.get_input_embeddings().weight.device
    ids = np.zeros((3, len(forests), width), np.int64)
    ids[2] = np.arange(width) + 1
    for r, forest in enumerate(forests):
        ids[:, r, : len(forest)] = forest.ids, forest.depth, forest.end
    tokens, depth, end = torch.as_tensor(ids, device=device)
    i = torch.arange(width, device=device)
    may_see = (i[None, None, :] <= i[None, :, None]) & (i[None, :, None] < end[:, None, :])
    if lm.config._attn_implementation == "sdpa":
        mask = may_see[:, None]
    else:  # eager attention adds its mask: a bool one would be read as 0 and 1
        dtype = next((p.dtype for p in lm.parameters() if p.dtype.is_floating_point), torch.float32)
        mask = torch.zeros(may_see.shape, dtype=dtype, device=device)
        mask = mask.masked_fill(~may_see, torch.finfo(dtype).min)[:, None]
    return tokens, mask, depth


def _pad(sequences: list[Sequence], device: torch.device) -> tuple[Tensor, Tensor, np.ndarray, list[int]]:
    """ids and is_real [S, L], padded right; the flat positions that predict a continuation token, and those tokens."""
    fed = [s.ids[:-1] for s in sequences]
    width = max(map(len, fed))
    ids = np.zeros((len(fed), width), np.int64)
    is_real = np.zeros((len(fed), width), bool)
    for i, path in enumerate(fed):
        ids[i, : len(path)] = path
        is_real[i, : len(path)] = True
    index = [i * width + p for i, s in enumerate(sequences) for p in range(s.start - 1, len(s.ids) - 1)]
    tokens = [t for s in sequences for t in s.continuation]
    return torch.as_tensor(ids, device=device), torch.as_tensor(is_real, device=device), np.array(index), tokens


# Which of the three is right for this model ------------------------------------------------------------------------------


class Probe(NamedTuple):
    """What the load-time probe found: the scorer to use, its largest errors against `separate`, why others were refused."""

    scorer: str
    value_error: float
    gradient_error: float
    refused: dict[str, str]

    def __str__(self) -> str:
        found = f"{self.scorer} (value error {self.value_error:.1e} nats, gradient error {self.gradient_error:.1e})"
        return "; ".join([found, *(f"{name} refused: {why}" for name, why in self.refused.items())])


def probe(lm: Any, menus: list[list[Sequence]], candidates: tuple[str, ...] = ("forest", "prompt_cache")) -> Probe:
    """Compare each scorer with separate sequences on real menus, values and gradients; the first equal one is chosen."""
    dtype = next((p.dtype for p in lm.parameters() if p.dtype.is_floating_point), torch.float32)
    weights = [p for p in lm.parameters() if p.requires_grad][:16]
    refused: dict[str, str] = {}
    with _deterministic(lm):
        expected, expected_gradient = _evaluate(lm, by_separate, menus, weights)
        for name in candidates:
            longest = max(len(s.ids) - 1 for menu in menus for s in menu)
            if name == "forest" and exceeds_window(lm, longest):
                refused[name] = f"a path of {longest} tokens is longer than the attention window {attention_window(lm)}"
                continue
            try:
                got, gradient = _evaluate(lm, SCORERS[name], menus, weights)
            except (TypeError, ValueError, RuntimeError, IndexError, AttributeError, AssertionError, KeyError) as error:
                refused[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
                continue
            value_error = (got - expected).abs().max().item()
            gradient_error = (gradient - expected_gradient).norm().item() / max(expected_gradient.norm().item(), 1e-8)
            if value_error <= VALUE_TOLERANCE.get(dtype, HALF_TOLERANCE) and gradient_error <= GRADIENT_TOLERANCE.get(
                dtype, HALF_GRADIENT_TOLERANCE
            ):
                return Probe(name, value_error, gradient_error, refused)
            refused[name] = f"differs from separate sequences (value {value_error:.1e}, gradient {gradient_error:.1e})"
    return Probe("separate", 0.0, 0.0, refused)


def _evaluate(lm: Any, scorer: Callable, menus: list[list[Sequence]], weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Token log-probabilities and the gradient, flattened, of their alternating sum."""
    learns = bool(weights) and not torch.is_inference_mode_enabled()
    with torch.set_grad_enabled(learns):
        values = scorer(lm, [menus])
        if not learns:
            return values, torch.zeros(1)
        signs = torch.ones_like(values)
        signs[::2] = -0.5
        gradients = torch.autograd.grad((values * signs).sum(), weights, allow_unused=True)
    flat = [g.detach().float().flatten().cpu() for g in gradients if g is not None]
    return values.detach(), torch.cat(flat) if flat else torch.zeros(1)


@contextmanager
def _deterministic(lm: Any) -> Iterator[None]:
    """Dropout off while two passes are compared, everything else (train mode, checkpointing) as it will be used."""
    dropouts = [m for m in lm.modules() if isinstance(m, torch.nn.Dropout) and m.training]
    for module in dropouts:
        module.eval()
    try:
        yield
    finally:
        for module in dropouts:
            module.train()


def attention_window(lm: Any) -> int | None:
    """The shortest sliding or chunked attention window of the model's layers, None where all attention is full."""
    config = lm.config.get_text_config() if hasattr(lm.config, "get_text_config") else lm.config
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and all(kind == "full_attention" for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    names = ("sliding_window", "attention_chunk_size", "window_size")
    windows = [w for w in (getattr(config, name, None) for name in names) if isinstance(w, int) and w > 0]
    return min(windows, default=None)


def exceeds_window(lm: Any, tokens: int) -> bool:
    """Whether a path of so many tokens is longer than a window, which a 4D mask would override in silence."""
    window = attention_window(lm)
    return window is not None and tokens > window
