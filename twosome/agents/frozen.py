"""What the frozen model says, with the adapter off: log-probabilities, and what it learns from what was found."""

from __future__ import annotations

import torch
from torch import Tensor

from twosome.agents.llm_policy import LLMPolicy
from twosome.lm.adapter import adapter_off
from twosome.types import Decision, Menu, Reference


def frozen_log_probs(policy: LLMPolicy, decisions: list[Decision]) -> list[Tensor]:
    """`policy.log_probs` of the model that training begins with. Both ways it forgets what it kept of the other."""
    with adapter_off(policy.lm):
        return policy.log_probs(decisions)


def surprises(policy: LLMPolicy, references: list[Reference], cap: float = 1.0) -> Tensor:
    """clip([l(answer | found) - l(answer | scene)] / words(answer), -cap, cap): [N], in nats per word.

    l is the log-probability under the frozen model: by how much what was found takes the surprise out of the right
    answer (the perplexity of the article, centred, so that finding nothing earns 0). One forest over all of them.
    """

    def prompt(goal: str, scene: str, answer: str) -> str:
        return policy.prompter({"goal": goal, "scene": scene}, Menu((answer,), (0,))).state

    with_found = [(prompt(r.goal, r.found, r.answer), r.answer) for r in references]
    without = [(prompt(r.goal, r.scene, r.answer), r.answer) for r in references]
    asked = list(dict.fromkeys(with_found + without))
    with adapter_off(policy.lm):
        known = dict(zip(asked, policy.engine.complete(asked, policy.engine.continuation_passes), strict=True))
    words = torch.tensor([float(len(r.answer.split())) for r in references])
    gains = [known[one] - known[other] for one, other in zip(with_found, without, strict=True)]
    return (torch.stack(gains) / words).clamp(-cap, cap) if gains else words
