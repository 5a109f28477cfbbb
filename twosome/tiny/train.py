"""Make the embedded model from nothing: corpus, tokenizer, language model, card.

    python -m twosome.tiny.train --out my_tiny          # about 12 minutes on one free core
    python -m twosome.tiny.train --out /tmp/t --steps 300
    python -m twosome.tiny.train --reads --steps 4400 --stop 1600 --out my_reader   # the first of eleven stages

The reader's other stages, each from the weights of the one before at a lower rate, stand in the Makefile.

A Llama-architecture language model is trained on `corpus.texts` with the ordinary next-token loss. One
thing is added: while training, a linear head reads the hidden state at the last token of every prompt and
predicts which three-token sequences the prompt held (hashed into `BUCKETS` bits). It makes that state a
summary of the scene, which is what a critic on frozen features and an adapter learn from; it knows
scenes, not actions, and is thrown away at the end.
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

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from twosome.tiny import corpus, play
from twosome.tiny.advised import END
from twosome.tiny.batches import Batch, batches
from twosome.tiny.card import card
from twosome.tiny.renaming import POOLS
from twosome.tiny.text import TEMPERATURE

VOCABULARY, BUCKETS = 1280, 2048
NOUNS = [f" {word}" for pool in POOLS for noun in pool for word in noun.split()] * 200  # a token for each word of them
READER = {"layers": 6, "inner": 224, "vocabulary": 1408, "tokens": 2048}  # its own defaults
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


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
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", bpe.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, model_max_length=512, clean_up_tokenization_spaces=False, **SPECIAL
    )


def make_model(vocabulary: int, width: int, layers: int, inner: int | None = None) -> LlamaForCausalLM:
    """A Llama of the given width: heads of 32, feed-forward of `inner` or 8/3 the width, untied embeddings."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner or math.ceil(width * 8 / 3 / 32) * 32,
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


