"""The model card: what the embedded model is, what it saw, what it did not, and its numbers."""

from __future__ import annotations

import math
from typing import Any

from twosome.tiny.advised import ACTION, EARLY
from twosome.tiny.prior import MARK
from twosome.tiny.reading import SCENES
from twosome.tiny.text import TEMPERATURE

CARD = """\
# {title}

{about}

| | |
|---|---|
| parameters | {parameters:,}: {layers} layers, {width} wide{narrow}, {heads} heads, context 512, untied, float32 |
| vocabulary | {vocabulary:,} tokens, `<s>` in front of every text; every string round-trips |
| weights | {megabytes:.1f} MB safetensors |
| training | {steps:,} steps{stage}, {tokens:,} predicted tokens, {minutes:.0f} minutes of one core{total} |
| made by | {made}: same seed and versions, same weights |
| licence | that of the project |

## What it saw

Only text that `twosome.tiny.corpus` generates (seed {seed}); nothing was downloaded or taken from
elsewhere.

{mix}

- *Random play*: {scenes:,} distinct scenes of {worlds} worlds of this project, met by an agent that acts
  uniformly at random, each with ONE of its legal actions, drawn uniformly at random. In half of the texts
  the nouns are replaced.
- *Situations*: random arrangements of foods, boards, rooms and furniture with a goal drawn independently,
  followed by a uniformly random legal action or by a question about the scene and its answer.
- *Prose*: statements, descriptions, little stories, dialogues, instructions about other things.
{also}
Besides the next token it was trained, through a linear head that was then thrown away (weight {summary}),
to keep at the end of a prompt which three-token sequences the prompt held.

{unseen}

## Numbers

| steps | loss (nats a token) | summary loss |
|---|---|---|
{curve}

On fresh draws of the generator, in nats (the scenes of random play are those of the training; the prose is
not; the last row is what a uniform choice among the legal actions must cost):

{held}

`heldout.txt` is general English of the same kind under another seed, for measuring how far fine-tuning
moves the model.

{measured}

{mark}
(not yet measured)
{mark}
"""


ABOUT = """\
A small causal language model of the Llama architecture with its own byte-level BPE tokenizer, made by
this project so that it can be tried with no network and no GPU. It writes the simple English of its
corpus and nothing else; it is not a general assistant."""

UNSEEN = """\
## What it did not see

No plan, no two consecutive steps of any episode, no reward, no return, no result of an action, no sign of
which action is good: given a scene, the action in the corpus is uniform over the legal ones. No
instructions for making a salad, heating food, washing up, doing laundry or an evening in front of the
television. `tests/tiny/test_tiny.py` checks the corpus and that along shortest plans the right action is, on
average, as probable as for a model that finds all actions alike (within .25 nats). The scenes and menus
themselves, those of the six unseen tasks included, it did see, in random order: zero-shot results there
are about the *policy*, not about the words."""

PRIOR = """\
## Before any RL

Discounted return and success over 300 episodes: uniform play, the model sampled, the model greedy
(`python -m twosome.tiny.prior --write`)."""

READER_ABOUT = """\
The embedded model's sibling that reads: it is to follow what its prompt encourages and to leave what it
discourages, whatever that is. Made by this project, like the other, for a memory of experiences whose
weights stay as they are. It writes the simple English of its corpus and nothing else."""

READER_ALSO = """\
- *Advice* (65 % of all texts, {advised:.0%} in the last stages; the shares above are of the rest): actions of
  the menu encouraged and discouraged with values; the same of another scene, alike but for its nouns, or of
  one that is not alike; what each action of a scene is in one that is alike but for its nouns; only
  discouraged ones; repetitions (half of the first {early:,}); things remembered and questions about them;
  scenes without advice; in the last six stages scenes with a question and what tells its answer, among notes
  and other sentences, the answers to choose from, or what to look up: sentences such as the desk's, with words
  drawn at random, many of them made up, in the last two stages from all words of the corpus. Every action and
  every value in them is drawn at random. There a token of the action weighs {action:g}, and what stands before
  it little or nothing.

Where advice tells the actions of a menu apart, the policy over all of them (log-probability per word,
temperature {temperature}) was trained too: minus the logarithm of how probable it makes those that the advice
tells to take.
"""

READER_UNSEEN = """\
## What it did not see

No plan, no two consecutive steps of any episode, no reward, no return, no result of an action, and no sign
of which action is good: what advice names is random, and without advice the action is uniform over the legal
ones. Of {held_out} worlds (the six relatives of food preparation, three recipes) it saw neither a goal nor a
scene with its goal, nor a renaming of another world that comes out as one; their nouns it knows from elsewhere.
`tests/tiny/test_reader.py` holds that it reads, there too, and that it knows no plan: without advice the right
action is no more probable than for a model that finds all alike, and whatever is encouraged it is so as often
as any other."""

TOTAL = "; 19,000 steps of 2,048 tokens and an hour and three quarters of one core in all"

READS = """\
## How it reads

{n} scenes of each kind, of worlds that it never saw and of those that it saw; asked of the former are .97 for
advice on the present menu, .95 for examples with other nouns, and for what is to be left alone at most half of
its share by chance. Along shortest plans, how probable the right action is against a model that finds all alike,
in nats (asked: within .25): without advice, and on average over each action of the menu being encouraged
(`python -m twosome.tiny.reading --model FOLDER --write`).

Short of what was asked: examples with other nouns, and the actions of worlds that it never saw without advice.
There it finds actions with a noun in them too improbable, so that it rather leaves the room; advice outweighs it."""


def card(facts: dict[str, Any]) -> str:
    """Fill the card. `facts`: what the training script knows at its end."""
    shown = facts["points"][:: max(1, len(facts["points"]) // 8)]
    shown = shown if shown[-1] is facts["points"][-1] else [*shown, facts["points"][-1]]
    curve = "\n".join(f"| {p['step']:,} | {p['loss']:.3f} | {p['summary']:.4f} |" for p in shown)
    mix = "| source | share of texts |\n|---|---|\n"
    mix += "\n".join(f"| {name} | {share:.0%} |" for name, share in facts["mix"].items())
    held = "| text | loss | perplexity |\n|---|---|---|\n"
    held += "\n".join(f"| {name} | {loss:.3f} | {math.exp(loss):.2f} |" for name, loss in facts["held"].items())
    parts = _reader(facts) if facts["reads"] else _embedded()
    return CARD.format(**{**facts, **parts, "curve": curve, "mix": mix, "held": held, "mark": MARK})


def _embedded() -> dict[str, str]:
    nothing = ""
    return {
        "title": "The embedded model", "about": ABOUT, "made": "`python -m twosome.tiny.train --out <folder>`",
        "stage": nothing, "total": nothing, "also": nothing, "unseen": UNSEEN, "measured": PRIOR,
    }  # fmt: skip


def _reader(facts: dict[str, Any]) -> dict[str, str]:
    also = READER_ALSO.format(advised=facts["advised"], action=ACTION, early=EARLY, temperature=TEMPERATURE)
    unseen = READER_UNSEEN.format(held_out=facts["held_out"])
    reads = READS.format(n=SCENES)
    return {
        "title": "The reader", "about": READER_ABOUT, "made": "`make weights`, in eleven stages",
        "stage": " of the last stage" if facts["init"] else "",
        "total": TOTAL if facts["init"] else "", "also": also, "unseen": unseen, "measured": reads,
    }  # fmt: skip
