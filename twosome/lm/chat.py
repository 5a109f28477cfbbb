"""What an instruction-tuned model is told: its tokenizer's chat template around a text, up to where the answer begins.

Knows no goals and no scenes.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from twosome.errors import ModelError, brief
from twosome.limits import TookTooLong, limited, limited_memory
from twosome.types import Tokenizer

ANSWER = "ANSWER"  # stands for the assistant's, to see where it begins
TODAY = date(2024, 7, 26)  # of every template: Llama's has this date where it finds no clock
ASKS = re.compile(r"strftime_now\s*\(")
CLOCK = re.compile(ASKS.pattern + r"\s*(['\"])([^'\"]*)\1\s*\)")
SECONDS, MEMORY = 10.0, 2**30  # that a template may take, of which usual ones take a thousandth; bytes
LONGEST = 2**18  # characters that it may add to the text
REPEATS = 8  # times that it is asked the same at first


class ChatTemplate:
    """A text as the user's turn, after the `system` text if there is one; what follows is how the assistant answers.

    It ends exactly where the answer begins, whatever the template puts before it (an empty `<think>` block, say), so an
    action follows without a joining space. A template that asks for the date is told the same one every day, `TODAY`.
    Raises `ModelError` where the tokenizer has no chat template, or one that cannot take these turns, takes too much
    time or memory for them, or tells the same in several ways.

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
        try:
            self.template = CLOCK.sub(lambda m: repr(TODAY.strftime(m[2])), self.tokenizer.get_chat_template())
        except Exception as error:  # several, and none of them the usual one
            raise ModelError(f"{self._who()} cannot be chosen: {brief(error)}. {self._remedy()}") from error
        if len({self("The text.") for _ in range(REPEATS)}) > 1 or ASKS.search(self.template):
            raise ModelError(
                f"{self._who()} tells the same text in another way each time, by the clock or at random: no state "
                f"would be known again. {self._remedy()}"
            )

    def __call__(self, text: str) -> str:
        """The prompt that tells `text`."""
        turns = [] if self.system is None else [{"role": "system", "content": self.system}]
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": ANSWER}]
        told = self._told(turns)
        if len(told) > len(text) + len(self.system or "") + LONGEST:
            raise ModelError(
                f"{self._who()} makes {len(told):,} characters of a text of {len(text):,}, more than the {LONGEST:,} "
                f"that it may add. {self._remedy()}"
            )
        if not told.endswith(ANSWER) or text.strip() not in told:
            raise ModelError(
                f"{self._who()} does not end in the assistant's answer, or leaves the text out: {told!r:.300}. "
                f"{self._remedy()}"
            )
        return told.removesuffix(ANSWER)

    def _told(self, turns: list[dict[str, str]]) -> str:
        """What the template makes of these turns, within bounds of time and memory."""
        try:
            with limited_memory(MEMORY), limited(SECONDS):
                told: str = self.tokenizer.apply_chat_template(
                    turns, chat_template=self.template, tokenize=False, continue_final_message=True
                )
        except MemoryError:
            why = f"it takes more than {MEMORY:,} bytes"
        except TookTooLong:
            why = f"it takes longer than {SECONDS:g} seconds"
        except Exception as error:  # a template raises what its author liked
            why = brief(error)
        else:
            return told
        raise ModelError(f"{self._who()} cannot tell this: {why}. {self._remedy()}")

    def _who(self) -> str:
        return f"The chat template of {_name(self.tokenizer)}"

    def _remedy(self) -> str:
        without = "Some take no system text: use policy.system=null and put it into policy.prompt, or policy.chat=false"
        return (
            f"{without}." if self.system is not None else "Use policy.chat=false and write the turns in policy.prompt."
        )


def _name(tokenizer: Tokenizer) -> str:
    return repr(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)
