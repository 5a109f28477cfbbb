"""Tokenizers of every kind, trained here on a few sentences; nothing is downloaded."""

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXT = [
    "The kitchen has a tomato on the counter and a cutting board. Next action:",
    "Goal: make a tomato salad. You carry nothing. You see a plate. Next action: chop the tomato",
    "walk to the fridge, pick up the lettuce, put the plate on the counter, serve the dish, wait, do nothing",
    "La cuisinière épluche une pomme verte; naïve café crème. 12 plates, 3 knives!",
] * 4


def trained(model, trainer, *, pre=None, normal=None, post=None, decoder=None, specials=(), **wrapped):
    backend = Tokenizer(model)
    backend.pre_tokenizer, backend.normalizer, backend.decoder = pre, normal, decoder
    backend.train_from_iterator(TEXT, trainer)
    if specials:
        backend.add_special_tokens([AddedToken(s, special=True) for s in specials])
    if post:
        backend.post_processor = post(backend)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **wrapped)


def template(single, *names):
    def build(backend):
        return processors.TemplateProcessing(single=single, special_tokens=[(n, backend.token_to_id(n)) for n in names])

    return build


def byte_level(size=320, *, prefix=False, trim=True, regex=True, bos=False, eos=False):
    names = ["<|bos|>"] * bos + ["<|end|>"]
    single = ("<|bos|> " if bos else "") + "$A" + (" <|end|>" if eos else "")
    return trained(
        models.BPE(),
        trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=names,
            show_progress=False,
        ),
        pre=pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex, trim_offsets=trim),
        decoder=decoders.ByteLevel(),
        post=template(single, *names) if bos or eos else None,
        **({"bos_token": "<|bos|>"} if bos else {}),
        eos_token="<|end|>",
    )


def metaspace(scheme, *, split=True, model=None):
    return trained(
        model or models.BPE(unk_token="<unk>", byte_fallback=True),
        (trainers.UnigramTrainer if model else trainers.BpeTrainer)(
            vocab_size=300,
            special_tokens=["<unk>", "<s>", "</s>"],
            show_progress=False,
            **({"unk_token": "<unk>"} if model else {}),
        ),
        pre=pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split),
        decoder=decoders.Metaspace(prepend_scheme=scheme),
        post=template("<s> $A", "<s>"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def llama_legacy():
    """Llama 2: the text gets a `▁` in front and spaces become `▁` in the normaliser; no splitting, byte fallback."""
    backend_trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))],
        show_progress=False,
    )
    return trained(
        models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        backend_trainer,
        normal=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoder=decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        ),
        post=template("<s> $A", "<s>"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def qwen_like():
    """Byte-level BPE behind a regular-expression split and NFC, no BOS, chat tokens."""
    return trained(
        models.BPE(),
        trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
        normal=normalizers.NFC(),
        pre=pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(_qwen_pattern(), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        decoder=decoders.ByteLevel(),
        specials=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        eos_token="<|endoftext|>",
    )


def lower_casing():
    """Byte-level BPE that makes all letters small."""
    return trained(
        models.BPE(),
        trainers.BpeTrainer(
            vocab_size=320,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<|end|>"],
            show_progress=False,
        ),
        normal=normalizers.Lowercase(),
        pre=pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
        eos_token="<|end|>",
    )


def bert_like():
    """WordPiece after BERT's normaliser, which makes letters small and takes their accents; closed by [SEP]."""
    return trained(
        models.WordPiece(unk_token="[UNK]"),
        trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False),
        normal=normalizers.BertNormalizer(),
        pre=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece(),
        post=template("[CLS] $A [SEP]", "[CLS]", "[SEP]"),
        bos_token="[CLS]",
        eos_token="[SEP]",
        unk_token="[UNK]",
    )


def _qwen_pattern():
    from tokenizers import Regex

    return Regex(r"\p{N}|[^\r\n\p{L}\p{N}]?\p{L}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def character_slow():
    """A tokenizer in Python, without offsets: one token per character, closed by EOS."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer(extra_ids=0)


def greedy_slow():
    """A tokenizer in Python, without offsets: BOS, and the longest piece at every place, spaces inside pieces."""
    from transformers import PreTrainedTokenizer

    class Greedy(PreTrainedTokenizer):
        pieces = (
            "<s>",
            "</s>",
            "<unk>",
            " ",
            *"abcdefghijklmnopqrstuvwxyzTYNé:.,!;'0123456789-",
            " chop",
            " the",
            "to",
            "mato",
            " wa",
        )

        @property
        def vocab_size(self):
            return len(self.pieces)

        def get_vocab(self):
            return {p: i for i, p in enumerate(self.pieces)}

        def _tokenize(self, text, **_):
            found = []
            while text:
                piece = max((p for p in self.pieces[3:] if text.startswith(p)), key=len, default=text[0])
                found.append(piece)
                text = text[len(piece) :]
            return found

        def _convert_token_to_id(self, token):
            return self.pieces.index(token) if token in self.pieces else 2

        def _convert_id_to_token(self, index):
            return self.pieces[index]

        def convert_tokens_to_string(self, tokens):
            return "".join(tokens)

        def build_inputs_with_special_tokens(self, ids, pair=None):
            return [0, *ids]

    return Greedy(bos_token="<s>", eos_token="</s>", unk_token="<unk>")


KINDS = {
    "byte-level": byte_level,
    "byte-level, untrimmed": lambda: byte_level(trim=False),
    "byte-level, bos": lambda: byte_level(bos=True),
    "byte-level, bos and eos": lambda: byte_level(bos=True, eos=True),
    "byte-level, prefix space": lambda: byte_level(prefix=True),
    "byte-level, merges over spaces": lambda: byte_level(600, regex=False),
    "metaspace always": lambda: metaspace("always"),
    "metaspace first": lambda: metaspace("first"),
    "metaspace never": lambda: metaspace("never"),
    "metaspace, merges over spaces": lambda: metaspace("first", split=False),
    "unigram": lambda: metaspace("always", model=models.Unigram()),
    "llama 2": llama_legacy,
    "qwen": qwen_like,
    "lower-casing": lower_casing,
    "lower-casing, no accents": bert_like,
    "slow, characters": character_slow,
    "slow, longest piece": greedy_slow,
}
