"""Decisions side by side: before and after training, adapter off and on, one prompt and another."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twosome.distribution import ActionDistribution, optional
from twosome.types import MenuError

if TYPE_CHECKING:
    from twosome.policy import LLMPolicy


@dataclass(frozen=True)
class Comparison:
    """Distributions side by side, by name, over the actions that any of them knows."""

    parts: dict[str, ActionDistribution]

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(a for d in self.parts.values() for a in (*d.actions, *d.illegal)))

    def probs(self, action: str) -> dict[str, float | None]:
        """The probability in every part; None where the part's menu does not hold the action."""
        return {
            name: float(d.probs[d.actions.index(action)]) if action in d.actions else None
            for name, d in self.parts.items()
        }

    def to_dict(self) -> dict[str, Any]:
        return {name: d.to_dict() for name, d in self.parts.items()}

    def to_frame(self) -> Any:
        """A pandas DataFrame: a row per action, a column per part."""
        pd = optional("pandas")
        index = pd.Index(self.actions, name="action")
        return pd.DataFrame([self.probs(a) for a in self.actions], index, list(self.parts), dtype=float)

    def plot(self, ax: Any = None) -> Any:
        from twosome.distribution_views import plot_comparison

        return plot_comparison(self, ax)

    def _repr_html_(self) -> str:
        from twosome.distribution_views import comparison_html

        return comparison_html(self)

    def __rich__(self) -> Any:
        from twosome.distribution_views import comparison_table

        return comparison_table(self)

    def __str__(self) -> str:
        from twosome.distribution_views import plain

        return plain(self)


def compare(parts: Mapping[str, ActionDistribution] | None = None, **named: ActionDistribution) -> Comparison:
    """Side by side: `compare(before=d, after=e)`, or a dict where the names hold spaces."""
    both = {**(parts or {}), **named}
    if not both:
        raise MenuError("compare() needs at least one named distribution: compare(before=d, after=e).")
    return Comparison(both)


def compare_adapter(
    policy: LLMPolicy, prompt: str, menu: Seq[str], *, normalization: str | None = None
) -> Comparison:
    """The same decision with the adapter off (the frozen model) and on (what training made of it)."""
    from twosome.model import adapter_off

    on = policy.inspect(prompt, menu, normalization=normalization)
    with adapter_off(policy.lm):
        off = policy.inspect(prompt, menu, normalization=normalization)
    return Comparison({"adapter off": off, "adapter on": on})


def inspect_state(
    policy: LLMPolicy,
    observation: Mapping[str, Any],
    info: Mapping[str, Any],
    *,
    normalization: str | None = None,
) -> ActionDistribution:
    """A state as an environment gives it, illegal actions shown: `inspect_state(policy, *env.reset())`."""
    from twosome.prompts import prompt_of

    actions = tuple(info["actions"])
    is_legal = [bool(x) for x in info.get("action_mask", [True] * len(actions))]
    menu = [a for a, legal in zip(actions, is_legal, strict=True) if legal]
    prompt = prompt_of(observation, policy.settings.prompt)
    return policy.inspect(prompt, menu, normalization=normalization).with_illegal(actions, is_legal)
