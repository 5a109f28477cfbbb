"""Token log-probabilities -> action scores -> action log-probabilities. Pure; knows nothing of models or tokenizers.

score(a)  = sum of the log-probabilities of a's tokens / n(a)        n: words | tokens | 1
unconditional: (log p(a | prompt) - log p(a)) / words, what the prompt adds to the phrase
log pi(a) = log softmax over the menu of (score / temperature + bias)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from twosome.types import EncodedAction


def sum_tokens(token_log_probs: Float[Tensor, " E"], owner: Int[Tensor, " E"], n_actions: int) -> Float[Tensor, " A"]:
    """Sum every action's token log-probabilities; `owner` gives the action of each token."""
    return token_log_probs.new_zeros(n_actions).index_add(0, owner, token_log_probs)


def menu_log_probs(
    token_log_probs: Float[Tensor, " E"],
    menus: Sequence[Sequence[EncodedAction]],
    normalization: str,
    temperature: float = 1.0,
    bias: Sequence[Sequence[float]] = (),
) -> Float[Tensor, "N M"]:
    """Token log-probabilities, menu after menu and action after action, -> action log-probabilities of every menu.

    For `unconditional` each menu is followed by the same continuations scored after no prompt. `bias`: log-weights of
    every menu's actions, an empty one adds nothing.
    """
    doubled = normalization == "unconditional"
    device = token_log_probs.device
    counts = torch.tensor([len(s.continuation) for menu in menus for _ in range(1 + doubled) for s in menu])
    owner = torch.repeat_interleave(torch.arange(len(counts)), counts).to(device)
    sums = sum_tokens(token_log_probs, owner, len(counts))
    sizes = [len(menu) for menu in menus]
    if doubled:
        after_prompt, alone = zip(*(part.chunk(2) for part in sums.split([2 * n for n in sizes])), strict=True)
        sums = torch.cat(after_prompt) - torch.cat(alone)
    scores = sums / lengths(menus, normalization).to(device)
    if temperature != 1.0:
        scores = scores / temperature
    if any(bias):
        weights = [x for row, n in zip(bias, sizes, strict=True) for x in (row or (0.0,) * n)]
        scores = scores + torch.tensor(weights, dtype=scores.dtype, device=device)
    return log_softmax_menus(scores, sizes)


def lengths(menus: Sequence[Sequence[EncodedAction]], normalization: str) -> Float[Tensor, " A"]:
    """What the sum of an action's token log-probabilities is divided by: its words, its tokens or 1."""
    count = {"sum": lambda s: 1, "token": lambda s: len(s.continuation)}.get(normalization, lambda s: len(s.words))
    return torch.tensor([float(count(s)) for menu in menus for s in menu])


def log_softmax_menus(scores: Float[Tensor, " A"], sizes: Sequence[int]) -> Float[Tensor, "N M"]:
    """Log-softmax of every menu. `scores` holds the menus one after another; rows are padded with -inf to the longest.

    >>> log_softmax_menus(torch.zeros(3), [2, 1]).exp()
    tensor([[0.5000, 0.5000],
            [1.0000, 0.0000]])
    """
    return pad_menus(scores, sizes).log_softmax(dim=1)


def pad_menus(values: Float[Tensor, " A"], sizes: Sequence[int]) -> Float[Tensor, "N M"]:
    """Menus one after another -> one row each, padded with -inf."""
    return torch.nn.utils.rnn.pad_sequence(list(values.split(list(sizes))), batch_first=True, padding_value=-torch.inf)
