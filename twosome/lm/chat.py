"""What an instruction-tuned model is told: its tokenizer's chat template around a text, up to where the answer begins.

Knows no goals and no scenes.
"""

from __future__ import annotations

from typing import Any

from twosome.errors import ModelError, brief
from twosome.types import Tokenizer

ANSWER = "ANSWER"  # stands for the assistant's, to see where it begins


class ChatTemplate:
    """A text as the user's turn, after the `system` text if there is one; what follows is how the assistant answers.

    It ends exactly where the answer begins, whatever the template puts before it (an empty `<think>` block, say), so an
    action follows without a joining space. Raises `ModelError` where the tokenizer has no chat template, or one that
    cannot take these turns.

    >>> ChatTemplate(tokenizer, "Be brief.")("Next action:")  # doctest: +SKIP
    '<|im_start|>system\\nBe brief.<|im_end|>\\n<|im_start|>user\\nNext action:<|im_end|>\\n<|im_start|>assistant\\n'
    """

    def __init__(self, tokenizer: Tokenizer, system: str | None = None):
        self.tokenizer: Any = tokenizer
        self.system = system
        if getattr(tokenizer, "chat_template", None) is None:
            raise ModelError(
                f"policy.chat=true needs a chat template, and the tokenizer of {_name(tokenizer)} has none: it is not "
                "of an instruction-tuned model. Use policy.chat=false, or a model that has one."
            )
        self("The text.")

    def __call__(self, text: str) -> str:
        """The prompt that tells `text`."""
        turns = [] if self.system is None else [{"role": "system", "content": self.system}]
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": ANSWER}]
        try:
            told = self.tokenizer.apply_chat_template(turns, tokenize=False, continue_final_message=True)
        except Exception as error:  # a template raises what its author liked
            raise ModelError(f"{self._who()} cannot tell this: {brief(error)}. {self._remedy()}") from error
        if not told.endswith(ANSWER) or text.strip() not in told:
            raise ModelError(
                f"{self._who()} does not end in the assistant's answer, or leaves the text out: {told!r:.300}. "
                f"{self._remedy()}"
            )
        return told.removesuffix(ANSWER)

    def _who(self) -> str:
        return f"The chat template of {_name(self.tokenizer)}"

    def _remedy(self) -> str:
        without = "Some take no system text: use policy.system=null and put it into policy.prompt, or policy.chat=false"
        return (
            f"{without}." if self.system is not None else "Use policy.chat=false and write the turns in policy.prompt."
        )


def _name(tokenizer: Tokenizer) -> str:
    return repr(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)
