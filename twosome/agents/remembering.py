"""What an experience memory advises before a decision: what to do and what to leave, as text or as log-weights.

    example   every recalled state as it was met, the most similar last, with the best and the worst that was done there
    own       the actions of the present menu alone, in the words of the tasks that the recalled states are of: how far
              they fall short of the best there, and what those states are worth, means weighted by similarity
    bias      pi ~ exp(score / T + Q / tau): of all policies the one with the highest Q - tau KL(pi || the model's). It
              asks for no reading, and is the control of whether reading adds anything

Nothing is invented: where no action is known to be good, nothing is encouraged (Rememberer encourages a random one).
While it explores, an action that was never taken in a state is worth what `unknown` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twosome import advice, files
from twosome.advice import Lists, Valued
from twosome.agents.recall import Advice
from twosome.agents.recall_tally import Tally
from twosome.errors import INVALID_CONTENT, CheckpointError, brief
from twosome.memory.records import Records
from twosome.memory.similarity import Choice, Recalled, Similarity, recall
from twosome.memory.translation import translation
from twosome.types import Menu, Observation, Situation

if TYPE_CHECKING:
    from twosome.config.schema import MemorySettings

FILE = "memory.json"  # of a checkpoint


class Remembering:
    """A `Recall` over records. `explores`: by U, with its exploration bonuses, where True; else by Q."""

    def __init__(self, records: Records, similarity: Similarity, settings: MemorySettings):
        self.records, self.similarity, self.settings = records, similarity, settings
        self.explores = False
        self.tally = Tally()

    def __call__(self, observation: Observation, menu: Menu) -> Advice:
        """The advice for a state."""
        s = self.settings
        recalled, own = self.look(observation, menu)
        self.tally.add(recalled)
        text = ""
        if s.use in ("prompt", "both"):
            text = advice.own(self.lists(own)) if s.form == "own" else self._examples(recalled)
        tau = s.bonus_tau if self.explores else s.tau
        bias = tuple(own.get(a, 0.0) / tau for a in menu.phrases) if s.use in ("bias", "both") and own else ()
        return Advice(text, bias)

    def look(self, observation: Observation, menu: Menu) -> tuple[list[Recalled], dict[str, float]]:
        """The records that a state reminds of, the most similar last, and what they say of the actions of its menu."""
        situation = Situation(observation["goal"], observation["scene"])
        recalled = self.recall(situation)
        return recalled, self.own_values(situation, recalled, menu.phrases)

    def save(self, folder: Path) -> None:
        """Write the records. Raises `CheckpointError`."""
        files.write_json(folder / FILE, self.records.state_dict())

    def load(self, folder: Path) -> None:
        """Read what `save` wrote. Raises `CheckpointError` for what is no memory."""
        found = files.read_json(folder / FILE)
        try:
            self.records.load_state_dict(found)
        except INVALID_CONTENT as error:
            raise CheckpointError(f"{folder / FILE} holds no memory: {brief(error)}") from error

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Meanwhile by Q, without bonuses: what it knows, and not what it wants to know."""
        before, self.explores = self.explores, False
        try:
            yield
        finally:
            self.explores = before

    def recall(self, situation: Situation) -> list[Recalled]:
        """The records that a state reminds of, the most similar last."""
        s = self.settings
        if s.use == "none" or s.k == 0:
            return []
        choice = Choice(s.k, s.alike, s.candidates, s.similarity_weight)
        return recall(situation, self.records, self.similarity, choice, lambda known: max(self.values(known).values()))

    def values(self, situation: Situation) -> dict[str, float]:
        """What the actions of a record are worth."""
        known = self.records[situation].actions
        return {action: k.u if self.explores else k.q for action, k in known.items()}

    def own_values(self, situation: Situation, recalled: list[Recalled], phrases: tuple[str, ...]) -> dict[str, float]:
        """Of the actions of a menu that the recalled states know: what they are worth here.

        A plain mean of values would take for good what happens to be known of good states alone.
        """
        near = [(known, similarity, self.values(known)) for known, similarity in recalled if similarity > 0]
        if not near:
            return {}
        best = {known: max(values.values()) for known, _, values in near}
        mean = sum(similarity * best[known] for known, similarity, _ in near) / sum(s for _, s, _ in near)
        weights = dict.fromkeys(phrases, 0.0)
        totals = dict.fromkeys(phrases, 0.0)
        for known, similarity, values in near:
            words = translation(situation.goal, known.goal, self.settings.alike)
            for phrase in phrases:
                value = values.get(words(phrase), self.settings.unknown if self.explores else None)
                if value is not None:
                    weights[phrase] += similarity
                    totals[phrase] += similarity * (value - best[known])
        return {phrase: mean + totals[phrase] / weight for phrase, weight in weights.items() if weight > 0}

    def lists(self, values: Mapping[str, float]) -> Lists:
        """The best actions that are worth something, and the worst of the others; at most `lines` of each."""
        order = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
        good = [Valued(*pair) for pair in order if pair[1] > 0][: self.settings.lines]
        bad = [Valued(*pair) for pair in order[len(good) :]]
        return Lists(tuple(good), tuple(bad[max(0, len(bad) - self.settings.lines) :]))

    def _examples(self, recalled: list[Recalled]) -> str:
        """The recalled states of which there is something to say."""
        told = [(r.situation, self.lists(self.values(r.situation))) for r in recalled if r.similarity > 0]
        return "".join(advice.example(s.goal, s.scene, lists) for s, lists in told if lists.good or lists.bad)
