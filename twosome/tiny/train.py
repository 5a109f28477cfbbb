"""Make the embedded model from nothing: corpus, tokenizer, language model, card.

    python -m twosome.tiny.train --out my_tiny          # about 20 minutes on one core
    python -m twosome.tiny.train --out /tmp/t --minutes 2

A Llama-architecture language model is trained on `corpus.texts` with the ordinary next-token loss. One thing is added: while
training, a linear head reads the hidden state at the last token of every prompt and predicts which three-token
sequences the prompt held (hashed into `BUCKETS` bits). It makes that state a summary of the scene, which is what a
critic on frozen features and an adapter learn from; it knows scenes, not actions, and is thrown away at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from . import corpus
from .corpus import Text
from .situations import Situation

VOCABULARY, BUCKETS = 1280, 2048
SUMMARY_WEIGHT = 4.0  # of the three-token summary loss (a mean over buckets, so small) against the next-token loss
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


class Batch(NamedTuple):
    """`ids` [N, L] right-padded with 0 (attention is causal, so no mask is needed); `ends` the prompt's last position."""

    ids: Tensor
    lengths: Tensor
    ends: Tensor


def make_tokenizer(texts: Sequence[str], size: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Byte-level BPE: every string has a lossless encoding; `<s>` is put in front of a text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bpe.token_to_id("<s>"))])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, model_max_length=512, clean_up_tokenization_spaces=False, **SPECIAL
    )


def make_model(vocabulary: int, width: int, layers: int) -> LlamaForCausalLM:
    """A Llama of the given width; heads of 32, feed-forward of about 8/3 the width, input and output rows untied."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=math.ceil(width * 8 / 3 / 32) * 32,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config)


def batches(texts: Iterator[Text], tokenizer: PreTrainedTokenizerFast, tokens: int, rng: Random) -> Iterator[Batch]:
    """Batches of about `tokens` tokens, each of texts of similar length."""
    while True:
        pool = list(islice(texts, 2048))
        if not pool:
            return
        ids = tokenizer([t.text for t in pool], truncation=True, max_length=511)["input_ids"]
        heads = tokenizer([t.text[: t.prompt] for t in pool])["input_ids"]
        rows = [(i + [2], len(h) - 1 if t.prompt else -1) for i, h, t in zip(ids, heads, pool, strict=True)]
        rows.sort(key=lambda row: len(row[0]))
        groups, group = [], []
        for row in rows:
            if group and (len(group) + 1) * len(row[0]) > tokens:
                groups.append(group)
                group = []
            group.append(row)
        groups.append(group)
        rng.shuffle(groups)
        for g in groups:
            width = max(len(i) for i, _ in g)
            yield Batch(
                torch.tensor([i + [0] * (width - len(i)) for i, _ in g]),
                torch.tensor([len(i) for i, _ in g]),
                torch.tensor([end if end < len(i) else -1 for i, end in g]),
            )


def losses(model: LlamaForCausalLM, summary: nn.Linear, batch: Batch) -> tuple[Tensor, Tensor]:
    """Next-token loss (mean over real tokens) and the summary loss at the prompts' ends."""
    hidden = model.model(batch.ids, use_cache=False).last_hidden_state  # [N, L, H]
    is_real = torch.arange(1, batch.ids.shape[1]) < batch.lengths[:, None]  # [N, L-1]
    logits = model.lm_head(hidden[:, :-1][is_real])
    next_token = F.cross_entropy(logits, batch.ids[:, 1:][is_real])
    rows = (batch.ends >= 0).nonzero().squeeze(1)
    if not len(rows):
        return next_token, next_token.new_zeros(())
    read = summary(hidden[rows, batch.ends[rows]])
    return next_token, F.binary_cross_entropy_with_logits(read, trigrams(batch.ids[rows], batch.ends[rows]))


def trigrams(ids: Tensor, ends: Tensor) -> Tensor:
    """Which hashed three-token sequences lie before the prompt's end: float [N, BUCKETS] of 0 and 1."""
    code = (ids[:, :-2] * 1_000_003 + ids[:, 1:-1] * 10_007 + ids[:, 2:] * 101) % 2_147_483_647 % BUCKETS
    before = torch.arange(2, ids.shape[1]) <= ends[:, None]
    bits = torch.zeros(len(ids), BUCKETS + 1)
    bits.scatter_(1, torch.where(before, code, BUCKETS), 1.0)
    return bits[:, :BUCKETS]


def fit(model: LlamaForCausalLM, data: Iterator[Batch], steps: int, lr: float, deadline: float) -> list[dict[str, float]]:
    """Train in place, warm-up then cosine decay to a tenth. Returns the logged curve."""
    summary = nn.Linear(model.config.hidden_size, BUCKETS)
    nn.init.zeros_(summary.weight)
    nn.init.constant_(summary.bias, -4.0)
    params = [*model.parameters(), *summary.parameters()]
    decay, plain = [p for p in params if p.ndim > 1], [p for p in params if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))
    start, seen, curve, sums = time.time(), 0, [], [0.0, 0.0, 0]
    for step in range(1, steps + 1):
        progress = max(step / steps, (time.time() - start) / deadline if deadline else 0.0)
        if progress > 1.0:
            break
        rate = lr * min(step / 100, 0.1 + 0.45 * (1 + math.cos(math.pi * progress)))
        for g in optimizer.param_groups:
            g["lr"] = rate
        batch = next(data)
        next_token, summed = losses(model, summary, batch)
        (next_token + SUMMARY_WEIGHT * summed).backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen += int(batch.lengths.sum())
        sums = [sums[0] + next_token.item(), sums[1] + summed.item(), sums[2] + 1]
        if step % 50 == 0 or step == steps:
            row = {"step": step, "tokens": seen, "loss": sums[0] / sums[2], "summary": sums[1] / sums[2],
                   "minutes": (time.time() - start) / 60}  # fmt: skip
            curve.append({k: round(v, 4) for k, v in row.items()})
            print(json.dumps(curve[-1]), flush=True)
            sums = [0.0, 0.0, 0]
    return curve


def main() -> None:
    """Train the embedded model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, tokenizer and card")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a batch")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--minutes", type=float, default=0.0, help="stop then (not reproducible); 0: after --steps")
    parser.add_argument("--no-worlds", action="store_true", help="without scenes of random play")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    worlds: Sequence[Situation] = ()
    if not args.no_worlds:
        from .play import situations

        worlds = situations(args.seed)
    stream = corpus.texts(args.seed, worlds)
    tokenizer = make_tokenizer([t.text for t in islice(corpus.texts(args.seed + 1, worlds), 20_000)])
    model = make_model(len(tokenizer), args.width, args.layers)
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, {len(tokenizer)} tokens, {len(worlds)} distinct scenes of random play", flush=True)
    data = batches(stream, tokenizer, args.tokens, Random(args.seed))
    curve = fit(model, data, args.steps, args.lr, args.minutes * 60)
    args.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(args.out)
    (args.out / "generation_config.json").unlink()
    tokenizer.save_pretrained(args.out)
    (args.out / "heldout.txt").write_text(corpus.heldout())
    (args.out / "training.json").write_text(json.dumps({**vars(args), "out": "", "curve": curve}, indent=1) + "\n")


if __name__ == "__main__":
    main()
