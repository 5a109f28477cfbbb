"""The pages in words: scene, goal and phrases. Knows no rules but where an action leads."""

from __future__ import annotations

from .articles import AUTHORS, CATEGORY_NAMES, DOINGS, THINGS, VERBS, articles
from .rules import Page, Place, State, links, parts, shown
from .tasks import Pattern, Task


def goal(state: State) -> str:
    """All instructions, one after the other, as a sentence."""
    return _sentence(", then ".join(instruction(state.task, pattern) for pattern in state.task.patterns))


def instruction(task: Task, pattern: Pattern) -> str:
    """One instruction, such as `search for lamps`."""
    article = articles()[task.article]
    return {
        Pattern.SEARCH: f"search for {topic(article.thing)}",
        Pattern.READ: f"read {article.title}",
        Pattern.REFERENCE: f"from {article.title} read a reference",
        Pattern.AUTHOR: f"from {article.title} see the author",
        Pattern.CATEGORY: f"from {article.title} see the category",
        Pattern.ABOUT: "see the about page",
    }[pattern]


def topic(which: int) -> str:
    """What is searched for: `lamps`, or `cleaning`."""
    return f"{THINGS[which]}s" if which < len(THINGS) else DOINGS[VERBS[which - len(THINGS)]][0]


def scene(state: State) -> str:
    """The present instruction and the page."""
    if state.is_over:
        return f"All is done. {told(state.page)}"
    return f"Now: {instruction(state.task, state.task.patterns[state.done])}. {told(state.page)}"


def told(page: Page) -> str:
    """What is on a page."""
    if page.place == Place.START:
        return "You are on the start page."
    if page.place == Place.ABOUT:
        return "About: these pages say how things are done."
    if page.place == Place.ARTICLE:
        article = articles()[page.which]
        others = " and ".join(articles()[i].title for i in article.references)
        head = f"By {AUTHORS[article.author]}, in {CATEGORY_NAMES[article.category]}: {article.title}."
        return f"{head} {DOINGS[VERBS[article.verb]][1]} See {others}."
    titles = ", ".join(articles()[i].title for i in shown(page))
    return f"{heading(page)}, page {page.part + 1} of {parts(page)}: {titles}."


def heading(page: Page) -> str:
    """What a page is called."""
    return {
        Place.START: lambda: "Start page",
        Place.RESULTS: lambda: f"Results for {topic(page.which)}",
        Place.ARTICLE: lambda: _capital(articles()[page.which].title),
        Place.AUTHOR: lambda: f"Author {AUTHORS[page.which]}",
        Place.CATEGORY: lambda: f"Category {CATEGORY_NAMES[page.which]}",
        Place.ABOUT: lambda: "About",
    }[page.place]()


def phrases(state: State) -> tuple[str, ...]:
    """The phrase of every action here [N_ACTIONS]; slots without an action say so."""
    told = [f"(unused {slot})" if page is None else phrase(state.page, page) for slot, page in enumerate(links(state))]
    return ("stop", *told[1:]) if state.is_over else tuple(told)


def phrase(before: Page, after: Page) -> str:
    """The action that leads from one page to another."""
    if before[:2] == after[:2]:
        return "go to the next page" if after.part > before.part else "go back to the page before"
    return {
        Place.START: lambda: "go to the start page",
        Place.RESULTS: lambda: f"search for {topic(after.which)}",
        Place.ARTICLE: lambda: f"read {articles()[after.which].title}",
        Place.AUTHOR: lambda: f"see the author {AUTHORS[after.which]}",
        Place.CATEGORY: lambda: f"see the category {CATEGORY_NAMES[after.which]}",
        Place.ABOUT: lambda: "see the about page",
    }[after.place]()


def _sentence(text: str) -> str:
    return f"{_capital(text)}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
