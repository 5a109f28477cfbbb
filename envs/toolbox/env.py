"""The toolbox as a gymnasium environment: `ToolboxEnv(split=..., questions=..., level=...)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from ..agent import frames
from ..agent.agent import Agent
from ..agent.inner import whole
from ..agent.internal_actions import AgentState, InternalAction
from ..agent.python_tool import is_available
from ..agent.state import Progress
from ..arguments import number, numbers_of, one_of
from ..base import LastStep, Menu
from . import optimum, player, text, tools
from .questions import MOST_NESTING, N_ANSWERS, Kind, Plan
from .tools import Found, Kept, View
from .words import WORDS
from .world import NUMBERS, QuestionsEnv

MOST_QUESTIONS = 1_000
MOST_CALLS = 3 * MOST_NESTING + 2
"""Internal actions that one question can have: every search, calculation and giving up, and Python, once."""


class ToolboxEnv(Agent):
    """A session of questions; search, calculate, say, each at its price: whether a tool is used is a decision.

    What is asked, and what helps (`questions.SHARES` tells how often):

    - habit, `Where do we keep the ladder?`: one of 20 facts that never change, so that play teaches them;
    - fresh, `What is the colour of the lamp?`: drawn anew, a search finds it;
    - sum, `What is 347 + 268?`: the calculator;
    - nested, `What do the lamp and the cup cost together?`: two searches inside a calculation;
    - rumour, `Who broke the window?`: one of 12 facts that never change; a search finds a wrong answer in 80 %.

    So the words of a question tell of which kind it is, but nothing tells what to do about it. Every question has four
    answers. A calculation in which something is missing opens a frame, in which one can search and calculate, but say
    nothing; its result returns to where it was begun, as soon as nothing is missing. The scene says what the tools
    cost, how many questions are left, the question, what was found, and the frames. What was found is cleared at the
    answer, and nothing of it helps later.

    Reward: 1 for a right answer, less the price of every search and calculation, which is paid when it is begun.
    `info["optimum"]` after `reset`: what the best play that adds nothing in the head earns on average over sessions of
    this length and level, exact (`optimum.py`). At the end `info["tally"]`: searches, calculations, right answers, and
    for every kind how often it was asked, answered rightly, and tools were used. Sessions depend on their number alone:
    a snapshot knows all answers, so a tree search here is no honest player.

    Args:
        split: whose words are drawn for what is fresh: `train` or `test`, which share none. Habits and rumours are the
            same in both: others could not be known.
        questions: of a session, 1 to 1000.
        level: of prices; of several, a session draws one.
        search_cost, calculation_cost: prices at level 1.
        nesting: calculations that a nested question needs, one inside the other, 1 to 3: with 2 or 3 a price is told by
            that of another thing, which must be found and calculated first.
        multiplicative: None, or c (above 0, at level 1; less is steeper) where tools have no price of their own and an
            answer after m of them is worth cos(m pi / (2 m + c / level)) of itself.
        python: whether Python can be run, in a process of its own, at the price of a calculation. It is external: not
            run in simulations. SECURITY.md says what it is not.
        session: the number of the session of every episode, instead of a drawn one.
        demonstrates: what cloning is shown: `clean`, the best play; `noisy`, with the wrong decision about tools in a
            share of all questions, by chance; `mistaken`, always at the same questions; `always`, every tool wherever
            it can be used, and what it says believed.
        noise: that share.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        TypeError, ValueError: an argument of another kind or range.
    """

    def __init__(
        self,
        split: str = "train",
        questions: int = 10,
        level: float | Sequence[float] = 1.0,
        search_cost: float = 0.1,
        calculation_cost: float = 0.05,
        *,
        nesting: int = 1,
        multiplicative: float | None = None,
        python: bool = False,
        session: int | None = None,
        demonstrates: str = "clean",
        noise: float = 0.25,
        render_mode: str | None = None,
    ):
        if render_mode is not None:
            one_of("render_mode", render_mode, self.metadata["render_modes"])
        one_of("split", split, WORDS)
        self.demonstrates = one_of("demonstrates", demonstrates, player.DEMONSTRATIONS)
        self.noise = number("noise", noise, 1.0)
        if not isinstance(python, bool):
            raise TypeError(f"python={python!r}, expected true or false.")
        if python and not is_available():
            raise ValueError("python=true needs Unix's limits for processes, which this system lacks: leave it out.")
        self.rules = optimum.Rules(
            number("search_cost", search_cost),
            number("calculation_cost", calculation_cost),
            whole("nesting", nesting, 1, MOST_NESTING),
            multiplicative if multiplicative is None else number("multiplicative", multiplicative),
        )
        n, which = whole("questions", questions, 1, MOST_QUESTIONS), None if session is None else session
        plan = Plan(split, n, numbers_of("level", level), nesting)
        world = QuestionsEnv(plan, which if which is None else whole("session", which, 0, NUMBERS - 1), render_mode)
        most = max(plan.levels)
        prices = most * self.rules.search, most * self.rules.calculation
        actions: list[InternalAction] = [tools.Search(prices[0]), tools.Calculate(prices[1]), tools.GiveUp()]
        super().__init__(world, [*actions, tools.Python(prices[1])] if python else actions, MOST_CALLS)
        self.world_inside = world
        self._widen()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Start a session, as `Agent.reset` does, with `info["optimum"]`: float."""
        observation, info = super().reset(seed=seed, options=options)
        world = self.world_inside
        return observation, {**info, "optimum": world.plan.n * optimum.best(self.rules, world.level).value}

    def step(self, action):
        """As `Agent.step`; `info["closes"]`: whether a question was answered.

        Then `info["reference"]` has the right answer and the scenes that it could be read from, as texts `goal`,
        `scene` (before anything was found out), `found` and `answer`; otherwise `info["cost"]` is the price paid.
        """
        before, reference = len(self.world_inside.asked), self._reference()
        observation, _, terminated, truncated, info = super().step(action)
        closes, reward = len(self.world_inside.asked) > before, self._now.last.reward
        told = {"reference": reference} if closes else {"cost": 0.0 - reward}
        return observation, reward, terminated, truncated, {**info, "closes": closes, **told}

    def demonstrate(self, seed: int) -> int:
        """The action to take; where annotators err, `seed` draws when (`player.py`)."""
        question, left = self.view.question, self.world_inside.plan.n - len(self.world_inside.asked)
        assert question is not None, "the session is over"
        pays = bool(optimum.best_plan(self.rules, question.kind, self.world_inside.level).calls)
        is_wrong = player.errs(self.demonstrates, self.noise, seed, left, question, pays=pays)
        return player.action(self, is_wrong=is_wrong)

    def render(self):
        """The window with the scene as the policy reads it, and the last action, below."""
        last, scene = self._now.last, self._seen and self._scene()
        if not scene or self.render_mode is None:
            return self.world.render()
        if self.render_mode == "rgb_array":
            return self._captioned(scene)
        line = "A new episode." if last.phrase is None else f"> {last.phrase}   reward {last.reward:+.4g}"
        from . import drawing

        return f"{drawing.characters(*self._window())}\n{scene}\n{line}\n"

    def picture(self) -> np.ndarray:
        """The window, with what was found, as uint8 [330, 660, 3]. Raises `ResetNeeded` before `reset`."""
        from . import drawing

        return drawing.picture(*self._window())

    @property
    def exact(self) -> dict[str, float]:
        """What plays of the present level come to, as `optimum.exact` has it. Raises `ResetNeeded` before `reset`."""
        return optimum.exact(self.rules, self.world_inside.level, self.demonstrates, self.noise)

    @property
    def worth(self) -> float:
        """How often who believes what was found would answer rightly now. Raises `ResetNeeded` before `reset`."""
        return player.worth(self.view, self.kept)

    @property
    def kept(self) -> Kept:
        """What the agent keeps of the present question, and what it did in this session."""
        kept = self._now.kept
        return kept if isinstance(kept, Kept) else Kept()

    @property
    def view(self) -> View:
        """What the tools see. Raises `ResetNeeded` before `reset`."""
        return View(self.world_inside.plan.split, self.world_inside.question)

    # What the toolbox changes of the agent ----------------------------------------------------------------------------

    def _learnt(self, which: int, slot: int, note: str) -> tuple[Progress, float]:
        now, kept, view, action = self._now, self.kept, self.view, self.actions[which]
        question, level = view.question, self.world_inside.level
        assert question is not None
        if isinstance(action, tools.GiveUp):
            return now._replace(kept=kept._replace(stack=tools.given_up(kept.stack))), 0.0
        phrase = action.menu(self._state_of(which)).actions[slot]
        kept, stack, price = kept._replace(taken=(*kept.taken, phrase)), kept.stack, level * self.rules.calculation
        if isinstance(action, tools.Search):
            price = level * self.rules.search
            stack = tools.looked_for(view, stack, tools.topics(view, stack)[slot])
            kept = kept._replace(searched=_one_more(kept.searched, question.kind))
        elif isinstance(action, tools.Calculate):
            stack = tools.begun(stack, tools.tasks(view, stack)[slot])
            kept = kept._replace(calculated=_one_more(kept.calculated, question.kind))
        else:
            has_failed = note.startswith(phrase + text.FAILED)
            found = Found(note, None) if has_failed else Found(text.printed(note), note)
            stack = frames.noted(stack, question.expression, found)
            kept = kept._replace(ran=_one_more(kept.ran, question.kind))
        is_priced = self.rules.multiplicative is None
        return now._replace(kept=kept._replace(stack=stack)), price if is_priced else 0.0

    def _after(self, last: LastStep) -> Progress:
        """Where calls take a share of the answer they do so here."""
        c = self.rules.multiplicative
        share = 1.0 if c is None else optimum.kept_share(c, self.world_inside.level, len(self.kept.taken))
        return super()._after(last if c is None else last._replace(reward=last.reward * share))

    def _turned(self, now: Progress) -> Progress:
        """At the answer what was found is cleared."""
        kept = self.kept._replace(stack=frames.EMPTY, taken=())
        return now._replace(counts=(0,) * len(now.counts), kept=kept)

    def _numbers(self) -> tuple[float, ...]:
        """Slots taken at this question, frames open, which slots are legal, which answers were found.

        [2 * slots + 1 + N_ANSWERS]
        """
        stack, question = self.kept.stack, self.view.question
        said = {found.value for found in frames.known(stack).values() if isinstance(found, Found)}
        answers = question.answers if question else ("",) * N_ANSWERS
        is_legal = self._menu.is_legal[self._n_here :]
        return (*self._now.counts, frames.depth(stack), *map(float, is_legal), *(float(it in said) for it in answers))

    def _scene(self) -> str:
        level = self.world_inside.level
        prices = text.prices(level * self.rules.search, level * self.rules.calculation)
        if (c := self.rules.multiplicative) is not None:
            prices = text.shares(*(optimum.kept_share(c, level, calls) for calls in (1, 2)))
        return " ".join([prices, self._seen["scene"], *(line for _, line in self._lines())])

    def _reference(self) -> dict[str, str]:
        """What the present question should be answered with, and from what; empty after the last."""
        question = self.view.question
        if question is None:
            return {}
        found, end = self._scene(), sum(1 + len(line) for _, line in self._lines())
        answer = text.say(question.answers[question.right])
        return {"goal": text.GOAL, "scene": found[: len(found) - end], "found": found, "answer": answer}

    def _lines(self) -> list[tuple[int, str]]:
        """What was found and what is worked on, from the outside in, with the number of frames around it."""
        stack, lines = self.kept.stack, []
        for depth, frame in enumerate(stack.frames):
            if depth:
                task = tools.task_of(stack._replace(frames=stack.frames[: depth + 1]))
                assert task is not None
                lines.append((depth, text.to_calculate(task.expression, tools.missing(stack, task.expression))))
            lines += [(depth, found.words) for _, found in frame.results if isinstance(found, Found)]
        return lines

    def _state_of(self, which: int) -> AgentState:
        return super()._state_of(which)._replace(world=self.view, kept=self.kept)

    def _open_menu(self) -> Menu:
        """Inside a frame nothing is said."""
        menu = self._world_menu
        is_open = not frames.depth(self.kept.stack)
        return Menu(menu.actions, tuple(is_open and is_legal for is_legal in menu.is_legal))

    def _shown(self, info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        observation, info = super()._shown(info)
        return observation, {**info, "tally": self._tally()} if self._now.over else info

    # Helpers ----------------------------------------------------------------------------------------------------------

    def _tally(self) -> dict[str, int]:
        kept, right, kinds = self.kept, self.world_inside.right, [it.kind for it in self.world_inside.asked]
        tally = {"searched": sum(kept.searched), "calculated": sum(kept.calculated), "right": sum(right)}
        if any(isinstance(action, tools.Python) for action in self.actions):
            tally["ran"] = sum(kept.ran)
        for kind in Kind:
            name = kind.name.lower()
            tally |= {name: kinds.count(kind), f"{name}_right": right[kind]}
            tally[f"{name}_calls"] = kept.searched[kind] + kept.calculated[kind] + kept.ran[kind]
        return tally

    def _window(self) -> tuple[Any, int, list[tuple[int, str]]]:
        question = self.view.question
        return question, self.world_inside.plan.n - len(self.world_inside.asked), self._lines()

    def _widen(self) -> None:
        """The space of the vector, which holds more than an agent's."""
        assert isinstance(self.observation_space, Dict)
        vector = self.observation_space["vector"]
        assert isinstance(vector, Box)
        high = np.append(vector.high, [tools.MOST_DEPTH, *(1.0,) * (len(self._slots) + N_ANSWERS)]).astype(np.float32)
        parts = {**self.observation_space.spaces, "vector": Box(np.zeros_like(high), high, dtype=np.float32)}
        self.observation_space = Dict(parts)


def _one_more(counts: tuple[int, ...], kind: Kind) -> tuple[int, ...]:
    return tuple(n + (k == kind) for k, n in enumerate(counts))
