"""Laws of the expected policy gradient: it is REINFORCE's, enumerated; constants and samples play no part in it."""

import pytest
import torch
import zoo

from tests.rl.tasks import play, setup
from twosome.config.compose import compose
from twosome.errors import NumericsError
from twosome.rl import losses
from twosome.rl.expected import Expected

G = torch.Generator()


@pytest.fixture(scope="module")
def policy():
    made = zoo.policy(budget=4096)
    zoo.shake(made.lm)
    return made


@pytest.fixture(scope="module")
def learner(policy):
    cfg = compose(["method=expected"])
    return Expected(policy, cfg.expected, cfg.q_head, torch.Generator().manual_seed(0))


def distinct(n=5):
    return list(dict.fromkeys(zoo.decisions(3, size=12)))[:n]


def accumulated(learner, decisions, values, entropy=0.0):
    learner.actor.zero_grad(set_to_none=True)
    found = learner.accumulate(list(zip(decisions, values, strict=True)), entropy)
    return torch.cat([p.grad.flatten() for p in learner.policy.actor_parameters()]), found


def enumerated(policy, decisions, weights):
    """The slow one: for every decision and every action by itself grad log pi(a), times its weight, summed."""
    rows = [None] * len(decisions)
    for places, log_probs in policy.evaluate_actions(decisions):
        for row, place in zip(log_probs, places, strict=True):
            rows[place] = row[: len(decisions[place].menu)]
    total = 0.0
    for row, weight in zip(rows, weights, strict=True):
        for k in range(len(row)):
            gradient = torch.autograd.grad(row[k], policy.actor_parameters(), retain_graph=True)
            total = total + weight[k] * torch.cat([g.flatten() for g in gradient])
    return -total / len(decisions)


def test_the_gradient_is_that_of_reinforce_with_every_action_enumerated(policy, learner):
    decisions = distinct()
    values = [torch.randn(len(d.menu), generator=G.manual_seed(k)) for k, d in enumerate(decisions)]
    probs = [row.exp() for row in policy.log_probs(decisions)]
    found, metrics = accumulated(learner, decisions, values)
    expected = enumerated(policy, decisions, [p * q for p, q in zip(probs, values, strict=True)])
    assert zoo.relative(found, expected) < 1e-5
    mean = sum(float((p * q).sum()) for p, q in zip(probs, values, strict=True)) / len(decisions)
    assert metrics["policy/expected_value"] == pytest.approx(mean, rel=1e-5)
    unweighted = enumerated(policy, decisions, values)  # the wrong variants: every action alike, and one of them
    assert zoo.relative(unweighted, expected) > 0.1
    sampled = [torch.eye(len(p))[int(p.argmax())] * q for p, q in zip(probs, values, strict=True)]
    assert zoo.relative(enumerated(policy, decisions, sampled), expected) > 0.1


def test_a_baseline_changes_nothing(policy, learner):
    decisions = distinct()
    values = [torch.randn(len(d.menu), generator=G.manual_seed(k)) for k, d in enumerate(decisions)]
    found, _ = accumulated(learner, decisions, values)
    shifted, _ = accumulated(learner, decisions, [q + 3.0 for q in values])
    assert zoo.relative(shifted, found) < 1e-4
    even, _ = accumulated(learner, decisions, [torch.ones(len(d.menu)) for d in decisions])
    assert even.norm() < 1e-5 * found.norm()


def test_the_bonus_is_the_gradient_of_the_entropy(policy, learner):
    decisions = distinct()
    even = [torch.ones(len(d.menu)) for d in decisions]
    found, metrics = accumulated(learner, decisions, even, entropy=0.3)
    rows = policy.log_probs(decisions)
    expected = 0.3 * enumerated(policy, decisions, [-row.exp() * row for row in rows])
    assert zoo.relative(found, expected) < 1e-4
    assert metrics["policy/entropy"] == pytest.approx(sum(float(-(r.exp() * r).sum()) for r in rows) / len(rows))


def test_an_absent_action_adds_nothing_not_even_to_the_gradient():
    logits = torch.tensor([[0.3, -1.0, 2.0], [0.1, 0.2, -torch.inf]], requires_grad=True)
    values = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, torch.nan]])
    found = losses.expected_value(logits.log_softmax(1), values)
    probs = logits.detach().softmax(1)
    by_hand = [probs[0] @ values[0], probs[1, :2] @ values[1, :2]]
    assert torch.allclose(found, torch.stack(by_hand))
    found.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_passes_under_a_small_budget_add_up_to_the_same(policy, learner):
    decisions = distinct()
    values = [torch.randn(len(d.menu), generator=G.manual_seed(k)) for k, d in enumerate(decisions)]
    whole, _ = accumulated(learner, decisions, values, 0.1)
    before, policy.engine.token_budget = policy.engine.token_budget, 64
    try:
        parts, _ = accumulated(learner, decisions, values, 0.1)
    finally:
        policy.engine.token_budget = before
    assert zoo.relative(parts, whole) < 1e-4


def test_actor_and_critic_learn_together_and_the_actor_waits_for_the_critic():
    made = setup("method=expected", "expected.actor.warmup_updates=1", "expected.states=16", "expected.actor.epochs=1")
    adapter = [p.detach().clone() for p in made.policy.actor_parameters()]
    assert "policy/entropy" not in made.learner.update(play(made, 0), 0.0)
    assert all(torch.equal(a, b) for a, b in zip(adapter, made.policy.actor_parameters(), strict=True))
    metrics = made.learner.update(play(made, 1), 0.0)
    assert {"loss/value", "policy/expected_value", "gradient_norm/actor", "gradient_norm/critic"} <= metrics.keys()
    assert not all(torch.equal(a, b) for a, b in zip(adapter, made.policy.actor_parameters(), strict=True))


def test_values_that_are_none_are_counted_and_name_both_rates(learner, monkeypatch):
    def fail(*_):
        raise NumericsError("no number")

    policy, made = learner.policy, learner
    monkeypatch.setattr(made.critic, "learn", lambda *_: {})
    monkeypatch.setattr(policy, "action_values", fail, raising=False)
    monkeypatch.setattr(made.critic.replay, "newest", lambda n: [type("T", (), {"decision": d}) for d in distinct(1)])
    monkeypatch.setattr(made.critic, "updates", 99)
    monkeypatch.setattr(made.take_step, "most", 2)
    assert made.update(None, 0.0) == {}
    assert made.bad_updates == 1
    with pytest.raises(NumericsError, match=r"q_head\.critic\.learning_rate, expected\.actor\.learning_rate"):
        made.update(None, 0.0)
