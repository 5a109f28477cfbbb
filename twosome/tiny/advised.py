"""Texts that teach a model to read advice: which line to follow, whatever it says. Everything advised is random.

    own        what is encouraged and discouraged of the present menu
    example    the same of another scene, alike but for its nouns; sometimes one that is not, which says nothing
    pair       two scenes that are alike but for their nouns: what an action of the one is in the other
    alone      no advice: all actions of the menu
    warning    only what is discouraged: any other action
    repeated   a text, and the same again: what stands above can be said once more
    note       something remembered, and a question about it
    answered   a scene with a question, what tells its answer, and the answers to choose from (`answers.py`)

Encouraged and discouraged actions and their values are drawn uniformly: no text says which action is good.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from twosome import advice
from twosome.advice import Lists, Valued
from twosome.tiny import prose, rooms, worktops
from twosome.tiny import words as w
from twosome.tiny.answers import answered
from twosome.tiny.renaming import nouns, renamed, together
from twosome.tiny.situations import Situation, is_are
from twosome.tiny.text import PROMPT, Text

STAGES = {  # shares, from which advised text on: first to find what stands above, then to move it, then to do it
    0: {"own": 0.25, "example": 0.0, "pair": 0.25, "warning": 0.0, "repeated": 0.5, "note": 0.0},
    12_000: {"own": 0.18, "example": 0.20, "pair": 0.48, "warning": 0.04, "repeated": 0.06, "note": 0.04},
    26_000: {"own": 0.18, "example": 0.40, "pair": 0.20, "warning": 0.10, "repeated": 0.05, "note": 0.07},
    60_000: {"own": 0.36, "example": 0.40, "pair": 0.06, "warning": 0.10, "repeated": 0.04, "note": 0.04},
    100_000: {
        "own": 0.28, "example": 0.34, "pair": 0.04, "warning": 0.08, "repeated": 0.02, "note": 0.04, "alone": 0.20
    },
    120_000: {"short": 0.9, "repeated": 0.1},
    140_000: {"short": 0.4, "answered": 0.6},
    240_000: {
        "own": 0.16, "example": 0.22, "pair": 0.02, "warning": 0.06, "repeated": 0.02, "note": 0.02, "alone": 0.12,
        "answered": 0.38,
    },
    320_000: {
        "own": 0.12, "example": 0.22, "pair": 0.02, "warning": 0.16, "repeated": 0.02, "note": 0.02, "alone": 0.14,
        "answered": 0.30,
    },
    400_000: {
        "own": 0.10, "example": 0.18, "pair": 0.01, "warning": 0.12, "repeated": 0.01, "note": 0.01, "alone": 0.10,
        "answered": 0.47,
    },
    500_000: {
        "own": 0.10, "example": 0.16, "pair": 0.01, "warning": 0.10, "repeated": 0.01, "note": 0.01, "alone": 0.06,
        "answered": 0.55,
    },
    600_000: {
        "own": 0.08, "example": 0.10, "pair": 0.01, "warning": 0.06, "repeated": 0.01, "note": 0.01, "alone": 0.05,
        "short": 0.28, "answered": 0.40,
    },
}  # fmt: skip
EARLY, END = 12_000, 60_000
ACTION = 10.0  # weight of a token of an action; what stands before it is not predicted
COPY = 0.5  # of a token of the second of two scenes that are alike
UNLIKE = 0.15  # share of the examples that are of another scene altogether
TWO = 0.4  # share of the others before which such a one stands
SAME_WORLD = 0.5  # share of these that are of the same world, with the nouns of the example
SHARES = (0.0, 0.5, 1.0, 1.0, 1.0)  # how many of the nouns of an example are others
SHORT = 0.5  # share of the pairs of which only some sentences are told


def advised(rng: Random, worlds: Sequence[Sequence[Situation]], number: int = 100_000) -> Text:
    """One text, the `number`-th. `worlds`: situations met in random play, as for `corpus.texts`."""
    kinds = next(shares for begin, shares in reversed(STAGES.items()) if begin <= number)
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    if kind == "repeated":
        return _repeated(rng, worlds)
    if kind == "note":
        return _note(rng)
    if kind in ("answered", "short"):
        return answered(rng, is_short=kind == "short")
    s, kin = _situation(rng, worlds)
    share = rng.choice(SHARES) if number >= EARLY else 0.5 * (number >= EARLY // 2)
    if kind == "pair":
        return _pair(rng, s, share)
    if kind == "alone":
        return _alone(rng, renamed(rng, s))
    other = _situation(rng, worlds)[0]
    is_unlike = rng.random() < UNLIKE
    return text_of(
        rng, kind, s, other, is_unlike=is_unlike, kin=kin if rng.random() < SAME_WORLD else None, share=share
    )


def text_of(
    rng: Random,
    kind: str,
    s: Situation,
    other: Situation,
    *,
    is_unlike: bool,
    kin: Situation | None = None,
    share: float = 1.0,
) -> Text:
    """A situation with random advice of a kind: `own`, `example` or `warning`.

    `other`: a situation for an example that is not alike, which stands first; `is_unlike`: it is the only one.
    `kin`: another situation of the world of `s`; with the nouns of the example it takes the place of `other`.
    `share`: how probable it is for each noun of the example to be another than here.
    """
    best, lists = _lists(rng, s.menu, is_warning=kind == "warning")
    bad = {entry.action for entry in lists.bad}
    targets = tuple(a for a in s.menu if a not in bad) if best is None else (best,)
    text = advice.own(lists)
    if kind == "example" and is_unlike:
        text, targets = advice.example(other.goal, other.scene, _lists(rng, other.menu)[1]), s.menu
    elif kind == "example":
        like, *rest = together(rng, (s, kin) if kin else (s,), share)
        to = dict(zip(s.menu, like.menu, strict=True))
        moved = Lists(*(tuple(Valued(to[e.action], e.value) for e in part) for part in lists))
        text = advice.example(like.goal, like.scene, moved)
        if rng.random() < TWO:
            first = rest[0] if rest else other
            text = advice.example(first.goal, first.scene, _lists(rng, first.menu)[1]) + text
    prompt = text + PROMPT.format(goal=s.goal, scene=s.scene)
    others = tuple(a for a in s.menu if a not in targets)
    return Text(f"{prompt} {rng.choice(targets)}", len(prompt), kind, targets, ACTION, told=len(prompt), others=others)


def _pair(rng: Random, s: Situation, share: float) -> Text:
    """Two scenes that are alike but for their nouns, and each action of the one as it is in the other.

    Only actions whose nouns goal and scene hold: of the others nobody can tell.
    """
    like = renamed(rng, s, share)
    there, here = f"Goal: {like.goal}\nScene: {like.scene}\n\n", f"Goal: {s.goal}\nScene: {s.scene}\n"
    if rng.random() < SHORT:
        told = [like.scene.split(". "), s.scene.split(". ")]
        if len(told[0]) == len(told[1]):
            kept = sorted(rng.sample(range(len(told[0])), rng.randint(1, min(3, len(told[0])))))
            there, here = ("Scene: " + ". ".join(scene[i] for i in kept).rstrip(".") + ".\n" for scene in told)
            there += "\n"
    known = nouns(there)
    pairs = [(a, b) for a, b in zip(like.menu, s.menu, strict=True) if nouns(a) <= known]
    pairs = pairs or list(zip(like.menu, s.menu, strict=True))
    given = tuple(f"There: {a}\nNext action:" for a, _ in pairs)
    asked = rng.randrange(len(pairs))
    prompt = there + here
    menu = tuple(b for _, b in pairs)
    text = f"{prompt}{given[asked]} {menu[asked]}"
    return Text(text, len(prompt), "pair", menu, ACTION * len(pairs) / 2, COPY, len(there), given)


def _alone(rng: Random, s: Situation) -> Text:
    """A situation without advice, in which all actions are alike."""
    prompt = PROMPT.format(goal=s.goal, scene=s.scene)
    return Text(f"{prompt} {rng.choice(s.menu)}", len(prompt), "alone", s.menu, ACTION, told=len(prompt))


def _lists(rng: Random, menu: tuple[str, ...], *, is_warning: bool = False) -> tuple[str | None, Lists]:
    """Random actions of a menu with random values; the best one of those that are encouraged."""
    order = rng.sample(menu, len(menu))
    n_good = 0 if is_warning else 1 if len(menu) < 3 else rng.choice((1, 1, 2))
    n_bad = rng.randint(1 if is_warning else 0, min(3, len(menu) - max(n_good, 1)))
    good = sorted((round(rng.uniform(0.03, 1), 2) for _ in range(n_good)), reverse=True)
    if len(set(good)) < len(good):  # which of two equals is best cannot be read
        good, n_good = good[:1], 1
    most = min(0.0 if is_warning else 1.0, *good, 1.0) if good else 0.0
    bad = sorted((round(rng.uniform(-0.5, most), 2) for _ in range(n_bad)), reverse=True)
    named = [Valued(a, v) for a, v in zip(order, [*good, *bad], strict=False)]
    return (order[0] if n_good else None), Lists(tuple(named[:n_good]), tuple(named[n_good:]))


def _situation(rng: Random, worlds: Sequence[Sequence[Situation]]) -> tuple[Situation, Situation | None]:
    """A situation with a choice, of the worlds or arranged at random; its nouns are replaced half of the time.

    And another one of the same world, with the same nouns.
    """
    while True:
        kind = rng.choice(("play", "play", "worktop", "home")) if worlds else rng.choice(("worktop", "home"))
        kin: Situation | None = None
        if kind == "play":
            world = rng.choice(worlds)
            s, kin = rng.choice(world), rng.choice(world)
            s, kin = together(rng, (s, kin)) if rng.random() < 0.5 else (s, kin)
        else:
            s = worktops.worktop(rng) if kind == "worktop" else rooms.home(rng)
        if len(set(s.menu)) == len(s.menu) > 1:
            return s, kin if kin and len(set(kin.menu)) == len(kin.menu) > 1 else None


def _repeated(rng: Random, worlds: Sequence[Sequence[Situation]]) -> Text:
    """Two to six phrases, or sentences, and the same again."""
    if rng.random() < 0.7:
        said = "; ".join(rng.choice(_situation(rng, worlds)[0].menu) for _ in range(rng.randint(2, 6)))
    else:
        said = prose.paragraph(rng).split("\n")[0][:200]
    return Text(f"{said}\n{said}", 0, "repeated", told=len(said) + 1)


def _note(rng: Random) -> Text:
    """What some things are made of, and a question about one of them."""
    things = rng.sample(w.THINGS + w.CONTAINERS, rng.randint(1, 4))
    made = {thing: rng.choice(w.MATERIALS) for thing in things}
    notes = " ".join(f"You remember: the {thing} {is_are(thing)} made of {made[thing]}." for thing in things)
    asked = rng.choice(things)
    prompt = f"{notes}\nQuestion: What {is_are(asked)} the {asked} made of?\nAnswer:"
    return Text(f"{prompt} {made[asked]}", len(prompt), "note", (made[asked],), ACTION, told=len(prompt))
