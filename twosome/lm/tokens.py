"""Where the prompt ends and the action begins, in tokens; which tokens belong to which word.

The whole text is encoded, once per action, and then cut at the prompt's end: the continuation is every token
that covers at least one character after the prompt. So a piece that merges the prompt's last character with
the action's first counts to the action, and `encode(prompt) + encode(action)`, which no model has seen, never
arises.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from twosome.errors import ContextLengthError, MenuError, ModelError
from twosome.types import EncodedAction, Tokenizer

KEPT_IDS = 2_000_000  # token ids of encoded menus that are kept, about 20 MB
TOGETHER = (
    64  # texts that a tokenizer is given at once: what it tells of each (ids, offsets, masks) is many times its ids
)


def join(prompt: str, action: str, joint: str = " ") -> tuple[str, int]:
    """The text of an action after a prompt and the character where the prompt ends.

    They are joined by `joint` unless the prompt already ends in white space; spaces at the prompt's end
    belong to the action.

    >>> join("Next action:", "chop the tomato")
    ('Next action: chop the tomato', 12)
    """
    if prompt and not prompt[-1].isspace():
        return prompt + joint + action, len(prompt)
    return prompt + action, len(prompt.rstrip(" "))


def check_menu(prompt: str, menu: tuple[str, ...]) -> None:
    """Raise `MenuError` for a menu that is empty or holds an empty, duplicate or non-text action."""
    if not isinstance(prompt, str):
        raise MenuError(f"Expected the prompt as str, got {type(prompt).__name__}: {prompt!r}.")
    if isinstance(menu, str):
        raise MenuError(f"Expected a menu, a sequence of action phrases, got one string {menu!r}. Put it in a list.")
    _check_text(prompt, "The prompt")
    if len(menu) == 0:
        raise MenuError(f"Empty menu: at least one legal action is needed. The prompt is {_short(prompt)}.")
    seen: dict[str, int] = {}
    for i, action in enumerate(menu):
        if not isinstance(action, str):
            raise MenuError(f"Action {i} of the menu is {type(action).__name__} {action!r}, expected a phrase (str).")
        _check_text(action, f"Action {i} of the menu")
        phrase = " ".join(action.split())
        if not phrase:
            raise MenuError(f"Action {i} of the menu is empty ({action!r}). The prompt is {_short(prompt)}.")
        if phrase in seen:
            raise MenuError(
                f"Duplicate action {phrase!r} at {seen[phrase]} and {i} of the menu: their probabilities "
                f"would be counted twice. Merge them, or word them apart. The prompt is {_short(prompt)}."
            )
        seen[phrase] = i


def _check_text(text: str, what: str) -> None:
    """Half a surrogate pair is no text: UTF-8 cannot write it, and tokenizers raise errors of any kind."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MenuError(
            f"{what} holds half a surrogate pair at character {error.start}, which is no text: {_short(text)}. "
            "Decode it properly where it comes from."
        ) from None


def encode(
    tokenizer: Tokenizer,
    prompt: str,
    menu: tuple[str, ...],
    max_tokens: int | None = None,
    vocabulary: int | None = None,
    joint: str = " ",
) -> list[EncodedAction]:
    """The tokens of every action of the menu, after the prompt and the `joint`.

    Works with and without BOS, prefix space, offsets; a prompt that begins with BOS itself gets no second
    one. Raises `MenuError` for a menu that cannot be scored (also an action that encodes to nothing) and
    `ContextLengthError` when prompt + action exceed `max_tokens`.
    """
    check_menu(prompt, menu)
    joined = [join(prompt, action.strip(), joint) for action in menu]
    spans = _spans(tokenizer, (text for text, _ in joined)) if tokenizer.is_fast else None
    sequences = []
    for action, (text, cut) in zip(menu, joined, strict=True):
        if spans is not None:
            ids, ends = next(spans)
            start = next((k for k, end in enumerate(ends) if end > cut), len(ids))
        else:
            ids, start, ends = _without_offsets(tokenizer, text, cut)
        if start == len(ids):
            raise MenuError(f"Action {action!r} encodes to no token with this tokenizer; word it differently.")
        if start == 0:
            ids, start = (_first_token(tokenizer, prompt), *ids), 1
            ends = (0, *ends)
        if max_tokens is not None and len(ids) > max_tokens:
            raise ContextLengthError(
                f"Prompt and action need {len(ids)} tokens ({start} + {len(ids) - start}), the model's "
                f"context holds {max_tokens}. Shorten the prompt or use a model with a longer context. "
                f"Action {action!r}, prompt {_short(prompt)}."
            )
        _check_ids(ids, vocabulary)
        sequences.append(EncodedAction(tuple(ids), start, _words(text, cut, ends[start:])))
    if len({s.ids for s in sequences}) < len(sequences):
        raise _alike(menu, sequences)
    return sequences


