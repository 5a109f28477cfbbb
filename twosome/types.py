"""The words and records that every module shares. It imports nothing of the project.

Words: *scene* (text of a state), *goal*, *menu* (the phrases of the legal actions, in order), *state* (goal and scene
as plain text, what values and visit counts are kept by), *prompt* (what the model reads: the state, and what was
recalled or advised), *decision* (a state, its prompt and menu), *context / continuation* (tokens of the prompt / of an
action after it), *score* (an action's length-normalised log-probability), *action log-probability* (log-softmax of the
scores over the menu), *value*, *advantage*, *value target*, *duration* (primitive steps of an action), *discount*,
*end* (terminated or truncated), *adapter* (LoRA), *value head*, *rollout*.

Letters of the axes: T time, B environments, N decisions, A actions, M the longest menu, L tokens, H width, V
vocabulary, E scored tokens. A mask is named for what True means, and True is the part that counts (`is_legal`,
`is_real`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import torch

Normalization = Literal["word", "token", "sum", "unconditional"]
NORMALIZATIONS: tuple[Normalization, ...] = ("word", "token", "sum", "unconditional")

Observation: TypeAlias = Mapping[str, Any]
"""What an environment shows: `scene` and `goal` texts, `vector` float32 (gymnasium types no keys)."""

LanguageModel: TypeAlias = Any
"""A Hugging Face causal LM or a PEFT model around one: two class hierarchies without a common typed base."""

Tokenizer: TypeAlias = Any
"""A Hugging Face tokenizer, fast or slow: likewise."""


class Menu(NamedTuple):
    """The legal actions of a state: their phrases, and their indices in the environment's action space."""

    phrases: tuple[str, ...]
    indices: tuple[int, ...]


class Situation(NamedTuple):
    """A state as it is told: the goal, and the text of the scene."""

    goal: str
    scene: str


class Decision(NamedTuple):
    """What the policy is asked.

    `state`: goal and scene as plain text; the critic, visit counts, Q-values and resume checks read it. `prompt`: what
    the model reads, the state and whatever an agent adds to it. `menu`: the phrases of the legal actions, in the
    environment's order. `bias`: log-weights added to the actions' scores before the softmax, one per action; empty adds
    nothing.
    """

    state: str
    prompt: str
    menu: tuple[str, ...]
    bias: tuple[float, ...] = ()

    @classmethod
    def plain(cls, prompt: str, menu: tuple[str, ...]) -> Decision:
        """A decision whose prompt is its state: nothing recalled, nothing advised."""
        return cls(prompt, prompt, menu)

    @property
    def asked(self) -> tuple[str, tuple[str, ...], tuple[float, ...]]:
        """What its log-probabilities depend on: the key of every cache of scores."""
        return self.prompt, self.menu, self.bias


class Branch(NamedTuple):
    """A token of an action at which the actions of its menu part.

    `state`: the decision's, and whatever of the action comes before, as the critic reads it. `open`, `kept`: positions
    in the menu of the actions that are possible before and after the token.
    """

    state: str
    open: tuple[int, ...]
    kept: tuple[int, ...]


class EncodedAction(NamedTuple):
    """One action after its prompt, as tokens: `ids[:start]` is the context, `ids[start:]` the continuation.

    `words` holds, for every word of the action, its tokens as a range counted from `start`.
    """

    ids: tuple[int, ...]
    start: int
    words: tuple[tuple[int, int], ...]

    @property
    def continuation(self) -> tuple[int, ...]:
        return self.ids[self.start :]


class Reference(NamedTuple):
    """What a question of a session should be answered with, and what it could be read from.

    goal, scene: as they are told before anything was found out; found: the scene with what was; answer: the phrase.
    """

    goal: str
    scene: str
    found: str
    answer: str


class Episode(NamedTuple):
    """A finished episode: discounted return as the environment reports it, primitive steps, decisions, goal reached.

    `tally`: what else the environment counts at its end, by name, in the order of the names.
    """

    discounted_return: float
    length: int
    decisions: int
    success: bool
    tally: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Rollout:
    """`T` steps of `B` environments. Tensors are [T, B]; `decisions[t][b]`, `next_states[t][b]` likewise.

    `next_states` holds the state after the step *before* any reset: at a truncation, that of the final observation.
    `actions` are positions in the decision's menu; `discounts` are gamma^duration, not yet stopped by an end. `is_real`
    is False for a step that a fault of the environment spoilt; nothing is learnt from it. `distributions[t][b]` are the
    log-probabilities of the menu [A] that the action was drawn from, `log_probs` those of the actions. `situations` and
    `next_situations` are the same states as `decisions` and `next_states`, as they were told. `targets[t][b]`,
    where a search or a demonstrator chose, is the distribution over the menu [A] that it proposes to learn,
    `values[t][b]` the value that it gives the state; else None. `closes` is True where the step closed a question of a
    session, `hints` what the environment hints of its use for later questions; None: neither.
    `references[t][b]` is given where the step closed a question whose answer the environment tells, `costs` are the
    prices that are taken off the rewards; None: neither.
    `next_menus` holds the phrases of the actions that are legal in `next_states`; none after a terminal step, and where
    an environment names none when it truncates.
    """

    decisions: list[list[Decision]]
    next_states: list[list[str]]
    distributions: list[list[torch.Tensor]]
    actions: torch.Tensor
    log_probs: torch.Tensor
    rewards: torch.Tensor
    discounts: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    is_real: torch.Tensor
    episodes: list[Episode]
    situations: list[list[Situation]] | None = None
    next_situations: list[list[Situation]] | None = None
    targets: list[list[torch.Tensor | None]] | None = None
    values: list[list[float | None]] | None = None
    closes: torch.Tensor | None = None
    hints: torch.Tensor | None = None
    references: list[list[Reference | None]] | None = None
    costs: torch.Tensor | None = None
    next_menus: list[list[tuple[str, ...]]] | None = None
