"""The words and records that every module shares. It imports nothing of the project.

Words: *scene* (text of a state), *goal*, *menu* (the phrases of the legal actions, in order), *decision* (a prompt and
its menu), *context / continuation* (tokens of the prompt / of an action after it), *score* (an action's
length-normalised log-probability), *action log-probability* (log-softmax of the scores over the menu), *value*,
*advantage*, *value target*, *duration* (primitive steps of an action), *discount*, *end* (terminated or truncated),
*adapter* (LoRA), *value head*, *rollout*.

Letters of the axes: T time, B environments, N decisions, A actions, L tokens, H width, V vocabulary, E scored tokens.
A mask is named for what True means, and True is the part that counts (`is_legal`, `is_real`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch

Normalization = Literal["word", "token", "sum", "unconditional"]
NORMALIZATIONS: tuple[Normalization, ...] = ("word", "token", "sum", "unconditional")


class TwosomeError(Exception):
    """An error that a user can repair; its message says what was expected, what was got and the remedy."""


class MenuError(TwosomeError, ValueError):
    """A menu, prompt or action that cannot be scored."""


class ContextLengthError(TwosomeError, ValueError):
    """A prompt and action that do not fit the model's context."""


class ConfigError(TwosomeError, ValueError):
    """A setting that cannot work."""


class ModelError(TwosomeError, OSError):
    """A model that cannot be found or loaded."""


class CheckpointError(TwosomeError, OSError):
    """A checkpoint or run folder that cannot be read, written or trusted."""


class EnvironmentFault(TwosomeError, RuntimeError):
    """An environment that broke the contract; `transcript` replays it, `name` tells it from other faults of the run."""

    name: str = ""
    transcript: str = ""


class NumericsError(TwosomeError, ArithmeticError):
    """Too many updates met a NaN or an infinity."""


class Decision(NamedTuple):
    """What the policy is asked: a prompt and the phrases of the legal actions, in the environment's order."""

    prompt: str
    menu: tuple[str, ...]


class Sequence(NamedTuple):
    """One action after its prompt, as tokens: `ids[:start]` is the context, `ids[start:]` the continuation.

    `words` holds, for every word of the action, its tokens as a range counted from `start`.
    """

    ids: tuple[int, ...]
    start: int
    words: tuple[tuple[int, int], ...]

    @property
    def continuation(self) -> tuple[int, ...]:
        return self.ids[self.start :]


@dataclass(frozen=True)
class Rollout:
    """`T` steps of `B` environments. Tensors are [T, B]; `decisions[t][b]` and `next_prompts[t][b]` likewise.

    `next_prompts` is the prompt after the step *before* any reset: at a truncation, that of the final observation.
    `actions` are positions in the decision's menu; `discounts` are gamma^duration, not yet stopped by an end. `is_real` is
    False for a step that a fault of the environment spoilt; nothing is learnt from it.
    """

    decisions: list[list[Decision]]
    next_prompts: list[list[str]]
    actions: torch.Tensor
    log_probs: torch.Tensor
    rewards: torch.Tensor
    discounts: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    is_real: torch.Tensor
    episodes: list[Episode]


class Episode(NamedTuple):
    """A finished episode: discounted return as the environment reports it, primitive steps, goal reached."""

    discounted_return: float
    length: int
    decisions: int
    success: bool


class Policy(Protocol):
    """What rollout, evaluation and search need of a policy; the language model is one, the baselines are others."""

    view: str  # what it reads of the world: "text" or "numbers"

    def log_probs(self, decisions: list[Decision]) -> list[torch.Tensor]:
        """For every decision the log-probabilities of its menu, 1-D, float32, on the CPU, without gradient."""
        ...

    def values(self, prompts: list[str]) -> torch.Tensor:
        """The value of every prompt, [N], float32, on the CPU, without gradient."""
        ...
