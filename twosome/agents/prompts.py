"""Scene and goal, and what a memory recalls -> decision.

The only place where text enters the policy; knows nothing of tokens.

What is constant comes first (goal), what changes comes last (scene): states then share more of their tokens.
"""

from __future__ import annotations

from collections.abc import Callable

from twosome.agents.recall import Advice, Recall
from twosome.config.check import check_template
from twosome.types import Decision, Menu, Observation


class Prompter:
    """Fills a template with goal, scene and, where it asks for them, the menu's phrases, each in a line of its own.

    What `recall` advises stands before it, and in the prompt alone. `tell` makes of the text what the model is told, a
    chat say.

    >>> prompter = Prompter("{goal} {scene} Next:")
    >>> prompter({"goal": "Rest.", "scene": "You stand."}, Menu(("sit",), (0,))).prompt
    'Rest. You stand. Next:'
    """

    def __init__(self, template: str, recall: Recall | None = None, tell: Callable[[str], str] = str):
        self.template, self.recall, self.tell = check_template(template), recall, tell

    def __call__(self, observation: Observation, menu: Menu) -> Decision:
        """The decision of a state."""
        phrases = "\n".join(f"- {phrase}" for phrase in menu.phrases)
        text = self.template.format(goal=observation["goal"], scene=observation["scene"], menu=phrases)
        state = self.tell(text)
        if self.recall is None:
            return Decision.plain(state, menu.phrases)
        advice = self.recall(observation, menu)
        return Decision(state, self.tell(advice.text + text), menu.phrases, advice.bias)

    def plain(self, observation: Observation) -> str:
        """The state alone, for a template without the menu, whatever a memory would advise."""
        return self.tell(self.template.format(goal=observation["goal"], scene=observation["scene"], menu=""))

    def reminded(self, prompt: str, observation: Observation, menu: Menu) -> Decision:
        """The decision of a prompt that is complete, with what is recalled for a state before it."""
        advice = Advice() if self.recall is None else self.recall(observation, menu)
        return Decision(prompt, advice.text + prompt, menu.phrases, advice.bias)