def losses(model: LlamaForCausalLM, summary: nn.Linear, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Next-token loss (weighted mean), the summary loss at the prompts' ends, and the loss of the choices."""
    hidden = model.model(
        batch.ids, attention_mask=batch.sees, position_ids=batch.positions, use_cache=False
    ).last_hidden_state  # [N, L, H]
    logits = model.lm_head(hidden.flatten(0, 1)[batch.sources])  # [P, V]
    each = F.cross_entropy(logits, batch.targets, reduction="none")
    next_token = (each * batch.weights).sum() / batch.weights.sum()
    chosen = choice_loss(each, batch) if len(batch.words) else next_token.new_zeros(())
    rows = (batch.ends >= 0).nonzero().squeeze(1)
    if not len(rows):
        return next_token, next_token.new_zeros(()), chosen
    read = summary(hidden[rows, batch.ends[rows]])
    summed = F.binary_cross_entropy_with_logits(read, trigrams(batch.ids[rows], batch.ends[rows]))
    return next_token, summed, chosen


def choice_loss(each: Tensor, batch: Batch) -> Tensor:
    """-log of how probable the right actions are together, of the policy at `TEMPERATURE`, over the menus' mean.

    `each`: [P] minus the log-probability of every predicted token.
    """
    inside = batch.branches >= 0
    sums = each.new_zeros(batch.words.numel()).index_add(0, batch.branches[inside], -each[inside])
    scores = sums.view_as(batch.words) / batch.words.clamp(min=1) / TEMPERATURE  # [C, A]
    scores = scores.masked_fill(batch.words == 0, -torch.inf)
    return (scores.logsumexp(1) - scores.masked_fill(~batch.is_right, -torch.inf).logsumexp(1)).mean()


def trigrams(ids: Tensor, ends: Tensor) -> Tensor:
    """Which hashed three-token sequences lie before the prompt's end: float [N, BUCKETS] of 0 and 1."""
    code = (ids[:, :-2] * 1_000_003 + ids[:, 1:-1] * 10_007 + ids[:, 2:] * 101) % 2_147_483_647 % BUCKETS
    before = torch.arange(2, ids.shape[1]) <= ends[:, None]
    bits = torch.zeros(len(ids), BUCKETS + 1)
    bits.scatter_(1, torch.where(before, code, BUCKETS), 1.0)
    return bits[:, :BUCKETS]


def fit(model: LlamaForCausalLM, data: Iterator[Batch], args: argparse.Namespace) -> list[dict[str, float]]:
    """Train in place, warm-up then cosine decay to a tenth. Returns the logged curve."""
    summary = nn.Linear(model.config.hidden_size, BUCKETS)
    nn.init.zeros_(summary.weight)
    nn.init.constant_(summary.bias, -4.0)
    params = [*model.parameters(), *summary.parameters()]
    decay, plain = [p for p in params if p.ndim > 1], [p for p in params if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    start, seen, curve, sums = time.time(), 0, [], [0.0, 0.0, 0.0, 0]
    last = args.stop or args.steps
    for step in range(1, last + 1):
        rate = args.lr * min(step / 100, 0.1 + 0.45 * (1 + math.cos(math.pi * step / args.steps)))
        for g in optimizer.param_groups:
            g["lr"] = rate
        batch = next(data)
        next_token, summed, chosen = losses(model, summary, batch)
        (
            next_token + args.summary * summed + args.choice * (1 if args.init else min(step / 2000, 1)) * chosen
        ).backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen += len(batch.targets)
        sums = [sums[0] + next_token.item(), sums[1] + summed.item(), sums[2] + chosen.item(), sums[3] + 1]
        if step % 50 == 0 or step == last:
            row = {"step": step, "tokens": seen, "loss": sums[0] / sums[3], "summary": sums[1] / sums[3],
                   "choice": sums[2] / sums[3], "minutes": (time.time() - start) / 60,
                   "cpu_minutes": time.process_time() / 60}  # fmt: skip
            curve.append({k: round(v, 4) for k, v in row.items()})
            print(json.dumps(curve[-1]), flush=True)
            sums = [0.0, 0.0, 0.0, 0]
        if args.keep and step % args.keep == 0:
            model.save_pretrained(args.out / f"step-{step}")
    return curve


@torch.no_grad()
def held_out(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int, worlds: corpus.Worlds, *, reads: bool
) -> dict[str, float]:
    """Mean loss on fresh draws: general English, and actions against what a uniform choice costs."""
    ids = tokenizer(corpus.heldout(), add_special_tokens=False, verbose=False)["input_ids"]
    rows = torch.tensor([[1, *ids[i : i + 255]] for i in range(0, len(ids) - 255, 255)])
    held = {"general English (heldout.txt), a token": float(model(rows, labels=rows).loss)}
    logp: dict[str, list[float]] = {}
    for t in islice(corpus.texts(seed, worlds, reads=reads, begin=END), 3_000):
        if t.prompt and not t.given:
            full, head = tokenizer(t.text)["input_ids"], len(tokenizer(t.text[: t.prompt])["input_ids"])
            row = torch.tensor([full])
            logits = model(row).logits[0, head - 1 : -1]
            logp.setdefault(f"actions, {t.source}, an action", []).append(
                float(F.cross_entropy(logits, row[0, head:], reduction="sum"))
            )
    held |= {name: sum(v) / len(v) for name, v in logp.items()}
    if worlds:
        sizes = [sum(math.log(len(s.menu)) for s in world) / len(world) for world in worlds]
        held["(the same for play, were every legal action equally likely)"] = sum(sizes) / len(sizes)
    return held


def main() -> None:
    """Train the embedded model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, tokenizer and card")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a batch")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--weight", type=float, default=3.0, help="weight of a token of an action")
    parser.add_argument("--summary", type=float, default=4.0, help="weight of the summary loss")
    parser.add_argument("--inner", type=int, default=None, help="width of the feed-forward layers, 8/3 of the other")
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    parser.add_argument("--choice", type=float, default=1.0, help="weight of the loss of the choices, where advised")
    parser.add_argument("--stop", type=int, default=None, help="end after so many steps of a schedule of --steps")
    parser.add_argument("--init", type=Path, default=None, help="go on from the weights and tokenizer of a folder")
    parser.add_argument("--begin", type=int, default=0, help="advised texts that count as read before")
    parser.add_argument("--keep", type=int, default=0, help="also save the weights every so many steps")
    parser.add_argument("--reads", action="store_true", help="make the reader: a model that follows advice")
    args = parser.parse_args()
    if args.reads:
        parser.set_defaults(**READER)
        args = parser.parse_args()
    torch.manual_seed(args.seed)
    worlds = play.situations(args.seed, held_out=False if args.reads else None)
    stream = corpus.texts(args.seed, worlds, reads=args.reads, begin=args.begin)
    if args.init:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.init)
        model = LlamaForCausalLM.from_pretrained(args.init).train()
    else:
        sample = islice(corpus.texts(args.seed + 1, worlds, reads=args.reads), 20_000)
        tokenizer = make_tokenizer([*(t.text for t in sample), *(NOUNS if args.reads else ())], args.vocabulary)
        model = make_model(len(tokenizer), args.width, args.layers, args.inner)
    if args.keep:
        tokenizer.save_pretrained(args.out)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} tokens", flush=True)
    curve = fit(model, batches(stream, tokenizer, args.tokens, args.weight, Random(args.seed)), args)
    held = held_out(model.eval(), tokenizer, args.seed + 2, worlds, reads=args.reads)
    save(args, model, tokenizer, worlds, curve, held)


def save(
    args: argparse.Namespace,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    worlds: corpus.Worlds,
    curve: list[dict[str, float]],
    held: dict[str, float],
) -> None:
    """Write weights, tokenizer, card and held-out text."""
    args.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(args.out)
    (args.out / "generation_config.json").unlink()
    tokenizer.save_pretrained(args.out)
    _without_origin(args.out / "tokenizer_config.json")
    if not args.reads:
        (args.out / "heldout.txt").write_text(corpus.heldout())
    weights = args.out / "model.safetensors"
    weights.chmod(0o644)
    scenes = {(s.goal, s.scene) for world in worlds for s in world}
    facts = dict(
        vars(args),
        parameters=sum(p.numel() for p in model.parameters()),
        heads=args.width // 32,
        narrow=f" ({args.inner} in the feed-forward layers)" if args.inner else "",
        megabytes=weights.stat().st_size / 1e6,
        batch=args.tokens,
        tokens=curve[-1]["tokens"],
        minutes=curve[-1]["cpu_minutes"],
        mix=corpus.MIX,
        advised=corpus.ADVISED_AT_THE_END,
        held_out=len(play.HELD_OUT),
        scenes=len(scenes),
        worlds=len(worlds),
        points=curve,
        held=held,
    )
    (args.out / "README.md").write_text(card(facts))


def _without_origin(config: Path) -> None:
    """A tokenizer that was loaded says so in its settings; this one's should not depend on how it was made."""
    kept = {k: v for k, v in json.loads(config.read_text()).items() if k not in ("is_local", "local_files_only")}
    config.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
