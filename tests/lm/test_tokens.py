"""Where the prompt ends and the action begins, for every kind of tokenizer; built here, nothing is downloaded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_zoo import KINDS, byte_level
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from twosome.errors import ContextLengthError, MenuError
from twosome.lm import tokens
from twosome.lm.tokens import encode, encode_prompt, join, unconditional

PROMPT = "You see a tomato and a plate. Next action:"
MENU = ("chop the tomato", "walk to the fridge", "wait", "épluche une pomme", "pick up 12 plates!", "chop")
BUILT = {}


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return built(request.param)


def built(kind):
    if kind not in BUILT:
        BUILT[kind] = KINDS[kind]()
    return BUILT[kind]


def whole(tokenizer, text):
    """The whole text's ids without what closes a text."""
    ids = list(tokenizer(text)["input_ids"])
    while ids and ids[-1] == tokenizer.eos_token_id:
        ids.pop()
    return ids


def check(tokenizer, prompt, menu):
    for action, s in zip(menu, encode(tokenizer, prompt, tuple(menu)), strict=True):
        text, _ = join(prompt, action)
        ids = whole(tokenizer, text)
        offset = len(s.ids) - len(ids)
        assert list(s.ids[offset:]) == ids, "prompt and action are encoded as one text"
        assert 1 <= s.start < len(s.ids)
        assert len(s.words) == len(action.split())
        assert s.words[0][0] == 0
        assert s.words[-1][1] == len(s.continuation)
        assert all(a[1] == b[0] for a, b in zip(s.words, s.words[1:], strict=False)), "spans tile the continuation"
        if tokenizer.is_fast:
            _check_boundary(tokenizer, text, len(prompt.rstrip(" ")), s, offset)


def _check_boundary(tokenizer, text, cut, s, offset):
    ends = [e for _, e in tokenizer(text, return_offsets_mapping=True)["offset_mapping"]][: len(s.ids) - offset]
    assert all(end <= cut for end in ends[: s.start - offset])
    assert all(end > cut for end in ends[s.start - offset :]), "every token after the boundary reaches into the action"
    done = 0
    for (first, last), word in zip(s.words, text[cut:].split(), strict=True):
        done = text.index(word, max(done, cut)) + len(word)
        assert all(end <= done for end in ends[s.start - offset + first : s.start - offset + last])


def test_boundary(tokenizer):
    check(tokenizer, PROMPT, MENU)
    check(tokenizer, PROMPT + "\n", MENU)
    check(tokenizer, PROMPT + " ", MENU)
    check(tokenizer, "crème café", MENU)


words = st.text("abtomelz é'!:3", min_size=1, max_size=8).filter(lambda s: s.strip())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.lists(words, min_size=1, max_size=6), st.lists(words, min_size=1, max_size=4))
def test_boundary_of_random_text(kind, prompt, action):
    if kind == "slow, characters":
        prompt, action = ([w.replace("é", "e") for w in x] for x in (prompt, action))
    check(built(kind), " ".join(prompt), [" ".join(" ".join(action).split())])


def test_continuation_decodes_to_the_action(tokenizer):
    for action, s in zip(MENU, encode(tokenizer, PROMPT, MENU), strict=True):
        decoded = tokenizer.decode(list(s.continuation)).strip()
        if "no accents" in tokenizer_name(tokenizer):
            decoded, action = decoded.replace(" ", ""), "epluche une pomme" if "é" in action else action
            assert decoded == action.replace(" ", "") or "[UNK]" in decoded
        elif "merges over spaces" not in tokenizer_name(tokenizer):
            assert decoded.replace("▁", " ").strip() == action or "<unk>" in decoded


def tokenizer_name(tokenizer):
    return next(name for name, t in BUILT.items() if t is tokenizer)


def test_a_trailing_space_of_the_prompt_belongs_to_the_action():
    for kind in KINDS:
        with_space, without = (encode(built(kind), p, MENU) for p in (PROMPT + " ", PROMPT))
        assert with_space == without, kind