def _alike(menu: tuple[str, ...], sequences: list[EncodedAction]) -> MenuError:
    """The error of two actions that a tokenizer makes the same, as one that makes all letters small."""
    first: dict[tuple[int, ...], str] = {}
    for action, sequence in zip(menu, sequences, strict=True):
        if (other := first.setdefault(sequence.ids, action)) is not action:
            break
    return MenuError(
        f"Actions {_short(other)} and {_short(action)} of the menu are the same tokens with this tokenizer, so the "
        "model cannot tell them apart, and their probabilities would be counted twice. Word them apart, in more than "
        "case, accents or signs that it does not know."
    )


class Encoder:
    """`encode` with a cache: decisions come again and again. `keep` False encodes every time.

    Bounded by the token ids it holds; the oldest menus leave first.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int | None = None,
        vocabulary: int | None = None,
        *,
        keep: bool = True,
        capacity: int = KEPT_IDS,
        joint: str = " ",
    ):
        self.tokenizer, self.max_tokens, self.vocabulary = tokenizer, max_tokens, vocabulary
        self.keep, self.capacity, self.joint = keep, capacity, joint
        self.held = 0
        self._kept: OrderedDict[tuple[str, tuple[str, ...]], list[EncodedAction]] = OrderedDict()

    def __call__(self, prompt: str, menu: tuple[str, ...]) -> list[EncodedAction]:
        """The tokens of every action of the menu. Raises as `encode` does."""
        if (prompt, menu) in self._kept:
            return self._kept[prompt, menu]
        sequences = encode(self.tokenizer, prompt, menu, self.max_tokens, self.vocabulary, self.joint)
        if self.keep:
            self._kept[prompt, menu] = sequences
            self.held += sum(len(s.ids) for s in sequences)
            while self.held > self.capacity and len(self._kept) > 1:
                self.held -= sum(len(s.ids) for s in self._kept.popitem(last=False)[1])
        return sequences


def encode_prompt(
    tokenizer: Tokenizer, prompt: str, max_tokens: int | None = None, vocabulary: int | None = None
) -> tuple[int, ...]:
    """The tokens of a prompt alone, as `encode` begins with them where nothing merges over the boundary."""
    ids = _encode_one(tokenizer, prompt.rstrip(" ")) or (_first_token(tokenizer, prompt),)
    if max_tokens is not None and len(ids) > max_tokens:
        raise ContextLengthError(
            f"The prompt needs {len(ids)} tokens, the model's context holds {max_tokens}. Shorten it or use "
            f"a model with a longer context. The prompt is {_short(prompt)}."
        )
    _check_ids(ids, vocabulary)
    return ids


def unconditional(tokenizer: Tokenizer, sequences: Sequence[EncodedAction]) -> list[EncodedAction]:
    """The same continuations after no prompt at all: only the token that begins a text."""
    first = _first_token(tokenizer, "")
    return [EncodedAction((first, *s.continuation), 1, s.words) for s in sequences]


def _spans(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ids and character ends of every text, without special tokens after the last character.

    Equal ids are one object, since texts of a menu begin alike: Python's numbers beyond 256 weigh more than a place in
    a tuple.
    """
    known: dict[int, int] = {}
    waiting = iter(texts)
    while part := list(itertools.islice(waiting, TOGETHER)):
        batch = tokenizer(part, return_offsets_mapping=True, return_special_tokens_mask=True)
        for ids, offsets, special in zip(
            batch["input_ids"], batch["offset_mapping"], batch["special_tokens_mask"], strict=True
        ):
            n = len(ids)
            while n and special[n - 1] and offsets[n - 1][0] == offsets[n - 1][1]:
                n -= 1
            first = _doubled(tokenizer, ids)
            own = ids[first:n]
            yield tuple(map(known.setdefault, own, own)), tuple(end for _, end in offsets[first:n])


