"""Which records a situation is like: the door from a state that may never have been met to what is known. Pure.

    exact       1 for the situation itself, 0 for any other
    words       cosine of the counts of words and of pairs of neighbours, of goal and scene together
    features    lambda cos(psi(g), psi(g')) + (1 - lambda) cos(phi(o) - mean_g, phi(o') - mean_g')

phi and psi are vectors of texts, say the frozen model's states at their ends. Scenes of one task are much alike, so
what they have in common, the mean of the task's records, is taken away (centred): what is left is where in the task
they are. Without centring (`raw`) the nearest record is often a neighbour of the twin.

A situation is compared with the records of every task as it is told in the words of that task (memory/translation.py).
Where two tasks are too unlike for that, it stays as it is; of a task without records the mean is not known, but the
scene in which it begins is: it is taken to lie from the mean as that of the other task does.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from twosome.memory.records import Records
from twosome.memory.translation import translation
from twosome.types import Situation

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts -> vectors [N, H]."""


class Recalled(NamedTuple):
    """A record, and how like the situation is that was asked about: 1 for itself."""

    situation: Situation
    similarity: float


Views = Mapping[str, Situation]
"""A situation, for every goal in the words of its task."""


def views(situation: Situation, records: Records, alike: float) -> Views:
    """The situation as it is told in the words of every task that is known; itself where that cannot be."""
    told = {}
    for goal in records.tasks():
        words = translation(situation.goal, goal, alike)
        told[goal] = Situation(goal, words(situation.scene)) if words.words else situation
    return told


class Similarity(Protocol):
    """How like a situation is to what can be recalled, in the order of `Records.told`: [N]."""

    def __call__(self, views: Views, records: Records) -> np.ndarray:
        """At most 1, which the situation itself has. `views`: of all tasks of the records."""
        ...


def exact(views: Views, records: Records) -> np.ndarray:
    """1 for the situation itself, also in the words of another task: [N]."""
    similar = np.zeros(len(records.told()))
    for view in views.values():
        if (place := records.place(view)) is not None:
            similar[place] = 1.0
    return similar


class Words:
    """Cosine of counts of words, and of pairs, without which what is where would not count. A text is counted once."""

    def __init__(self) -> None:
        self._version = -1
        self._number: dict[str, int] = {}  # of every word
        self._counted: dict[Situation, tuple[np.ndarray, np.ndarray]] = {}  # numbers of words, and how often each
        self._words, self._counts = np.zeros(0, int), np.zeros(0)  # of all records, one after the other
        self._record_of = np.zeros(0, int)  # of every entry of these
        self._lengths = np.zeros(0)
        self._task_of = np.zeros(0, int)  # of every entry

    def __call__(self, views: Views, records: Records) -> np.ndarray:
        """Similarities: [N]."""
        if records.version != self._version:
            self._look_at(records)
        asked = [self._count(views[goal]) for goal in records.tasks()]
        weights = np.zeros((len(asked), max(1, len(self._number))))
        for row, (words, counts) in zip(weights, asked, strict=True):
            row[words] = counts
        lengths = np.linalg.norm(weights, axis=1)
        products = weights[self._task_of, self._words] * self._counts
        both = np.bincount(self._record_of, products, minlength=len(records.told()))
        scale = self._lengths * lengths[records.task_of()] if len(asked) else self._lengths
        return np.asarray(np.where(scale > 0, both / np.where(scale > 0, scale, 1.0), scale == 0))

    def _look_at(self, records: Records) -> None:
        """Take up the records as they are now."""
        self._version = records.version
        found = [self._count(known) for known in records.told()]
        sizes = np.array([len(words) for words, _ in found], int)
        self._words = np.concatenate([words for words, _ in found]) if found else np.zeros(0, int)
        self._counts = np.concatenate([counts for _, counts in found]) if found else np.zeros(0)
        self._record_of = np.repeat(np.arange(len(found)), sizes)
        self._lengths = np.array([np.linalg.norm(counts) for _, counts in found])
        self._task_of = records.task_of()[self._record_of]

    def _count(self, situation: Situation) -> tuple[np.ndarray, np.ndarray]:
        """The words of a situation by their numbers, and how often each occurs."""
        if situation not in self._counted:
            words = re.findall(r"\w+", f"{situation.goal} {situation.scene}".lower())
            counts = Counter([*words, *(" ".join(pair) for pair in itertools.pairwise(words))])
            numbers = [self._number.setdefault(word, len(self._number)) for word in counts]
            self._counted[situation] = np.array(numbers, int), np.array(list(counts.values()), float)
        return self._counted[situation]


