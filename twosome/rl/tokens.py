"""Credit per token within an action: the Bellman backup with action decomposition (Wen et al. 2024, POAD).

An action is chosen token by token, and every token is a decision of its own, with a value, an advantage and a ratio:

    V(s, w_<j) <- V(s, w_<=j)             between the tokens of an action: no reward, no discount
    V(s, w_<J) <- r + gamma^duration V(s')    after its last

Departs from the paper: the policy is one over the menu, so log pi(w_j | s, w_<j) = log P(w_<=j) - log P(w_<j), where
P(w) is the sum of pi over the menu's actions that begin with w: the tokens' log-probabilities sum to log pi(a) under
every normalisation. And the tokens at which no two actions of the menu part are left out: they are certain, so that
their ratio is 1, and they would only make lambda decay.

A rollout is unrolled, so that its steps are tokens; advantages are then those of any rollout. Knows no tokenizer: the
policy says where the actions of a menu part.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from twosome.protocols import ActorCritic
from twosome.types import Branch, Decision, Rollout


class Unrolled(NamedTuple):
    """A rollout of tokens [T', B]; worlds with fewer are padded with steps that are not real.

    `step` [T', B]: of the rollout of actions; `is_first`: of its action's tokens; `branches[t][b]`: what was chosen;
    `bonus`: as it was given, at the last tokens.
    """

    rollout: Rollout
    step: Tensor
    is_first: Tensor
    branches: list[list[Branch]]
    bonus: Tensor | None


def unroll(rollout: Rollout, policy: ActorCritic, bonus: Tensor | None = None) -> Unrolled:
    """The rollout token by token. What an action earned, cost in time and ended stands at its last token."""
    worlds = range(rollout.rewards.shape[1])
    chains = [_chain(rollout, policy, b) for b in worlds]
    length = max(map(len, chains))
    rows = [[chain[min(t, len(chain) - 1)] for chain in chains] for t in range(length)]
    is_padding = torch.tensor([[t >= len(chain) for chain in chains] for t in range(length)])
    step = torch.tensor([[link.step for link in row] for row in rows])
    is_last = torch.tensor([[link.is_last for link in row] for row in rows]) & ~is_padding

    def at_last(given: Tensor, inside: float = 0) -> Tensor:
        filled = torch.where(is_last, given.gather(0, step), torch.full_like(given[:1], inside))
        return filled.masked_fill(is_padding, 0)

    unrolled = Rollout(
        decisions=[[link.decision for link in row] for row in rows],
        next_states=[[link.next_state for link in row] for row in rows],
        distributions=[[rollout.distributions[link.step][b] for b, link in enumerate(row)] for row in rows],
        actions=rollout.actions.gather(0, step),
        log_probs=rollout.log_probs.gather(0, step),
        rewards=at_last(rollout.rewards),
        discounts=at_last(rollout.discounts, 1),
        terminated=at_last(rollout.terminated),
        truncated=at_last(rollout.truncated),
        is_real=rollout.is_real.gather(0, step) & ~is_padding,
        episodes=[],
        closes=None if rollout.closes is None else at_last(rollout.closes),
        hints=None if rollout.hints is None else at_last(rollout.hints),
    )
    is_first = torch.tensor([[link.is_first for link in row] for row in rows]) & ~is_padding
    branches = [[link.branch for link in row] for row in rows]
    return Unrolled(unrolled, step, is_first, branches, None if bonus is None else at_last(bonus))


class _Link(NamedTuple):
    """A token of a world's chain. The decision's state and `next_state` are those before and after it."""

    step: int
    is_first: bool
    is_last: bool
    branch: Branch
    decision: Decision
    next_state: str


def _chain(rollout: Rollout, policy: ActorCritic, b: int) -> list[_Link]:
    """The tokens of one world; a dropped step is one."""
    chain: list[_Link] = []
    for t, row in enumerate(rollout.decisions):
        decision, action = row[b], int(rollout.actions[t, b])
        everything = tuple(range(len(decision.menu)))
        found = policy.branches(decision, action) if rollout.is_real[t, b] else []
        found = found or [Branch(decision.state, everything, everything)]
        after = [*(branch.state for branch in found[1:]), rollout.next_states[t][b]]
        for j, (branch, next_state) in enumerate(zip(found, after, strict=True)):
            ends = j == 0, j == len(found) - 1
            chain.append(_Link(t, *ends, branch, decision._replace(state=branch.state), next_state))
    return chain


class Chosen(NamedTuple):
    """What the tokens of E rows chose, as parts of their menus: bool [E, M], True where an action was still possible.

    `is_open`: before the token; `is_kept`: after it.
    """

    is_open: Tensor
    is_kept: Tensor

    @classmethod
    def of(cls, branches: list[Branch], width: int) -> Chosen:
        """Of the tokens' branches; `width`: of the longest menu."""
        masks = torch.zeros(2, len(branches), width, dtype=torch.bool)
        for e, branch in enumerate(branches):
            masks[0, e, list(branch.open)] = True
            masks[1, e, list(branch.kept)] = True
        return cls(*masks)

    def at(self, rows: Tensor, width: int) -> Chosen:
        """Some rows, of menus padded to `width`."""
        return Chosen(self.is_open[rows, :width], self.is_kept[rows, :width])

    def log_probs(self, menus: Tensor) -> Tensor:
        """log pi of every token [E], from the log-probabilities of its menu's actions [E, M], padded with -inf."""
        is_open, is_kept = self.is_open.to(menus.device), self.is_kept.to(menus.device)
        before = menus.masked_fill(~is_open, -torch.inf).logsumexp(dim=1)
        before = torch.where((is_open == (menus > -torch.inf)).all(dim=1), torch.zeros_like(before), before)
        return menus.masked_fill(~is_kept, -torch.inf).logsumexp(dim=1) - before
