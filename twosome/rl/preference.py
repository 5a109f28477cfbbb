"""Learning from preferences (DPO, Rafailov et al. 2023, eq. 7), decision by decision, exact over a menu.

    L = -log sigma(beta [(s(a+) - s(a-)) - (s0(a+) - s0(a-))] / temperature)

s are the normalised scores of the policy, s0 those of the frozen model, a+ the action whose branch returned more.
Over a menu nothing is left out: log pi(a+) - log pi(a-) is the difference of the scores over the temperature, whatever
else is on the menu, so a pair is a decision between two actions, and the loss that of a logistic regression. Whoever
stays close to the frozen model pays nothing; `beta` is how strongly it holds.

Departs from the paper: who prefers is no person but the return of two branches that were played from one snapshot; with
`weighted` a pair counts by how far their returns are apart, so that it is the mean return that decides and not which of
two more often returns more. No critic is learnt, and none is asked.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from twosome.errors import NumericsError, number
from twosome.protocols import ActorCritic, StateDict
from twosome.rl.optimizers import GuardedSteps, in_smaller_passes, load_optimizer_state, make_optimizer, optimizer_state
from twosome.types import Decision, Rollout

if TYPE_CHECKING:
    from twosome.config.learners import PreferenceSettings

METRICS = {
    "loss/preference": "-log sigma of the margins, mean over the pairs of an update, as far as each counts",
    "preference/accuracy": "share of an update's pairs on which the policy prefers the better action",
    "preference/margin": "how much more than the frozen model it prefers the better action, in nats, mean",
    "preference/pairs": "pairs that an update learns from",
}
LARGEST_GAP = 1e12  # of two returns that a checkpoint may claim


def preference_loss(margins: Float[Tensor, "N"], frozen: Float[Tensor, "N"], beta: float) -> Float[Tensor, " N"]:
    """-log sigma(beta (margin - frozen margin)); a margin is log pi(better) - log pi(worse), in nats."""
    return -logsigmoid(beta * (margins - frozen))


class Pair(NamedTuple):
    """A decision between two actions, the better one first, the frozen model's margin between them in nats, its gap.

    `gap`: how much more the better one returned.
    """

    decision: Decision
    frozen: float
    gap: float


class Preference:
    """One optimiser and one `update`.

    `take`: gives the decisions between two actions, the better one first, that were found since it was last called, and
    by how much it is better;
    `reference`: their log-probabilities by the frozen model; `generator` orders the minibatches.
    """

    samples = None

    def __init__(
        self,
        policy: ActorCritic,
        settings: PreferenceSettings,
        generator: torch.Generator,
        take: Callable[[], list[tuple[Decision, float]]],
        reference: Callable[[list[Decision]], list[Tensor]],
    ):
        self.policy, self.settings, self.generator, self.take, self.reference = (
            policy, settings, generator, take, reference
        )  # fmt: skip
        self.actor = make_optimizer(policy.actor_parameters(), settings.actor, settings.adam_eps)
        self.rollouts: deque[list[Pair]] = deque(maxlen=settings.rollouts)
        limits = settings.max_gradient_norm, settings.max_bad_updates
        self.take_step = GuardedSteps(*limits, "preference.max_bad_updates", "preference.actor.learning_rate")

    @property
    def bad_updates(self) -> int:
        return self.take_step.skipped

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from the pairs of the last rollouts. `progress` is not used. Returns what to log."""
        self.take_step.rewards = rollout.rewards
        found = self.take()
        try:
            rows = self.reference([decision for decision, _ in found])
        except NumericsError:
            self.take_step.skip()
            return {}
        kept = [Pair(d, float(row[0] - row[1]), gap) for (d, gap), row in zip(found, rows, strict=True)]
        self.rollouts.append(kept)
        pairs = [pair for kept in self.rollouts for pair in kept]
        if not pairs:
            return {"preference/pairs": 0.0}
        mean = sum(pair.gap for pair in pairs) / len(pairs)
        weights = [pair.gap / mean if self.settings.weighted else 1.0 for pair in pairs]
        total: dict[str, list[float]] = defaultdict(list)
        for epoch in range(self.settings.actor.epochs):
            for index in torch.randperm(len(pairs), generator=self.generator).split(self.settings.actor.minibatch):
                for name, value in self._learn([(pairs[i], weights[i]) for i in index.tolist()]).items():
                    if epoch == 0 or name.partition("/")[0] != "preference":
                        total[name].append(value)
        self.actor.zero_grad(set_to_none=True)
        return {name: sum(v) / len(v) for name, v in total.items() if v} | {"preference/pairs": float(len(pairs))}

    def state_dict(self) -> StateDict:
        """Optimiser, counter and pairs."""
        rows = [[[list(p.decision.menu), *p.decision[:2], list(p.decision.bias), p.frozen, p.gap] for p in kept]
                for kept in self.rollouts]  # fmt: skip
        return {"bad_updates": self.bad_updates, "actor": optimizer_state(self.actor), "rollouts": rows}

    def load_state_dict(self, state: StateDict) -> None:
        """The inverse of `state_dict`."""
        self.take_step.load(state["bad_updates"])
        load_optimizer_state(self.actor, state["actor"])
        self.rollouts.clear()
        self.rollouts.extend([_pair(row) for row in kept] for kept in state["rollouts"])

    def _learn(self, group: list[tuple[Pair, float]]) -> dict[str, float]:
        """One step on some pairs, repeated in smaller passes where memory runs out."""
        found = in_smaller_passes(self.actor, lambda: self._accumulate(group), self.policy.halve_budget)
        return found | {"gradient_norm/actor": self.take_step(self.actor, found["loss/preference"])}

    def _accumulate(self, group: list[tuple[Pair, float]]) -> dict[str, float]:
        """Forward and backward pass by pass; a function of its own, so that a failed pass leaves no tensor behind."""
        sums: dict[str, float] = defaultdict(float)
        for places, log_probs in self.policy.evaluate_actions([pair.decision for pair, _ in group]):
            margins = log_probs[:, 0] - log_probs[:, 1]
            pairs, weights = zip(*(group[place] for place in places), strict=True)
            frozen, shares = (torch.tensor(row, device=margins.device) for row in ([p.frozen for p in pairs], weights))
            loss = (shares * preference_loss(margins, frozen, self.settings.beta)).sum() / len(group)
            loss.backward()
            sums["loss/preference"] += loss.item()
            sums["preference/accuracy"] += (margins > 0).sum().item() / len(group)
            sums["preference/margin"] += (margins.detach() - frozen).sum().item() / len(group)
        return dict(sums)


def _pair(row: list[Any]) -> Pair:
    menu, state, prompt, bias, frozen, gap = row if len(row) > 5 else [*row, 1.0]  # which the first of them lack
    is_text = isinstance(menu, list) and all(isinstance(text, str) and text for text in (state, prompt, *menu))
    if not is_text or len(set(menu)) != 2 or len(menu) != 2 or len(bias) not in (0, 2):
        raise ValueError(f"a pair of preferences is {row!r:.200}")
    weights = tuple(number(weight, "its log-weight") for weight in bias)
    if not 0 < number(gap, "its difference of returns") < LARGEST_GAP:
        raise ValueError(f"a pair's returns differ by {gap}")
    return Pair(Decision(state, prompt, tuple(menu), weights), number(frozen, "its frozen margin"), gap)
