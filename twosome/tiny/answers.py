"""Texts that teach a model to answer from what stands in its scene: something told or noted, a question, answers.

What is told is random, and about half of the words are made up, so nothing can be known: the answer can only be read.
Where nothing that is told answers the question, all answers are alike. A small model copies the words that it was made
to copy: of `rice`, met as a dish alone, it says `lemon`. Hence all words of the corpus, and words of their halves.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from twosome.tiny import prose
from twosome.tiny import words as w
from twosome.tiny.text import PROMPT, Text

ACTION, CONTEXT = 10.0, 0.1  # weight of a token of an answer, and of what stands before it
UNTOLD = (
    0.25  # share of the questions that nothing answers; there all actions are alike, also those that answer nothing
)
ABOUT = 0.25  # share of the texts that ask for what to look up
LISTED, READ, HALVES = (
    0.3,
    0.25,
    0.2,
)  # shares of words: of the lists, of the prose, of halves of these; the rest of syllables
ATTRIBUTES = w.singles("colour maker room price age size smell owner weight shape taste name sound home rank use")
VERBS = w.singles("clean polish dry wipe brush wash rub paint cut fold pack warm cool tie close mend fill hang oil")
GOALS = ("Answer the questions.", "Answer.", "Help the customers.", "Say what is asked for.")
ONSETS, VOWELS, ENDS = (
    [
        "b",
        "d",
        "f",
        "g",
        "h",
        "j",
        "k",
        "l",
        "m",
        "n",
        "p",
        "r",
        "s",
        "t",
        "v",
        "w",
        "z",
        "br",
        "cl",
        "dr",
        "fl",
        "gr",
        "pl",
        "st",
        "tr",
        "sh",
        "ch",
    ],
    "aeiou",
    "bdgklmnprstx",
)


LISTS = (w.FOODS, w.THINGS, w.MATERIALS, w.COLOURS, w.PEOPLE, w.ANIMALS)
KNOWN = sorted({word for words in LISTS for word in words if " " not in word})
MORE = (w.DISHES, w.STAPLES, w.CONTAINERS, w.SURFACES, w.SEATS, w.DEVICES, w.VESSELS, w.ROOMS, w.ADJECTIVES, w.PLACES)


class Asked(NamedTuple):
    """A question, what tells its answer, and the answers of which the first is right."""

    question: str
    told: tuple[str, ...]
    answers: tuple[str, ...]


def answered(rng: Random, *, is_short: bool = False) -> Text:
    """One text: a scene with a question, and the answer that it tells. `is_short`: and nothing else."""
    if rng.random() < ABOUT:
        return _text(rng, *_about(rng))
    kind: Callable[[Random], Asked] = rng.choice((_fact, _two, _one, _advice, _rule, _rule))
    question, told, (right, *wrong) = kind(rng)
    is_told = rng.random() >= UNTOLD
    told = told if is_told else ()
    own: tuple[str, ...] = told if kind is _rule else ()
    told = () if kind is _rule else told
    before = []
    if is_short:
        told, own = (f"{own[0]}.",) if own else told, ()
    elif rng.random() < 0.6:
        before.append(f"{rng.choice(('Asking costs', 'It costs'))} {rng.choice((0.1, 0.2, 0.3, 0.5, 1, 2, 3))}.")
    if own or (rng.random() < 0.6 and not is_short):
        before.append(_notes(rng, own, question, [right, *wrong]))
    if rng.random() < 0.6 and not is_short:
        before.append(f"{rng.randint(1, 96)} {rng.choice(('questions left', 'left', 'to go'))}.")
    parts = [*before, question, *told] if rng.random() < 0.8 else [*before, *told, question]
    menu = [f"say {answer}" for answer in (right, *wrong)]
    if is_told:
        targets: tuple[str, ...] = (menu[0],)
        others: tuple[str, ...] = tuple(menu[1:])
    else:
        targets, others = tuple(dict.fromkeys([*menu, *(_other(rng) for _ in range(rng.randint(0, 8)))])), ()
    return _text(rng, parts, targets, others)


def _text(rng: Random, parts: Sequence[str], targets: tuple[str, ...], others: tuple[str, ...]) -> Text:
    prompt = PROMPT.format(goal=rng.choice(GOALS), scene=" ".join(parts))
    return Text(f"{prompt} {targets[0]}", len(prompt), "answered", targets, ACTION, CONTEXT, others=others)


def _about(rng: Random) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
    """Scene, right and wrong actions where a table could answer: to look up what is asked and not told yet."""
    verb = rng.choice(("look up", "look up", "read", "check", "ask for"))
    attributes = rng.sample(ATTRIBUTES, rng.randint(2, 5))
    asked, things = attributes[0], _words(rng, rng.choice((1, 1, 2, 2)))
    menu = {(a, thing): f"{verb} the {a} of the {thing}" for thing in things for a in attributes}
    values = _values(rng, 4)
    says = [f"say {value}" for value in values]
    before = []
    if rng.random() < 0.7:
        before += [f"Asking costs {rng.choice((0.1, 0.2, 0.3, 0.5, 1, 2, 3))}.", _notes(rng, (), "", list(values))]
        before.append(f"{rng.randint(1, 96)} questions left.")
    told: list[str] = []
    if len(things) == 1 and rng.random() < 0.4:
        find = f"{rng.choice(('find', 'look for'))} one whose {asked} is {values[0]}"
        says = [f"say the {name}" for name in _words(rng, 4)]
        return [*before, f"Recommend one whose {asked} is {values[0]}."], (find,), (*says, *menu.values())
    question = f"What is the {asked} of the {things[0]}?"
    wanted = [things[0]]
    if len(things) == 2:
        question = f"Compare the {asked} of the {things[0]} and the {things[1]}."
        says = [f"say {a} and {b}" for a in values[:2] for b in values[2:]]
        wanted = list(things)
        if rng.random() < 0.5:
            known = wanted.pop(rng.randrange(2))
            told.append(f"The {asked} of the {known} is {values[0] if known == things[0] else values[2]}.")
            del menu[asked, known]
    right = tuple(menu.pop((asked, thing)) for thing in wanted)
    return [*before, question, *told], right, (*says, *menu.values())


def _other(rng: Random) -> str:
    """An action that answers nothing."""
    about = rng.choice((f"the {rng.choice(ATTRIBUTES)} of the {_word(rng)}", f"the {_word(rng)}"))
    return f"{rng.choice(('look up', 'ask', 'find', 'note', 'read', 'check', 'wait for', *VERBS))} {about}"


def _fact(rng: Random) -> Asked:
    attribute, thing, (right, *wrong) = rng.choice(ATTRIBUTES), _word(rng), _values(rng, 4)
    told = (f"The {attribute} of the {thing} is {right}.",)
    return Asked(f"What is the {attribute} of the {thing}?", told, (right, *wrong))


def _two(rng: Random) -> Asked:
    attribute, one, other = rng.choice(ATTRIBUTES), _word(rng), _word(rng)
    a, b, c, d = _values(rng, 4)
    told = tuple(f"The {attribute} of the {thing} is {value}." for thing, value in ((one, a), (other, b)))
    if rng.random() < 0.3:  # in the other order
        told = told[::-1]
    answers = (f"{a} and {b}", f"{a} and {d}", f"{c} and {b}", f"{c} and {d}")
    return Asked(f"Compare the {attribute} of the {one} and the {other}.", told, answers)


def _one(rng: Random) -> Asked:
    attribute, value, names = rng.choice(ATTRIBUTES), _values(rng, 1)[0], _words(rng, 4)
    told = (f"The {attribute} of the {names[0]} is {value}.",)
    return Asked(f"Recommend one whose {attribute} is {value}.", told, tuple(f"the {name}" for name in names))


def _advice(rng: Random) -> Asked:
    answers = _values(rng, 4)
    question = f"What do I {rng.choice(VERBS)} the {_word(rng)} {_word(rng)} with?"
    return Asked(question, (f"Advice: {answers[0]}.",), answers)


def _rule(rng: Random) -> Asked:
    verb, material, answers = rng.choice(VERBS), _word(rng), _words(rng, 4)
    return Asked(
        f"What do I {verb} the {material} {_word(rng)} with?", (f"{verb} {material} with {answers[0]}",), answers
    )


def _notes(rng: Random, own: tuple[str, ...], question: str, answers: list[str]) -> str:
    """Rules that were noted: `own`, and others, some of the same verb, of which some name another answer."""
    if not own and rng.random() < 0.3:
        return "No notes."
    verb = question.split()[3] if question.startswith("What do I") else rng.choice(VERBS)
    others = [
        f"{verb if rng.random() < 0.5 else rng.choice(VERBS)} {_word(rng)} with "
        f"{rng.choice(answers) if rng.random() < 0.6 else _word(rng)}"
        for _ in range(rng.randint(0 if own else 1, 5))
    ]
    rules = [*own, *others]
    rng.shuffle(rules)
    if rng.random() < 0.5:
        about = f" Recalled: {own[0]}." if own else ""
        return f"{len(rules)} note{'s' if len(rules) > 1 else ''}.{about}"
    return f"{len(rules)} note{'s' if len(rules) > 1 else ''}: {', '.join(rules)}."


def _values(rng: Random, n: int) -> tuple[str, ...]:
    """Different values: words, or numbers of something."""
    if rng.random() < 0.3:
        unit = rng.choice(("dollars", "years", "pounds", "miles", "pages", "days"))
        return tuple(f"{number} {unit}" for number in rng.sample(range(2, 100), n))
    return _words(rng, n)


def _words(rng: Random, n: int) -> tuple[str, ...]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[_word(rng)] = None
    return tuple(found)


def _word(rng: Random) -> str:
    chance = rng.random()
    if chance < LISTED:
        return rng.choice(KNOWN)
    if chance < LISTED + READ:
        return rng.choice(_of_prose())
    if chance < LISTED + READ + HALVES:
        one, other = rng.choice(_of_prose()), rng.choice(_of_prose())
        return one[: (len(one) + 1) // 2] + other[len(other) // 2 :].lower()
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.randint(1, 2))) + rng.choice(ENDS)


@functools.cache
def _of_prose() -> list[str]:
    """The words of the project's own English, those of the sentences that questions are made of excepted."""
    rng, found = Random(0), {*KNOWN}
    for text in (*itertools.chain(*MORE), *(prose.paragraph(rng) for _ in range(3000))):
        found.update(re.findall(r"[A-Za-z]{3,}", text))
    small = {word.lower() for word in found}
    return sorted((small & found | {word for word in found if word.lower() not in small & found}) - PLAIN)


PLAIN = set(w.singles("and the with one are you not what whose"))