def test_an_action_that_merges_with_the_prompt():
    """A vocabulary in which `: chop` is one piece: it counts to the action, and the prompt ends before it."""
    backend = Tokenizer(
        models.BPE(
            vocab={
                c: i
                for i, c in enumerate(
                    ["n", "e", "x", "t", ":", "Ġ", "c", "h", "o", "p", "ch", "op", "chop", "Ġchop", ":Ġchop", "</s>"]
                )
            },
            merges=[("c", "h"), ("o", "p"), ("ch", "op"), ("Ġ", "chop"), (":", "Ġchop")],
        )
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    (s,) = encode(tokenizer, "next:", ("chop",))
    assert tokenizer.convert_ids_to_tokens(list(s.ids)) == ["n", "e", "x", "t", ":Ġchop"]
    assert s.start == 4
    assert s.words == ((0, 1),)
    assert list(s.ids) != tokenizer("next:")["input_ids"] + tokenizer(" chop")["input_ids"]


def test_words_of_a_token_that_spans_two():
    """A token over `the tomato` counts to the word of its last character; the other word has none, and still counts."""
    tokenizer = built("byte-level, merges over spaces")
    (s,) = encode(tokenizer, "The kitchen has a tomato", ("on the counter",))
    assert len(s.words) == 3
    assert s.words[-1][1] == len(s.continuation)


@pytest.mark.parametrize("kind", ["lower-casing", "lower-casing, no accents"])
def test_what_a_tokenizer_makes_small_keeps_its_boundary_and_is_not_counted_twice(kind):
    """Letters that are longer when small, one of them at the boundary; phrases that become the same are refused."""
    check(built(kind), "İSTANBUL ﬁ Straße ẞ", ("İİ ﬁsh", "CHOP THE İ", "ǅ x"))
    check(built(kind), "the İ", ("İ", "Chop", "CHOPPED"))
    with pytest.raises(MenuError, match="Actions 'Chop it' and 'chop IT' of the menu are the same tokens"):
        encode(built(kind), PROMPT, ("wait", "Chop it", "chop IT"))
    assert encode(built("byte-level"), PROMPT, ("wait", "Chop it", "chop IT"))


def test_bos_and_eos():
    plain, bos, both = (built(k) for k in ("byte-level", "byte-level, bos", "byte-level, bos and eos"))
    for tokenizer in (bos, both):
        assert encode_prompt(tokenizer, PROMPT)[0] == tokenizer.bos_token_id
        assert encode_prompt(tokenizer, PROMPT)[-1] != tokenizer.eos_token_id
        assert all(s.ids[-1] != tokenizer.eos_token_id for s in encode(tokenizer, PROMPT, MENU))
    assert plain.bos_token_id is None
    slow = built("slow, characters")
    assert encode_prompt(slow, "ab") == (100, 101)


def test_an_empty_prompt_starts_with_the_token_that_begins_a_text():
    for kind in KINDS:
        tokenizer = built(kind)
        for s in encode(tokenizer, "", MENU):
            assert s.start >= 1
            assert s.ids[0] == (
                tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
            )
        assert len(encode_prompt(tokenizer, "")) == 1


def test_special_tokens_of_the_prompt_stay():
    tokenizer = built("qwen")
    ids = encode_prompt(tokenizer, "<|im_start|>You see a plate.<|im_end|>")
    assert ids[0] == tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    (s,) = encode(tokenizer, "<|im_end|>", ("chop",))
    assert s.ids[0] == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_the_prompt_alone_is_how_its_actions_begin():
    for kind in KINDS:
        if "merges" in kind:
            continue
        alone = encode_prompt(built(kind), PROMPT)
        for s in encode(built(kind), PROMPT, MENU):
            assert s.ids[: s.start] == alone, kind


def test_unconditional_keeps_the_tokens_and_drops_the_prompt(tokenizer):
    menu = encode(tokenizer, PROMPT, MENU)
    for s, alone in zip(menu, unconditional(tokenizer, menu), strict=True):
        assert alone.continuation == s.continuation
        assert alone.words == s.words
        assert alone.start == 1


def test_the_encoder_caches_within_its_bound():
    calls = []

    class Counting:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def __call__(self, *args, **kwargs):
            calls.append(args)
            return self.inner(*args, **kwargs)

    tokenizer = Counting(built("qwen"))
    prompts = [f"{PROMPT} {k}" for k in range(30)]
    size = sum(len(s.ids) for s in encode(tokenizer, prompts[20], MENU))
    encoder = tokens.Encoder(tokenizer, capacity=5 * size)
    first = [encoder(p, MENU) for p in prompts]
    assert encoder.held <= 5 * size
    n = len(calls)
    assert encoder(prompts[-1], MENU) == first[-1]
    assert len(calls) == n
    assert encoder(prompts[0], MENU) == first[0], "what was evicted is encoded again"
    assert len(calls) > n
    uncached = tokens.Encoder(tokenizer, keep=False)
    assert uncached(prompts[0], MENU) == uncached(prompts[0], MENU)
    assert uncached.held == 0


@pytest.mark.parametrize(
    ("prompt", "menu", "said"),
    [
        (PROMPT, (), "Empty menu.*You see a tomato"),
        (PROMPT, ("chop", ""), r"Action 1 of the menu is empty"),
        (PROMPT, ("chop", " \n"), r"Action 1 of the menu is empty"),
        (PROMPT, ("chop", "wait", "chop"), r"Duplicate action 'chop' at 0 and 2"),
        (PROMPT, ("chop it", "chop  it"), r"Duplicate action 'chop it'"),
        (PROMPT, ("chop", 3), r"Action 1 of the menu is int"),
        (PROMPT, "chop", r"one string 'chop'"),
        (None, ("chop",), r"prompt as str, got NoneType"),
    ],
)
def test_errors_of_menus(prompt, menu, said):
    with pytest.raises(MenuError, match=said):
        encode(built("qwen"), prompt, menu)


def test_an_action_that_encodes_to_nothing():
    backend = Tokenizer(models.WordLevel({"chop": 0, "<s>": 1}, unk_token="<s>"))
    backend.normalizer = normalizers.Replace("*", "")
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")
    with pytest.raises(MenuError, match=r"'\*\*' encodes to no token"):
        encode(tokenizer, "chop", ("chop", "**"))


def test_a_prompt_with_nothing_before_the_first_token():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level().backend_tokenizer)
    with pytest.raises(MenuError, match="neither BOS nor EOS"):
        encode(tokenizer, "", ("chop",))


def test_too_long_names_the_numbers_and_the_remedy():
    tokenizer = built("qwen")
    longest = max(len(s.ids) for s in encode(tokenizer, PROMPT, MENU))
    encode(tokenizer, PROMPT, MENU, longest)
    with pytest.raises(ContextLengthError, match=rf"need {longest} tokens .* context holds {longest - 1}\. Shorten"):
        encode(tokenizer, PROMPT, MENU, longest - 1)
    with pytest.raises(ContextLengthError, match="The prompt needs"):
        encode_prompt(tokenizer, PROMPT, 3)
