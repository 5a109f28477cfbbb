"""A policy of this package as the adviser of an agent: it answers the questions of another.

`env.kwargs.adviser={kind: function, function: "twosome.systems.adviser:checkpoint", path: outputs/desk/<run>}`
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

import torch

from twosome.agents.llm_policy import LLMPolicy
from twosome.errors import ConfigError
from twosome.systems.checkpoints import choose_checkpoint
from twosome.systems.load import load
from twosome.types import Menu

ANSWER = "{answer}"


def checkpoint(
    path: str, which: str = "best", goal: str = "Answer the questions.", phrase: str = f"say {ANSWER}"
) -> Callable[[str, tuple[str, ...]], str]:
    """A function of a question and the answers on offer that returns the answer most probable to a policy.

    path: of a run, a checkpoint, a model folder, or `tiny` or `reader`; loaded once in a process. which: of a run, its
    `best` (where it has none, the newest) or `newest` checkpoint.
    goal, phrase: in whose words it is asked; those of the desk, whose scene the question stands for. `{answer}` in the
    phrase is the answer.

    Raises `CheckpointError`, `ModelError`, and `ConfigError` for a baseline, which reads numbers.
    """
    for name, text in (("path", path), ("goal", goal), ("phrase", phrase)):
        if not isinstance(text, str):
            raise ConfigError(f"{name}={text!r}, expected a text.")
    if phrase.count(ANSWER) != 1:
        raise ConfigError(f"phrase={phrase!r}, expected the words of an action with {ANSWER} in it once.")
    policy, turn = _loaded(path, choose_checkpoint(path, which).which), _turn

    def adviser(question: str, answers: tuple[str, ...]) -> str:
        said = Menu(tuple(phrase.replace(ANSWER, answer) for answer in answers), tuple(range(len(answers))))
        shown = {"goal": goal, "scene": question}
        with turn:  # whoever asked before may have given up waiting
            menu = policy.shortlist(shown, said)
            [log_probs] = policy.log_probs([policy.decide(shown, menu)])
        return answers[menu.indices[int(log_probs.argmax())]]

    return adviser


_turn = threading.Lock()


@functools.lru_cache(maxsize=4)
def _loaded(path: str, which: str) -> LLMPolicy:
    """The policy; what the program draws and computes with is as it was before."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        try:
            return load(path, checkpoint=which)
        finally:
            torch.set_num_threads(threads)
