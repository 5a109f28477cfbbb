"""The pages as a gymnasium environment: `PagesEnv(split=..., task=...)`."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np

from ..arguments import action_index, unknown
from ..base import Menu, MenuEnv, Outcome
from . import rules, text
from .articles import AUTHORS, CATEGORY_NAMES, THINGS, TOPICS, VERBS, articles, within
from .rules import GAMMA, MOST_DECISIONS, N_ACTIONS, PER_PAGE, Place, State
from .tasks import SPLITS, Pattern


class PagesEnv(MenuEnv[State]):
    """Follow links between 200 articles, their authors and categories, as instructions say.

    The pages are always the same. `reset` draws a task: from one to three instructions about one article, of six kinds
    (after the WikiHow tasks of Mobile-Env, Zhang et al. 2023): search for its thing, read it, from it read one that it
    refers to, see its author, see its category, and see the about page. One searches for a topic, a thing or something
    that is done with things; lists show five articles a page.

    Reward: 1 for every instruction, when the page that it asks for is opened; they are followed in order, and the last
    one ends the episode as a success. A masked action does nothing and counts as a step. `info["optimum"]` after
    `reset` is the best return of the task.

    The vector holds the instructions, which of them is the present one, the article that they are about, and the page.

    Args:
        split: where `reset` draws the task of the episode from: `train_0` or `train_1` (10 each), `train` (both),
            `test` (100 others) or `all`. Equal seeds draw equal tasks.
        task: the number of the task for every episode, instead of a drawn one.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: a split or a task that does not exist.
    """

    gamma = GAMMA
    max_steps = MOST_DECISIONS

    def __init__(self, split: str = "train", task: SupportsIndex | None = None, render_mode: str | None = None):
        if not isinstance(split, str) or split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        self.numbers: range = SPLITS[split] if task is None else _checked(task)
        bits = 2 * len(Pattern) + 2 * TOPICS + len(Place) + len(AUTHORS) + len(CATEGORY_NAMES)
        longest = max(len(within(i)) for i in range(len(CATEGORY_NAMES)))
        longest = max(longest, len(articles()) // len(VERBS))
        super().__init__(N_ACTIONS, np.append(np.ones(bits), longest / PER_PAGE), render_mode)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode with a drawn task, as `MenuEnv.reset` does, with `info["optimum"]`: float."""
        observation, info = super().reset(seed=seed, options=options)
        info["optimum"] = rules.best(self._current("reset()").number).value
        return observation, info

    def instances(self) -> list[dict[str, Any]]:
        """Of every task that `reset` may draw the arguments that make it the only one."""
        return [{"task": number} for number in self.numbers]

    def _start(self) -> State:
        return State(self.numbers[int(self.np_random.integers(len(self.numbers)))])

    def _transition(self, state: State, action: int) -> Outcome[State]:
        after, reward = rules.advance(state, action)
        return Outcome(after, (reward,), after.is_over)

    def _scene(self, state: State) -> str:
        return text.scene(state)

    def _goal(self, state: State) -> str:
        return text.goal(state)

    def _menu(self, state: State) -> Menu:
        is_legal = [page is not None for page in rules.links(state)]
        return Menu(text.phrases(state), tuple(is_legal) if any(is_legal) else (True, *is_legal[1:]))

    def _vector(self, state: State) -> np.ndarray:
        task, page = state.task, state.page
        about = articles()[task.article]
        asked = [*_hot(Pattern, *task.patterns), *_hot(Pattern, *task.patterns[state.done : state.done + 1])]
        asked += _hot(range(TOPICS), about.thing, len(THINGS) + about.verb)
        topics: tuple[int, ...] = ()
        author = category = -1
        if page.place == Place.ARTICLE:
            thing, verb, category, author, _ = articles()[page.which]
            topics = (thing, len(THINGS) + verb)
        elif page.place == Place.RESULTS:
            topics = (page.which,)
        elif page.place == Place.AUTHOR:
            author = page.which
        elif page.place == Place.CATEGORY:
            category = page.which
        where = [*_hot(Place, page.place), *_hot(range(TOPICS), *topics)]
        where += [*_hot(AUTHORS, author), *_hot(CATEGORY_NAMES, category), page.part]
        return np.array([*asked, *where], np.float32)

    def _ansi(self, state: State) -> str:
        from . import drawing

        return drawing.characters(state)

    def _picture(self, state: State) -> np.ndarray:
        from . import drawing

        return drawing.picture(state)


def _hot(words: Any, *which: int) -> list[int]:
    return [i in which for i in range(len(words))]


def _checked(number: SupportsIndex) -> range:
    """The range of one task. Raises ValueError for anything but its number."""
    index = action_index(number, len(SPLITS["all"]))
    if index is None:
        raise ValueError(f"task must be a whole number from 0 to {len(SPLITS['all']) - 1}, got {number!r}.")
    return range(index, index + 1)
