"""Which records a situation is like: the door from a state that may never have been met to what is known. Pure.

    exact       1 for the situation itself, 0 for any other
    words       cosine of the counts of words, of goal and scene together
    features    lambda cos(psi(g), psi(g')) + (1 - lambda) cos(phi(o) - mean_g, phi(o') - mean_g')

phi and psi are vectors of texts, say the frozen model's states at their ends. Scenes of one task are much alike, so
what they have in common, the mean of the task's records, is taken away (centred): what is left is where in the task
they are. Of a task without records the mean is not known, but the scene in which it begins is: it is taken to lie from
the mean as that of the other task does. Without centring (`raw`) the nearest record is often a neighbour of the twin.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from twosome.memory.records import Records
from twosome.types import Situation

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts -> vectors [N, H]."""


class Recalled(NamedTuple):
    """A record, and how like the situation is that was asked about: 1 for itself."""

    situation: Situation
    similarity: float


class Similarity(Protocol):
    """How like a situation is to what can be recalled, in the order of `Records.told`: [N]."""

    def __call__(self, situation: Situation, records: Records) -> np.ndarray:
        """At most 1, which the situation itself has."""
        ...


def exact(situation: Situation, records: Records) -> np.ndarray:
    """1 for the situation itself: [N]."""
    return np.array([float(known == situation) for known in records.told()])


class Words:
    """Cosine of word counts; what is known of the records is kept until they change."""

    def __init__(self) -> None:
        self._version, self._counts = -1, list[Counter[str]]()

    def __call__(self, situation: Situation, records: Records) -> np.ndarray:
        """Similarities: [N]."""
        if records.version != self._version:
            self._version, self._counts = records.version, [_words(known) for known in records.told()]
        asked = _words(situation)
        return np.array([_cosine_of_counts(asked, counts) for counts in self._counts])


class Features:
    """Cosine of vectors, of goals and of scenes; centred per task or `raw`.

    `goal_weight`: lambda. `embed`: texts -> vectors; each text is asked about once.
    """

    def __init__(self, embed: Embed, goal_weight: float, *, raw: bool = False):
        self.embed, self.goal_weight, self.raw = embed, goal_weight, raw
        self._vectors: dict[str, np.ndarray] = {}
        self._begins: dict[str, str] = {}  # of tasks without records: the scene that was asked about first
        self._version = -1
        self._tasks: list[str] = []
        self._task_of = np.zeros(0, int)  # of every record, its place among the tasks
        self._goals, self._scenes = np.zeros((0, 0)), np.zeros((0, 0))  # of the records, normalised
        self._means, self._starts = np.zeros((0, 0)), np.zeros((0, 0))  # of the tasks; the latter less the former

    def __call__(self, situation: Situation, records: Records) -> np.ndarray:
        """Similarities: [N]."""
        if records.version != self._version:
            self._look_at(records)
        if not records.told():
            return np.zeros(0)
        goal, scene = self._of([situation.goal])[0], self._of([situation.scene])[0]
        if self.raw:
            of_scene = self._scenes @ _normalised(scene)
        elif situation.goal in self._tasks:
            of_scene = self._scenes @ _normalised(scene - self._means[self._tasks.index(situation.goal)])
        else:
            begin = self._of([self._begins.setdefault(situation.goal, situation.scene)])[0]
            of_task = _normalised(scene - begin + self._starts)  # where it is, seen from every task
            of_scene = np.einsum("nh,nh->n", self._scenes, of_task[self._task_of])
        similar: np.ndarray = self.goal_weight * (self._goals @ _normalised(goal)) + (1 - self.goal_weight) * of_scene
        return similar

    def _look_at(self, records: Records) -> None:
        """Take up the records as they are now."""
        self._version, known = records.version, records.told()
        self._tasks = list(dict.fromkeys(s.goal for s in known))
        places = {goal: place for place, goal in enumerate(self._tasks)}
        self._task_of = np.array([places[s.goal] for s in known], int)
        scenes, goals = self._of([s.scene for s in known]), self._of(self._tasks)
        if known and not self.raw:
            self._means = np.stack([scenes[self._task_of == k].mean(0) for k in range(len(self._tasks))])
            self._starts = self._of([records.begins[goal] for goal in self._tasks]) - self._means
            scenes = scenes - self._means[self._task_of]
        self._goals, self._scenes = _normalised(goals)[self._task_of], _normalised(scenes)

    def _of(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of texts, each computed once: [N, H]."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            self._vectors.update(zip(missing, np.asarray(self.embed(missing), float), strict=True))
        return np.stack([self._vectors[text] for text in texts]) if texts else np.zeros((0, 0))


def recall(situation: Situation, records: Records, similarity: Similarity, k: int) -> list[Recalled]:
    """The k most similar records that know an action, the most similar last.

    Of equals those that were met more often come nearer, then those met later.
    """
    known, similar = records.told(), similarity(situation, records)
    near = list(range(len(known)))
    if len(known) > k:  # a partial order first: sorting all would take longer than the product
        near = np.flatnonzero(similar >= np.partition(similar, -k)[-k]).tolist()
    order = sorted(near, key=lambda i: (similar[i], records[known[i]].visits, i))
    return [Recalled(known[i], float(similar[i])) for i in order[max(0, len(order) - k) :]]


def _words(situation: Situation) -> Counter[str]:
    return Counter(re.findall(r"\w+", f"{situation.goal} {situation.scene}".lower()))


def _cosine_of_counts(a: Counter[str], b: Counter[str]) -> float:
    both = sum(n * b[word] for word, n in a.items())
    lengths = sum(n * n for n in a.values()) * sum(n * n for n in b.values())
    return both / lengths**0.5 if lengths else float(a == b)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; one without length stays as it is: the last axis."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.where(lengths > 1e-12, lengths, 1.0)
    return scaled