class Features:
    """Cosine of vectors, of goals and of scenes; centred per task or `raw`.

    `goal_weight`: lambda. `embed`: texts -> vectors; each text is asked about once.
    """

    def __init__(self, embed: Embed, goal_weight: float, *, raw: bool = False):
        self.embed, self.goal_weight, self.raw = embed, goal_weight, raw
        self._vectors: dict[str, np.ndarray] = {}
        self._begins: dict[str, str] = {}  # of tasks without records: the scene that was asked about first
        self._version = -1
        self._tasks: tuple[str, ...] = ()
        self._goals, self._scenes = np.zeros((0, 0)), np.zeros((0, 0))  # of the tasks and the records, normalised
        self._means, self._starts = np.zeros((0, 0)), np.zeros((0, 0))  # of the tasks; the latter less the former

    def __call__(self, views: Views, records: Records) -> np.ndarray:
        """Similarities: [N]."""
        if records.version != self._version:
            self._look_at(records)
        tasks = records.tasks()
        if not tasks:
            return np.zeros(0)
        task_of = records.task_of()
        goals = _normalised(self._of([views[goal].goal for goal in tasks]))
        scenes = np.stack([self._place(k, views[goal]) for k, goal in enumerate(tasks)])
        of_goal = np.einsum("kh,kh->k", goals, self._goals)[task_of]
        of_scene = np.einsum("nh,nh->n", self._scenes, _normalised(scenes)[task_of])
        similar: np.ndarray = self.goal_weight * of_goal + (1 - self.goal_weight) * of_scene
        return similar

    def _place(self, task: int, view: Situation) -> np.ndarray:
        """Where in a task a situation is: [H]."""
        scene = self._of([view.scene])[0]
        if self.raw:
            return scene
        if view.goal in self._tasks:
            return np.asarray(scene - self._means[self._tasks.index(view.goal)])
        begin = self._of([self._begins.setdefault(view.goal, view.scene)])[0]
        return np.asarray(scene - begin + self._starts[task])

    def _look_at(self, records: Records) -> None:
        """Take up the records as they are now."""
        self._version, known = records.version, records.told()
        self._tasks, task_of = records.tasks(), records.task_of()
        scenes = self._of([s.scene for s in known])
        if known and not self.raw:
            self._means = np.stack([scenes[task_of == k].mean(0) for k in range(len(self._tasks))])
            self._starts = self._of([records.begins[goal] for goal in self._tasks]) - self._means
            scenes = scenes - self._means[task_of]
        self._goals, self._scenes = _normalised(self._of(self._tasks)), _normalised(scenes)

    def _of(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of texts, each computed once: [N, H]."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            self._vectors.update(zip(missing, np.asarray(self.embed(missing), float), strict=True))
        return np.stack([self._vectors[text] for text in texts]) if texts else np.zeros((0, 0))


class Choice(NamedTuple):
    """What is recalled of what is similar. `alike`: see `translation`.

    `k`: how many. `candidates`: of so many most similar ones (None: of k), by z(similarity) w + z(value) (1 - w), with
    w the `similarity_weight` (the second phase of MemRL; Zhang et al. 2026).
    """

    k: int
    alike: float
    candidates: int | None = None
    similarity_weight: float = 1.0


def recall(
    situation: Situation,
    records: Records,
    similarity: Similarity,
    choice: Choice,
    value: Callable[[Situation], float] = lambda _: 0.0,
) -> list[Recalled]:
    """The records that know an action and are most similar, the most similar last. `value`: of a record.

    Of equals those that were met more often come nearer, then those met later.
    """
    known, similar = records.told(), similarity(views(situation, records, choice.alike), records)
    few = choice.k if choice.candidates is None else max(choice.k, choice.candidates)
    near = list(range(len(known)))
    if len(known) > few:  # a partial order first: sorting all would take longer than the product
        near = np.flatnonzero(similar >= np.partition(similar, -few)[-few]).tolist()
    order = sorted(near, key=lambda i: (similar[i], records[known[i]].visits, i))[-few:] if few else []
    if choice.candidates is not None and len(order) > choice.k:
        both = choice.similarity_weight * _standardised(similar[order])
        both += (1 - choice.similarity_weight) * _standardised(np.array([value(known[i]) for i in order]))
        best = set(np.argsort(both, kind="stable")[len(order) - choice.k :].tolist())
        order = [i for place, i in enumerate(order) if place in best]
    return [Recalled(known[i], float(similar[i])) for i in order]


def _standardised(numbers: np.ndarray) -> np.ndarray:
    """In standard deviations from their mean; 0 where all are alike."""
    spread = numbers.std()
    return np.asarray((numbers - numbers.mean()) / spread if spread > 1e-12 else np.zeros(len(numbers)))


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; one without length stays as it is: the last axis."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.where(lengths > 1e-12, lengths, 1.0)
    return scaled