def _encode_one(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Ids of a text without the special tokens after its end; those that the text itself ends with stay."""
    if tokenizer.is_fast:
        return next(_spans(tokenizer, [text]))[0]
    ids = tuple(tokenizer(text)["input_ids"])
    return ids[_doubled(tokenizer, ids) : len(ids) - _closing(tokenizer)]


def _doubled(tokenizer: Tokenizer, ids: Sequence[int]) -> int:
    """1 where the tokenizer put BOS before a text that begins with it, as chat templates do; else 0."""
    return int(len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id)


def _closing(tokenizer: Tokenizer) -> int:
    """How many special tokens a slow tokenizer puts after a text: what two different texts end with alike."""
    ends = zip(*(reversed(tokenizer(text)["input_ids"]) for text in ("a", "", "b")), strict=False)
    return len(list(itertools.takewhile(lambda ids: len(set(ids)) == 1 and ids[0] != tokenizer.bos_token_id, ends)))


def _without_offsets(tokenizer: Tokenizer, text: str, cut: int) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """For slow tokenizers: the boundary is where the prompt's tokens and the whole's differ; ends by prefixes."""
    ids = _encode_one(tokenizer, text)

    def shared(prefix: str) -> int:
        own = _encode_one(tokenizer, prefix)
        return next((k for k, (a, b) in enumerate(zip(own, ids, strict=False)) if a != b), min(len(own), len(ids)))

    start = shared(text[:cut])
    ends, position, done = [0] * start, cut, start
    while position < len(text):
        stop = position + len(text[position:]) - len(text[position:].lstrip())
        stop = next((k for k in range(stop, len(text)) if text[k].isspace()), len(text))
        reach = len(ids) if stop == len(text) else max(done, shared(text[:stop]))
        ends += [stop] * (reach - done)
        position, done = stop, reach
    return ids, start, tuple(ends)


def _words(text: str, cut: int, ends: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """For every word after `cut` the range of its tokens; a token counts where its last character is."""
    spans = []
    position, token = cut, 0
    for word in text[cut:].split():
        position = text.index(word, position) + len(word)
        first = token
        while token < len(ends) and ends[token] <= position:
            token += 1
        spans.append((first, token))
    if token < len(ends):  # white space or special pieces after the last word
        spans[-1] = (spans[-1][0], len(ends))
    return tuple(spans)


def _first_token(tokenizer: Tokenizer, prompt: str) -> int:
    """The token that begins a text; needed where the first token of the action has nothing before it."""
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return token
    raise MenuError(
        f"The prompt {_short(prompt)} encodes to no token and this tokenizer has neither BOS nor EOS to "
        "begin with, so the first token of an action has no probability. Give a prompt of at least one token."
    )


def _check_ids(ids: Sequence[int], vocabulary: int | None) -> None:
    """A token that the model has no embedding for would end a CUDA process without a message."""
    if vocabulary is not None and max(ids) >= vocabulary:
        raise ModelError(
            f"The tokenizer gives token id {max(ids)}, but the model knows {vocabulary} tokens: they do not belong "
            "together. Load the tokenizer from the model's own folder."
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= 160 else f"{text[:80]} ... {text[-60:]}")
