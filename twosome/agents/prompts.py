"""Scene and goal, and what a memory recalls -> decision.

The only place where text enters the policy; knows nothing of tokens.

What is constant comes first (goal), what changes comes last (scene): states then share more of their tokens.
"""

from __future__ import annotations

from twosome.agents.recall import Recall
from twosome.config.check import check_template
from twosome.types import Decision, Menu, Observation


class Prompter:
    """Fills a template with goal and scene; what `recall` advises stands before it, and in the prompt alone.

    >>> prompter = Prompter("{goal} {scene} Next:")
    >>> prompter({"goal": "Rest.", "scene": "You stand."}, Menu(("sit",), (0,))).prompt
    'Rest. You stand. Next:'
    """

    def __init__(self, template: str, recall: Recall | None = None):
        self.template, self.recall = check_template(template), recall

    def __call__(self, observation: Observation, menu: Menu) -> Decision:
        """The decision of a state."""
        state = self.template.format(goal=observation["goal"], scene=observation["scene"])
        if self.recall is None:
            return Decision.plain(state, menu.phrases)
        advice = self.recall(observation, menu)
        return Decision(state, advice.text + state, menu.phrases, advice.bias)
