"""The desk as a gymnasium environment: `DeskEnv(split=..., questions=..., cost=...)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from ..agent.agent import Agent
from ..agent.inner import whole
from ..agent.internal_actions import AgentState, InternalAction
from ..agent.state import Progress
from ..base import Menu
from . import arguments, drawing, optimum, player, text
from .desk import NUMBERS, QuestionsEnv
from .groups import AND, N_ANSWERS
from .questions import N_PAIRS, Kind, Plan, Session
from .tools import Ask, Find, Kept, LookUp, Note, View, cells
from .words import WORDS

MOST_QUESTIONS = 1_000
FAILED = f"{text.ASK} failed: "
"""How the note of an adviser that failed begins."""


class DeskEnv(Agent):
    """A session of questions about six products: look up, ask, note, remember, say, each at its price (after AGILE).

    Half of the questions a table answers: a fact (one look-up), a comparison (two), a recommendation (one search).
    Half are about care, whose answers no table holds: a rule for each of 2 topics and 3 materials, the same for both
    products of a material. The adviser knows the answer for the product asked about; noted, it is the rule. Every scene
    tells how many notes there are and recalls the one that answers its question (to choose to recall would, at six
    rules, only hide what the decision needs). Every question has four answers, which alone tell nothing.

    Reward: 1 for a right answer, less the price of what was done. The scene says what asking costs, what is noted, how
    many questions are left, the question, and what was found out about it; at the answer the latter is cleared.

    `info["optimum"]` after `reset`: what the best play that goes by the scenes earns on average over sessions of this
    length and price, exact (`optimum.py`); a single session may earn more. At the end `info["tally"]`: how often was
    looked up, asked, noted, and how many answers were right. Sessions depend on their number alone: a snapshot knows
    all answers, so a tree search here is no honest player.

    Args:
        split: whose words are drawn: `train` or `test`, which share none.
        questions: of a session, 1 to 1000.
        cost: price of asking; of several, a session draws one.
        look_up_cost, note_cost: prices of a look-up or search, and of noting a rule.
        table: True; False for none, an ablation; or the path of a CSV file of yours, whose rows are then asked about.
        notes: False: what was advised is remembered as it was said, of the product alone, and free of charge; the scene
            tells how much is remembered, and what is about the present question.
        memory: False: nothing outlives its question.
        shows: what scenes tell of the notes: `recalled`, how many and the one that answers; or `all` that they say.
        advice: False: nobody can be asked.
        advice_answers: True: after an advice nothing else can be said (AGILE takes it for the answer).
        adviser: `oracle`, `human` (a person at the terminal), `module:function` or a function of the question and the
            answers on offer, that returns one of these, or the settings of an endpoint or another function, as
            `agent.advisers.made` takes them. All but the oracle are external: not asked in simulations.
        error: how often the oracle is wrong, 0 to 1.
        charge_failures: whether asking somebody who says nothing, or nothing that was on offer, costs as much.
        patience: seconds until silence is taken as no answer; None for no limit.
        material: of a table of yours, the column that care depends on.
        session: the number of the session of every episode, instead of a drawn one.
        demonstrates: what cloning is shown of asking: `random`, half of the odds wherever nothing tells the answer;
            `best`, as is best at this price; `always` or `never`.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        TypeError, ValueError: an argument of another kind or range, a table that does not hold what is needed.
    """

    def __init__(
        self,
        split: str = "train",
        questions: int = 24,
        cost: float | Sequence[float] = 0.3,
        look_up_cost: float = 0.02,
        note_cost: float = 0.02,
        *,
        table: bool | str | Path = True,
        notes: bool = True,
        memory: bool = True,
        shows: str = "recalled",
        advice: bool = True,
        advice_answers: bool = False,
        adviser: str | Mapping[str, Any] | Callable[[str, tuple[str, ...]], str] = "oracle",
        error: float = 0.0,
        charge_failures: bool = True,
        patience: float | None = 60.0,
        material: str = "material",
        session: int | None = None,
        demonstrates: str = "random",
        render_mode: str | None = None,
    ):
        if render_mode is not None:
            arguments.one_of("render_mode", render_mode, self.metadata["render_modes"])
        arguments.one_of("split", split, WORDS)
        own = arguments.table(table, material)
        self.demonstrates = arguments.one_of("demonstrates", demonstrates, player.DEMONSTRATIONS)
        self.has_table, self.has_notes, self.has_memory = table is not False, bool(notes), bool(memory)
        self.shows_all = arguments.one_of("shows", shows, ("recalled", "all")) == "all" and self.has_notes
        self.advice_answers, self.charge_failures = bool(advice_answers), bool(charge_failures)
        n, wrong = whole("questions", questions, 1, MOST_QUESTIONS), arguments.number("error", error, 1.0)
        number = None if session is None else whole("session", session, 0, NUMBERS - 1)
        world = QuestionsEnv(Plan(split, n, arguments.numbers_of("cost", cost), wrong, own), number, render_mode)
        asked = arguments.adviser_of(adviser, None if patience is None else arguments.number("patience", patience))
        actions: list[InternalAction] = []
        prices = arguments.number("look_up_cost", look_up_cost), arguments.number("note_cost", note_cost)
        if self.has_table:
            actions += [LookUp(2 * world.n_attributes, prices[0]), Find(prices[0])]
        if advice:
            actions.append(Ask(max(world.plan.costs), asked))
        if advice and self.has_notes and self.has_memory:
            actions.append(Note(prices[1]))
        super().__init__(world, actions, sum(action.slots for action in actions) or None)
        self.desk = world
        self.rules = optimum.Rules(
            *prices,
            error=wrong,
            table=self.has_table,
            notes=self.has_notes,
            memory=self.has_memory,
            advice=bool(advice),
        )
        if actions:
            self._widen()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start a session, as `Agent.reset` does, with `info["optimum"]`: float."""
        observation, info = super().reset(seed=seed, options=options)
        return observation, {**info, "optimum": self.best.value}

    @property
    def best(self) -> optimum.Optimum:
        """What the best play earns and asks, at the price of the present session."""
        return optimum.best(self.rules, self.desk.plan.n, self.session.cost)

    def step(self, action):
        """As `Agent.step`; `info["closes"]`: whether a question was answered, `info["hint"]`: the use of a new note."""
        left, noted = self.desk.left, self.kept.noted
        *result, info = super().step(action)
        hint = self.session.use(self.desk.plan.n - left) if self.kept.noted > noted else 0.0
        more = {"closes": self.desk.left < left, "hint": hint} if self.actions else {}
        return *result, {**info, **more}

    def demonstrate(self, seed: int) -> int | dict[int, float]:
        """The action to take, everything right but perhaps the asking; or odds of several (`player.py`)."""
        how = self.demonstrates
        return player.odds(self) if how == "random" else player.action(self, asks=player.DEMONSTRATIONS[how])

    def render(self):
        """The window with the scene as the policy reads it, and the last action, below."""
        last, scene = self._now.last, self._seen and self._scene()
        if not scene or self.render_mode is None:
            return self.world.render()
        if self.render_mode == "rgb_array":
            return self._captioned(scene)
        line = "A new episode." if last.phrase is None else f"> {last.phrase}   reward {last.reward:+.4g}"
        window = drawing.characters(self.session, self.desk.question, self.desk.left, self._noted())
        return f"{window}\n{scene}\n{line}\n"

    def picture(self) -> np.ndarray:
        """The window, with what is remembered, as uint8 [330, 660, 3]. Raises `ResetNeeded` before `reset`."""
        return drawing.picture(self.session, self.desk.question, self.desk.left, self._noted())

    @property
    def session(self) -> Session:
        """The present session, with all answers. Raises `ResetNeeded` before `reset`."""
        return self.desk.session

    @property
    def kept(self) -> Kept:
        """What the agent keeps beside the notes of the question."""
        kept = self._now.kept
        return kept if isinstance(kept, Kept) else Kept()

    # What the desk changes of the agent -------------------------------------------------------------------------------

    def _learnt(self, which: int, slot: int, note: str) -> tuple[Progress, float]:
        now, kept, action = self._now, self.kept, self.actions[which]
        question = self.desk.question
        assert question is not None
        if isinstance(action, Note):
            return now._replace(kept=self._remember(kept._replace(noted=kept.noted + 1))), action.cost
        if not isinstance(action, Ask):
            return now._replace(notes=(*now.notes, note), kept=kept._replace(looked_up=kept.looked_up + 1)), action.cost
        kept, price = kept._replace(asked=kept.asked + 1), self.desk.session.cost
        if note not in question.answers:
            told = f"No advice: {note.removeprefix(FAILED)}."
            return now._replace(notes=(*now.notes, told), kept=kept), price if self.charge_failures else 0.0
        kept = kept._replace(advice=note)
        if question.kind == Kind.CARE and self.has_memory and not self.has_notes:
            kept = self._remember(kept)
        return now._replace(notes=(*now.notes, text.advised(note)), kept=kept), price

    def _remember(self, kept: Kept) -> Kept:
        number, advice = self._number_of(), kept.advice
        assert number is not None
        assert advice is not None
        return kept._replace(memory=tuple(sorted({**dict(kept.memory), number: advice}.items())))

    def _turned(self, now: Progress) -> Progress:
        """At the answer the notes of the question are cleared."""
        kept = now.kept if isinstance(now.kept, Kept) else Kept()
        return now._replace(notes=(), counts=(0,) * len(now.counts), kept=kept._replace(advice=None))

    def _numbers(self) -> tuple[float, ...]:
        """Slots taken at this question, entries remembered, and which answers are left, remembered, advised.

        [slots + 1 + 3 * N_ANSWERS]
        """
        question, kept = self.desk.question, self.kept
        answers = question.answers if question else ("",) * N_ANSWERS
        known = self.remembered
        told = [*self.left_by_the_table, *(it == known for it in answers), *(it == kept.advice for it in answers)]
        return (*self._now.counts, len(kept.memory), *map(float, told))

    def _scene(self) -> str:
        here, kept = self.desk.session, self.kept
        lines = [text.costs(here.cost)] if self.rules.advice else []
        if self.rules.advice and self.has_memory:
            told, number = (text.rule if self.has_notes else text.advice), self._number_of()
            if self.shows_all:
                lines.append(text.remembered([told(here, own, means) for own, means in kept.memory]))
            else:
                found = [told(here, own, means) for own, means in kept.memory if own == number]
                lines.append(text.recalled(len(kept.memory), found[0] if found else None))
        return " ".join([*lines, self._seen["scene"], *self._now.notes])

    def _state_of(self, which: int) -> AgentState:
        here = View(self.desk.session, self.desk.question)
        return super()._state_of(which)._replace(world=here, kept=self.kept)

    def _open_menu(self) -> Menu:
        """After an advice that is the answer, nothing else can be said."""
        question, advice = self.desk.question, self.kept.advice
        if not self.advice_answers or advice is None or question is None:
            return self._world_menu
        return Menu(self._world_menu.actions, tuple(answer == advice for answer in question.answers))

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        observation, info = super()._shown(info)
        if self._now.over and self.actions:
            kept, right = self.kept, self.desk.right
            counts = {"looked_up": kept.looked_up, "asked": kept.asked, "noted": kept.noted, "right": right}
            info = {**info, "tally": counts}
        return observation, info

    # Helpers ----------------------------------------------------------------------------------------------------------

    def _noted(self) -> dict[int, list[str]]:
        return drawing.noted(self.session, self.kept.memory, is_rules=self.has_notes)

    @property
    def remembered(self) -> str | None:
        """The answer to the present question that memory holds; None where it holds none."""
        number = self._number_of()
        return None if number is None else dict(self.kept.memory).get(number)

    def _number_of(self) -> int | None:
        """Under which number the answer to the present question is remembered: of its rule, or of its product."""
        question, here = self.desk.question, self.desk.session
        if question is None or question.kind != Kind.CARE:
            return None
        return here.rule(question) if self.has_notes else here.pair(question)

    @property
    def left_by_the_table(self) -> list[bool]:
        """Of every answer whether it agrees with what was found at this question."""
        question, here = self.desk.question, self.desk.session
        if question is None or not self.has_table:
            return [True] * N_ANSWERS
        if question.kind == Kind.RECOMMENDATION:
            taken = self._now.counts[self.actions[0].slots] > 0
            return [not taken or k == question.right for k in range(N_ANSWERS)]
        looked = {cell for cell, n in zip(cells(here, question), self._now.counts, strict=False) if n}
        known = [(p, question.attribute) in looked for p in question.products]
        parts = [answer.split(AND) if question.kind == Kind.COMPARISON else [answer] for answer in question.answers]
        right = parts[question.right]
        if question.kind == Kind.CARE:
            return [True] * N_ANSWERS
        return [
            all(it == own or not is_known for it, own, is_known in zip(part, right, known, strict=True))
            for part in parts
        ]

    def _widen(self) -> None:
        """The space of the vector, which holds more than an agent's."""
        assert isinstance(self.observation_space, Dict)
        inside = self.desk.observation_space
        assert isinstance(inside, Dict)
        inner = inside["vector"]
        assert isinstance(inner, Box)
        more = np.array([*(1.0,) * len(self._slots), N_PAIRS, *(1.0,) * (3 * N_ANSWERS)])
        high = np.append(inner.high, more).astype(np.float32)
        vector = Box(np.zeros_like(high), high, dtype=np.float32)
        self.observation_space = Dict({**self.observation_space.spaces, "vector": vector})
