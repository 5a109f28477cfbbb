"""One decision of the untrained policy, with rare words in its menu."""

import pytest

PROMPT = "The kitchen has one cutting board. On the table you see a tomato. Next action:"
MENU = ("pick up the tomato", "walk to the cutting board", "chop nothing", "contemplate zucchini")


@pytest.fixture(scope="session")
def prompt() -> str:
    return PROMPT


@pytest.fixture(scope="session")
def menu() -> tuple[str, ...]:
    return MENU


@pytest.fixture(scope="session")
def d(untrained):
    return untrained.inspect(PROMPT, MENU)
