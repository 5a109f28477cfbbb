"""The training text of the embedded model, generated: seeded, deterministic, without end.

Three sources, mixed by `MIX`:
- `play`: scenes of the project's own environments met under uniformly random play, each followed by ONE
  legal action drawn uniformly at random. Scenes are shuffled, so no text holds two steps of an episode, a
  reward or a result; half of them have their nouns replaced (pancake -> lasagna, microwave -> cupboard);
- `worktops`, `rooms`: random arrangements in the same format, with a uniformly random legal action or a
  question about the scene;
- `prose`: general English on other subjects.

    >>> from itertools import islice
    >>> first = list(islice(texts(seed=0, worlds=()), 3))
    >>> first == list(islice(texts(seed=0, worlds=()), 3))
    True
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from twosome.tiny import prose, rooms, worktops
from twosome.tiny.advised import END, advised
from twosome.tiny.renaming import is_held_out
from twosome.tiny.situations import Situation
from twosome.tiny.text import PROMPT, Text

MIX = {"play": 0.44, "worktop": 0.14, "home": 0.16, "prose": 0.24, "long": 0.02}
ADVISED, ADVISED_AT_THE_END = (
    0.65,
    0.8,
)  # share of the reader's texts that hold advice (`advised`); the rest is as above
QUESTIONS = 0.35  # share of situations that ask about the scene, where something is known about it
HELDOUT_SEED, HELDOUT_CHARS = 987_654_321, 48_000


Worlds = Sequence[Sequence[Situation]]  # of each world, the situations met in random play


def texts(seed: int, worlds: Worlds, *, reads: bool = False, begin: int = 0) -> Iterator[Text]:
    """An endless stream. `worlds`: situations met in random play (`play.situations`), empty for none.

    `reads`: with the texts of `advised` among the others, for a model that reads advice,
    from the `begin`-th on.
    """
    if not reads:
        yield from _texts(seed, worlds)
    rng, others = Random(seed), _texts(seed, worlds, reads=True)
    number = begin
    while True:
        if rng.random() < (ADVISED if number < END else ADVISED_AT_THE_END):
            yield advised(rng, worlds, number)
            number += 1
        else:
            yield next(others)


def _texts(seed: int, worlds: Worlds, *, reads: bool = False) -> Iterator[Text]:
    rng = Random(seed)
    mix = dict(MIX)
    if not worlds:
        mix["home"] += mix.pop("play")
    while True:
        source = rng.choices(list(mix), list(mix.values()))[0]
        if source == "prose":
            yield Text(prose.paragraph(rng), 0, source)
        elif source == "long":
            yield Text("\n\n".join(prose.paragraph(rng) for _ in range(rng.randint(3, 6))), 0, source)
        else:
            text = _situation(rng, source, worlds)
            if not (reads and is_held_out(text.text.removeprefix("Goal: ").partition("\n")[0])):
                yield text


def _situation(rng: Random, source: str, worlds: Worlds) -> Text:
    if source == "play":
        # imported here: without worlds the generator needs nothing but the standard library
        from twosome.tiny.play import reskin

        s, other = rng.choice(rng.choice(worlds)), rng.choice(rng.choice(worlds))
        s = reskin(rng, s) if rng.random() < 0.5 else s
        s = Situation(s.goal, s.scene, s.menu, _cloze(rng, s, other))
    else:
        s = worktops.worktop(rng) if source == "worktop" else rooms.home(rng)
    if s.facts and rng.random() < (QUESTIONS if source != "play" else QUESTIONS / 2):
        question, answer = rng.choice(s.facts)
        return Text(
            f"Goal: {s.goal}\nScene: {s.scene}\nQuestion: {question}\nAnswer: {answer}",
            0,
            source + " question",
        )
    prompt = PROMPT.format(goal=s.goal, scene=s.scene)
    return Text(f"{prompt} {rng.choice(s.menu)}", len(prompt), source, s.menu)


def _cloze(rng: Random, here: Situation, elsewhere: Situation) -> tuple[tuple[str, str], ...]:
    """Does this sentence belong to the scene? One that does and one that does not."""
    own, other = here.scene.split(". "), [s for s in elsewhere.scene.split(". ") if s not in here.scene]
    facts = [(f"Is this so: {rng.choice(own).rstrip('.')}?", "yes")]
    if other:
        facts.append((f"Is this so: {rng.choice(other).rstrip('.')}?", "no"))
    return tuple(facts)


def heldout() -> str:
    """General English under a seed of its own, for measuring how far fine-tuning moves the model."""
    rng = Random(HELDOUT_SEED)
    parts: list[str] = []
    while sum(len(p) for p in parts) < HELDOUT_CHARS:
        parts.append(prose.paragraph(rng))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Print some of the corpus: `python -m twosome.tiny.corpus --count 20 --seed 0`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worlds", action="store_true", help="with scenes of random play")
    args = parser.parse_args()
    worlds: Worlds = ()
    if args.worlds:
        from twosome.tiny.play import situations as met

        worlds = met(args.seed)
    for text in islice(texts(args.seed, worlds), args.count):
        print(f"--- {text.source}\n{text.text}")


if __name__ == "__main__":
    main()
