"""Search in a few short texts by BM25, the ranking of SQLite's full text search (FTS5), here in plain Python.

    score(text) = sum over the words w of the query of
                  idf(w) f (k1 + 1) / (f + k1 (1 - b + b length / mean length)),   f: how often the text holds w
    idf(w)      = log((N - n + 1/2) / (n + 1/2)), at least 1e-6;                   n of N texts hold w

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework (2009); k1, b and the least idf as in FTS5.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

K1, B, LEAST_IDF = 1.2, 0.75, 1e-6


def words(text: str) -> list[str]:
    """The words of a text, in small letters.

    >>> words("The price of the lamp is 347.")
    ['the', 'price', 'of', 'the', 'lamp', 'is', '347']
    """
    return re.findall(r"[^\W_]+", text.casefold())


class Index:
    """Texts that can be searched; they do not change."""

    def __init__(self, texts: Sequence[str]):
        counts = [Counter(words(text)) for text in texts]
        lengths = [count.total() for count in counts]
        mean = sum(lengths) / len(texts) if texts else 0.0
        self._weights = [K1 * (1 - B + B * length / mean) if mean else K1 for length in lengths]
        # Of every word the texts that hold it, and how often.
        self._holding: dict[str, list[tuple[int, int]]] = {}
        for k, count in enumerate(counts):
            for word, n in count.items():
                self._holding.setdefault(word, []).append((k, n))

    def search(self, query: str, most: int = 1) -> tuple[int, ...]:
        """The positions of the texts that fit best, the best first and of equal ones the first; at most `most`.

        A text that holds no word of the query is not among them.
        """
        scores: dict[int, float] = {}
        for word in dict.fromkeys(words(query)):
            holding = self._holding.get(word, [])
            n = len(holding)
            idf = max(math.log((len(self._weights) - n + 0.5) / (n + 0.5)), LEAST_IDF)
            for k, f in holding:
                scores[k] = scores.get(k, 0.0) + idf * f * (K1 + 1) / (f + self._weights[k])
        return tuple(sorted(scores, key=lambda k: (-scores[k], k))[:most])
