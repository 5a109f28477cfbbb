"""What is recalled changes what the model reads and nothing else: values and features keep to the state."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from zoo import decisions, learner_and_rollout, slow, worst
from zoo import policy as make

from twosome.agents.recall import Advice
from twosome.errors import ContextLengthError
from twosome.rl.batch import make_batch
from twosome.types import Menu

SHOWN = {"goal": "w4 w5", "scene": "w6 w7 w8"}
MENU = Menu(("w9", "w10 w11", "w9 w12"), (0, 1, 2))


class Memory:
    """Advises something else every time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, observation, menu):
        self.calls += 1
        return Advice(f"w{20 + self.calls} w13 ")


def test_one_state_under_changing_advice():
    memory, plain = Memory(), make()
    policy = make(recall=memory)
    some = [policy.decide(SHOWN, MENU) for _ in range(4)]
    assert memory.calls == 4
    assert len({d.state for d in some}) == 1
    assert len({d.prompt for d in some}) == 4
    rows = policy.log_probs(some)
    assert worst(rows, slow(policy, some)) < 1e-5, "scores read the prompt"
    assert min(worst([a], [b]) for a, b in pairwise(rows)) > 1e-3
    assert policy.counts["decisions_computed"] == 4
    values = policy.values([d.state for d in some])
    assert policy.counts["states_computed"] == 1
    assert policy.counts["states"] == 4
    torch.testing.assert_close(values, plain.values([plain.decide(SHOWN, MENU).state] * 4))
    assert (policy.values([d.prompt for d in some]) - values).abs().min() > 1e-3, "prompts would give other values"


def test_a_decision_asked_again_is_not_computed_again():
    policy = make(recall=Memory())
    decision = policy.decide(SHOWN, MENU)
    first = policy.log_probs([decision])
    policy.log_probs([decision._replace(state="w40"), decision])
    assert policy.counts["decisions_computed"] == 1
    assert torch.equal(policy.log_probs([decision])[0], first[0])


def test_inspection_reads_both():
    policy = make(recall=Memory())
    decision = policy.decide(SHOWN, MENU)
    seen = policy.inspect_decision(decision)
    assert seen.prompt == decision.prompt
    assert abs(torch.tensor(seen.log_probs) - policy.log_probs([decision])[0]).max() < 1e-5
    assert seen.value == policy.values([decision.state]).item()
    assert abs(seen.value - policy.inspect(decision.prompt, decision.menu).value) > 1e-3


def test_an_update_values_states_and_scores_prompts():
    policy = make()
    learner, rollout = learner_and_rollout(policy)
    advised = replace(
        rollout,
        decisions=[
            [d._replace(prompt=f"w{30 + k} {d.prompt}") for k, d in enumerate(row)] for row in rollout.decisions
        ],
    )
    plain, batch = (make_batch(r, policy, learner.settings) for r in (rollout, advised))
    assert torch.equal(batch.features, plain.features)
    assert torch.equal(batch.advantages, plain.advantages)
    of_prompts = policy.features([d.prompt for d in batch.decisions])
    assert (of_prompts - batch.features).abs().max() > 1e-2
    flat = [d for row in advised.decisions for d in row]
    taken = [row[a] for row, a in zip(policy.log_probs(flat), rollout.actions.flatten(), strict=True)]
    of_advised = replace(advised, log_probs=torch.stack(taken).view(rollout.log_probs.shape))
    assert learner.update(of_advised, 0.0)["policy/ratio_deviation_first"] < 1e-5
    other, _ = learner_and_rollout(make())
    assert other.update(advised, 0.0)["policy/ratio_deviation_first"] > 1e-2, "log-probabilities of other prompts"


def test_advice_that_does_not_fit_is_refused_before_it_is_scored():
    fits = make().decide(SHOWN, MENU)
    assert make(recall=lambda *_: Advice()).decide(SHOWN, MENU) == fits
    with pytest.raises(ContextLengthError, match="the model's context holds 128"):
        make(recall=lambda *_: Advice("w4 " * 130)).decide(SHOWN, MENU)


def test_without_a_memory_state_and_prompt_are_one():
    policy = make()
    assert all(d.state == d.prompt for d in [policy.decide(SHOWN, MENU), *decisions()])
