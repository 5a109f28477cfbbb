"""Goal and scene into a state, advice into the prompt and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome.agents.prompts import Prompter
from twosome.agents.recall import Advice
from twosome.errors import ConfigError
from twosome.types import Decision, Menu

TEMPLATE = "Goal: {goal}\nScene: {scene}\nNext action:"
SHOWN = {"goal": "Rest.", "scene": "You stand.", "vector": [1.0]}
MENU = Menu(("sit", "lie down"), (0, 3))
STATE = "Goal: Rest.\nScene: You stand.\nNext action:"


def test_without_a_memory_the_prompt_is_the_state():
    assert Prompter(TEMPLATE)(SHOWN, MENU) == Decision.plain(STATE, ("sit", "lie down"))
    assert Decision.plain(STATE, MENU.phrases) == (STATE, STATE, ("sit", "lie down"), ())


def test_advice_stands_before_the_state_and_leaves_it_plain():
    asked = []

    def recall(observation, menu):
        asked.append((observation, menu))
        return Advice("Encouraged: sit\n", (0.5, 0.0))

    decision = Prompter(TEMPLATE, recall)(SHOWN, MENU)
    assert decision == Decision(STATE, f"Encouraged: sit\n{STATE}", MENU.phrases, (0.5, 0.0))
    assert asked == [(SHOWN, MENU)]


@given(st.text(max_size=30), st.lists(st.floats(-5, 5), min_size=2, max_size=2).map(tuple))
def test_whatever_is_recalled_the_state_is_the_same(text, bias):
    decision = Prompter(TEMPLATE, lambda observation, menu: Advice(text, bias))(SHOWN, MENU)
    assert decision.state == Prompter(TEMPLATE)(SHOWN, MENU).state
    assert decision.prompt == text + STATE
    assert decision.bias == bias


def test_empty_advice_is_no_advice():
    assert Prompter(TEMPLATE, lambda observation, menu: Advice())(SHOWN, MENU) == Prompter(TEMPLATE)(SHOWN, MENU)


def test_what_a_decision_is_cached_by():
    """Prompt, menu and bias; the state changes no score."""
    decision = Decision("state", "prompt", ("a", "b"), (1.0, 0.0))
    assert decision._replace(state="another").asked == decision.asked
    for change in ({"prompt": "p"}, {"menu": ("b", "a")}, {"bias": (0.0, 1.0)}, {"bias": ()}):
        assert decision._replace(**change).asked != decision.asked


@pytest.mark.parametrize("template", ["{goal}", "{scene} {oal}", "{scene} ", "{scene"])
def test_a_template_that_cannot_be_filled(template):
    with pytest.raises(ConfigError, match="prompt template"):
        Prompter(template)
