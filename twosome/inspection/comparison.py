"""Decisions side by side: before and after training, adapter off and on, one prompt and another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twosome.errors import MenuError
from twosome.inspection import views
from twosome.inspection.distribution import ActionDistribution
from twosome.inspection.parts import optional
from twosome.types import Decision, Menu, Observation

if TYPE_CHECKING:
    from rich.console import RenderableType


class Inspectable(Protocol):
    """A policy whose decisions can be taken apart."""

    def shortlist(self, observation: Observation, menu: Menu) -> Menu: ...

    def decide(self, observation: Observation, menu: Menu) -> Decision: ...

    def inspect(
        self, prompt: str, menu: Sequence[str], *, normalization: str | None = None, adapter: bool = True
    ) -> ActionDistribution: ...

    def inspect_decision(
        self,
        decision: Decision,
        *,
        normalization: str | None = None,
        adapter: bool = True,
        recall: Observation | None = None,
    ) -> ActionDistribution: ...


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
        return views.plot_comparison(self, ax)

    def _repr_html_(self) -> str:
        return views.comparison_html(self)

    def __rich__(self) -> RenderableType:
        return views.comparison_table(self)

    def __str__(self) -> str:
        return views.plain(self)


def compare(parts: Mapping[str, ActionDistribution] | None = None, **named: ActionDistribution) -> Comparison:
    """Side by side: `compare(before=d, after=e)`, or a dict where the names hold spaces."""
    both = {**(parts or {}), **named}
    if not both:
        raise MenuError("compare() needs at least one named distribution: compare(before=d, after=e).")
    return Comparison(both)


def compare_adapter(
    policy: Inspectable, prompt: str, menu: Sequence[str], *, normalization: str | None = None
) -> Comparison:
    """The same decision with the adapter off (the frozen model) and on (what training made of it)."""
    off, on = (policy.inspect(prompt, menu, normalization=normalization, adapter=is_on) for is_on in (False, True))
    return Comparison({"adapter off": off, "adapter on": on})


def inspect_state(
    policy: Inspectable,
    observation: Observation,
    info: Mapping[str, Any],
    *,
    normalization: str | None = None,
) -> ActionDistribution:
    """A state as an environment gives it, illegal actions shown: `inspect_state(policy, *env.reset())`.

    Of a menu that `policy.shortlist` shortens, what is on offer.

    Of a policy with a memory also what it recalls here, and how that moves the probabilities.
    """
    actions = tuple(info["actions"])
    is_legal = [bool(x) for x in info.get("action_mask", [True] * len(actions))]
    indices = tuple(i for i, legal in enumerate(is_legal) if legal)
    menu = policy.shortlist(observation, Menu(tuple(actions[i] for i in indices), indices))
    decision = policy.decide(observation, menu)
    d = policy.inspect_decision(decision, normalization=normalization, recall=observation)
    return d.with_illegal(actions, is_legal)
