"""The pages, where they lead, and which of them an instruction asks for. No words."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from ..plans import Plan, best_plan
from .articles import about, articles, by, within
from .tasks import Pattern, Task, tasks

GAMMA = 0.95
"""Discount per decision."""
MOST_DECISIONS = 20
PER_PAGE = 5
"""Articles on a page that lists some."""

NEXT, BACK, START = 5, 6, 7
"""Slots of the menu behind those of what a page lists."""
N_ACTIONS = START + 1


class Place(IntEnum):
    """The kinds of pages."""

    START = 0
    RESULTS = 1
    ARTICLE = 2
    AUTHOR = 3
    CATEGORY = 4
    ABOUT = 5


class Page(NamedTuple):
    """A page. which: index of the topic, article, author or category; part: of a list that takes several pages."""

    place: Place = Place.START
    which: int = 0
    part: int = 0


class State(NamedTuple):
    """The complete state: number of the task, how many of its instructions are done, and the open page."""

    number: int
    done: int = 0
    page: Page = Page()

    @property
    def task(self) -> Task:
        """What the number stands for."""
        return tasks()[self.number]

    @property
    def is_over(self) -> bool:
        """Whether every instruction is done."""
        return self.done == len(self.task.patterns)


def listed(page: Page) -> tuple[int, ...]:
    """All articles of the list that a page is a part of; none for a page without a list."""
    lists = {Place.RESULTS: about, Place.AUTHOR: by, Place.CATEGORY: within}
    return lists[page.place](page.which) if page.place in lists else ()


def parts(page: Page) -> int:
    """How many pages the list takes."""
    return -(-len(listed(page)) // PER_PAGE)


def shown(page: Page) -> tuple[int, ...]:
    """The articles that a page lists."""
    return listed(page)[page.part * PER_PAGE : (page.part + 1) * PER_PAGE]


def links(state: State) -> tuple[Page | None, ...]:
    """Where every action leads [N_ACTIONS], None where there is no such action; the end leads nowhere."""
    if state.is_over:
        return (None,) * N_ACTIONS
    if state.page.place == Place.START:
        found = [*(Page(Place.RESULTS, topic) for topic in state.task.topics()), Page(Place.ABOUT)]
        return (*found, *[None] * (N_ACTIONS - len(found)))
    return _links_of(state.page)


@functools.cache
def _links_of(page: Page) -> tuple[Page | None, ...]:
    """The links of a page other than the start, which are the same in every task."""
    slots: list[Page | None] = [None] * N_ACTIONS
    if page.place == Place.ARTICLE:
        _, _, category, author, references = articles()[page.which]
        found = [Page(Place.AUTHOR, author), Page(Place.CATEGORY, category)]
        found += [Page(Place.ARTICLE, other) for other in references]
    else:
        found = [Page(Place.ARTICLE, article) for article in shown(page)]
        slots[NEXT] = page._replace(part=page.part + 1) if page.part + 1 < parts(page) else None
        slots[BACK] = page._replace(part=page.part - 1) if page.part else None
    slots[: len(found)] = found
    slots[START] = Page()
    return tuple(slots)


class Asked(NamedTuple):
    """What an instruction wants: to open one of some pages, on an article where it names one.

    before: index of that article, or None; pages: the first parts of these.
    """

    before: int | None
    pages: tuple[Page, ...]


@functools.cache
def asked(number: int, done: int) -> Asked:
    """What the present instruction of a task wants."""
    task = tasks()[number]
    thing, _, category, author, references = articles()[task.article]
    return {
        Pattern.SEARCH: Asked(None, (Page(Place.RESULTS, thing),)),
        Pattern.READ: Asked(None, (Page(Place.ARTICLE, task.article),)),
        Pattern.REFERENCE: Asked(task.article, tuple(Page(Place.ARTICLE, other) for other in references)),
        Pattern.AUTHOR: Asked(task.article, (Page(Place.AUTHOR, author),)),
        Pattern.CATEGORY: Asked(task.article, (Page(Place.CATEGORY, category),)),
        Pattern.ABOUT: Asked(None, (Page(Place.ABOUT),)),
    }[task.patterns[done]]


def advance(state: State, action: int) -> tuple[State, float]:
    """The next state, and 1 if that does the present instruction. An action that there is not changes nothing."""
    page = links(state)[action]
    if page is None:
        return state, 0.0
    before, pages = asked(state.number, state.done)
    is_done = page in pages and before in (None, state.page.which if state.page.place == Place.ARTICLE else None)
    return State(state.number, state.done + is_done, page), float(is_done)


@functools.cache
def best(number: int) -> Plan:
    """The best plan for a task, by exhaustive search over the pages."""

    def outcomes(state: State) -> Iterator[tuple[int, State, float, bool]]:
        for action, page in enumerate(links(state)):
            if page is not None:
                after, reward = advance(state, action)
                yield action, after, reward, after.is_over

    return best_plan(State(number), outcomes, GAMMA, MOST_DECISIONS)
