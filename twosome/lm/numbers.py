"""The numbers that a text names, as numbers: what a frozen model's states blur, a critic may need. Pure.

Each stands in the place that the word beside it names (by a hash): the word behind it, or the one before it at the end
of a sentence. `No notes` is a number too.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

PLACES = 32
TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[.?!,;:\n]")
NONE = ("no", "none")


def numbers(texts: Sequence[str]) -> Tensor:
    """Of every text, log(1 + number) at the place of the word beside it, the last one of a place: float32 [N, PLACES].

    >>> row = numbers(["Asking costs 1. No notes. 24 questions left."])[0]
    >>> sorted(round(float(x), 2) for x in row[row > 0])
    [0.69, 3.22]
    """
    found = torch.zeros(len(texts), PLACES)
    for row, text in zip(found, texts, strict=True):
        tokens = TOKEN.findall(text)
        for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
            if token[0].isdigit() or token.lower() in NONE:
                word = after if after[:1].isalpha() else before
                value = float(token[:30]) if token[0].isdigit() else 0.0
                row[zlib.crc32(word.lower().rstrip("s").encode()) % PLACES] = math.log1p(min(value, 1e9))
    return found
