"""What the frozen model says, with the adapter off."""

from __future__ import annotations

from torch import Tensor

from twosome.agents.llm_policy import LLMPolicy
from twosome.lm.adapter import adapter_off
from twosome.types import Decision


def frozen_log_probs(policy: LLMPolicy, decisions: list[Decision]) -> list[Tensor]:
    """`policy.log_probs` of the model that training begins with. Both ways it forgets what it kept of the other."""
    with adapter_off(policy.lm):
        return policy.log_probs(decisions)
