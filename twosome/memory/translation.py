"""One task in the words of another: what stands at the same place of two goals stands for each other. Pure.

    Heat up the pancake in the microwave.         pancake     <->  clothes
    Heat up the clothes in the washing machine.   microwave   <->  washing machine

With these words a scene of laundry is told as one of food preparation, where it may have been met; so are its actions.
Goals that have too little in common are of tasks that are not alike, and nothing is translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import lru_cache


class Translation:
    """Words for words, all at once; at the beginning of a word, so that plurals follow. The empty one changes nothing.

    >>> Translation({"chair": "lamp", "lamp": "chair"})("Two chairs, and a lamp.")
    'Two lamps, and a chair.'
    """

    def __init__(self, words: Mapping[str, str]):
        self.words = dict(words)
        longest_first = sorted(self.words, key=lambda word: (-len(word), word))
        self._pattern = re.compile(r"\b(" + "|".join(map(re.escape, longest_first)) + r")(?=(?:e?s)?\b)")

    def __call__(self, text: str) -> str:
        """The text in the other words."""
        return self._pattern.sub(lambda found: self.words[found[1]], text) if self.words else text


@lru_cache(maxsize=2**12)
def translation(goal: str, other: str, alike: float) -> Translation:
    """From the words of the task of one goal to those of another's.

    `alike`: the share of their words that the goals must have in common, else nothing is translated; at 1 nothing ever
    is. One word stands for one: where a word of the other task is not of this one, it is told by what it pushed out.
    """
    ours, theirs = _words(goal), _words(other)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.ratio() < alike:
        return Translation({})
    words: dict[str, str] = {}
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind != "replace":
            continue
        for old, new in _pairs(ours[i1:i2], theirs[j1:j2]):
            if old not in words and new not in words.values():
                words[old] = new
    back = {new: old for old, new in words.items()}
    for new in [new for new in back if new not in words]:
        end = new
        while end in back:
            end = back[end]
        words[new] = end
    return Translation(words)


def _pairs(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    """Word for word where they are as many, else as a whole."""
    if len(old) == len(new):
        return list(zip(old, new, strict=True))
    return [(" ".join(old), " ".join(new))]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)
