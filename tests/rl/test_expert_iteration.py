"""Laws of expert iteration: what the policy learns of a search, which samples count, and that a run can stop."""

import copy
import functools
import json
import math

import pytest
import torch
import zoo

from tests.rl.tasks import MENU, all_equal, copied, play, setup
from twosome.agents.planner import Planner
from twosome.config.compose import compose
from twosome.errors import INVALID_CONTENT, NumericsError
from twosome.rl import losses
from twosome.rl.expert_iteration import ExpertIteration, Sample
from twosome.rollout.collect import collect
from twosome.rollout.evaluate import evaluate
from twosome.types import Decision, Rollout


@functools.cache
def composed(*changes):
    return compose(list(changes)).expert_iteration


def settings(**changes):
    usual = {"actor.epochs": 1, "critic.epochs": 1, "actor.minibatch": 8, "critic.minibatch": 8} | changes
    return copy.deepcopy(composed(*(f"expert_iteration.{name}={value}" for name, value in usual.items())))


def learner(policy, seed=0, **changes):
    return ExpertIteration(policy, settings(**changes), torch.Generator().manual_seed(seed))


def rollout_of(decisions, targets, rewards=None, **changes):
    """One world, a step per decision, the last of which ends the episode."""
    n = len(decisions)
    zeros = torch.zeros(n, 1)
    ends = zeros.bool()
    ends[-1] = True
    made = {
        "decisions": [[d] for d in decisions],
        "next_states": [[d.state + " w4"] for d in decisions],
        "distributions": [[torch.zeros(len(d.menu))] for d in decisions],
        "actions": zeros.long(),
        "log_probs": zeros,
        "rewards": zeros if rewards is None else torch.tensor(rewards).view(n, 1),
        "discounts": zeros + 0.9,
        "terminated": ends,
        "truncated": zeros.bool(),
        "is_real": ~zeros.bool(),
        "episodes": [],
        "targets": [[target] for target in targets],
    }
    return Rollout(**{**made, **changes})


def distinct(n=6):
    return list(dict.fromkeys(zoo.decisions(3, size=12)))[:n]


def uniform(decisions):
    return [torch.full((len(d.menu),), 1 / len(d.menu)) for d in decisions]


def gradient(policy, decisions, targets):
    """What the learner accumulates, flat."""
    made = learner(policy)
    made.actor.zero_grad(set_to_none=True)
    samples = [Sample(d, tuple(t.tolist()), 0.0) for d, t in zip(decisions, targets, strict=True)]
    found = made._accumulate(samples)
    return torch.cat([p.grad.flatten() for p in policy.actor_parameters()]), found


def gradient_of(policy, decisions, term):
    """The slow one: of the mean over decisions of a term of their log-probabilities."""
    rows = [None] * len(decisions)
    for places, log_probs in policy.evaluate_actions(decisions):
        for row, place in zip(log_probs, places, strict=True):
            rows[place] = term(row[: len(decisions[place].menu)])
    loss = torch.stack(rows).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, policy.actor_parameters())]), loss.item()


@pytest.fixture(scope="module")
def roomy():
    """A policy whose passes hold all decisions at once."""
    return zoo.policy(budget=4096)


# What the policy learns -----------------------------------------------------------------------------------------------


def test_at_an_even_proposal_the_gradient_is_that_of_the_distance_to_evenness(roomy):
    decisions = distinct()
    found, metrics = gradient(roomy, decisions, uniform(decisions))
    # - mean log pi = log A + KL(even | pi), and log A has no gradient
    expected, distance = gradient_of(roomy, decisions, lambda row: -row.mean() - math.log(len(row)))
    assert zoo.relative(found, expected) < 1e-5
    constant = sum(math.log(len(d.menu)) for d in decisions) / len(decisions)
    assert metrics["loss/policy"] == pytest.approx(distance + constant, rel=1e-5)


def test_the_gradient_is_zero_where_the_policy_is_the_proposal(roomy):
    decisions = distinct()
    own = [row.exp() for row in roomy.log_probs(decisions)]
    found, metrics = gradient(roomy, decisions, own)
    elsewhere, _ = gradient(roomy, decisions, [torch.eye(len(row))[0] for row in own])
    assert found.norm() < 1e-5 * elsewhere.norm()
    assert metrics["loss/policy"] == pytest.approx(metrics["policy/entropy"], rel=1e-5)
    assert metrics["policy/agreement"] == 1.0


def test_on_logits_the_gradient_is_what_is_too_much_and_too_little():
    logits = torch.tensor([[0.3, -1.0, 2.0], [0.1, 0.2, -torch.inf]], requires_grad=True)
    target = torch.tensor([[0.2, 0.5, 0.3], [0.75, 0.25, 0.0]])
    losses.cross_entropy(logits.log_softmax(1), target).sum().backward()
    assert torch.allclose(logits.grad, logits.detach().softmax(1) - target, atol=1e-6)


def test_passes_of_any_size_add_up(roomy):
    decisions = distinct()
    targets = [torch.softmax(torch.arange(len(d.menu)) / 3, 0) for d in decisions]
    whole, one = gradient(roomy, decisions, targets)
    split, many = gradient(zoo.policy(budget=64), decisions, targets)
    assert zoo.relative(split, whole) < 1e-4
    assert one == pytest.approx(many, rel=1e-4)


def test_the_critic_learns_lambda_returns_and_a_spoilt_step_teaches_nothing():
    policy, decisions = zoo.policy(), distinct(4)
    made = learner(policy)
    is_real = torch.tensor([[True], [True], [False], [True]])
    targets, lam = uniform(decisions), made.settings.gae_lambda
    ends = {"is_real": is_real, "truncated": ~is_real, "discounts": torch.where(is_real, 0.9, 0.0)}
    rollout = rollout_of(decisions, targets, [0.5, -0.25, 99.0, 1.0], **ends)
    samples = made._samples(rollout)
    assert [s.decision for s in samples] == [decisions[0], decisions[1], decisions[3]]
    value = policy.values([d.state for d in decisions])
    following = policy.values([row[0] for row in rollout.next_states])
    second = -0.25 + 0.9 * following[1]
    first = 0.5 + 0.9 * ((1 - lam) * following[0] + lam * (following[0] + second - value[1]))
    assert [s.value for s in samples] == pytest.approx([first.item(), second.item(), 1.0], rel=1e-5)
    untaught = rollout_of(decisions, [targets[0], None, None, None])  # where the policy decided itself
    assert [s.decision for s in made._samples(untaught)] == decisions[:1]


# Which samples count --------------------------------------------------------------------------------------------------


def after(policy, weights, *rollouts, **changes):
    """The policy's weights after the updates, from these weights."""
    with torch.no_grad():
        for p, q in zip([*policy.actor_parameters(), *policy.value_head.parameters()], weights, strict=True):
            p.copy_(q)
    policy.clear_cache()
    made = learner(policy, **changes)
    metrics = [made.update(rollout, 0.0) for rollout in rollouts]
    return copied([*policy.actor_parameters(), *policy.value_head.parameters()]), made, metrics


def test_of_equal_decisions_the_newest_counts():
    policy, decisions = zoo.policy(), distinct(3)
    old, new = uniform(decisions), [torch.eye(len(d.menu))[0] for d in decisions]
    made = learner(policy)
    seen = []
    made._learn_policy = lambda samples: seen.append(samples) or {}
    made.update(rollout_of(decisions, old), 0.0)
    made.update(rollout_of(decisions[:2], new[:2], [5.0, 5.0]), 0.0)
    assert [s.decision for s in seen[1]] == decisions  # each once
    assert [list(s.target) for s in seen[1]] == [new[0].tolist(), new[1].tolist(), old[2].tolist()]
    assert seen[1][0].value > seen[0][0].value
    twice = rollout_of([decisions[0]] * 2, [old[0], new[0]])  # within a rollout too
    made.update(twice, 0.0)
    assert list(seen[2][0].target) == new[0].tolist()


def test_an_update_learns_some_of_what_is_kept_drawn_evenly():
    policy, decisions = zoo.policy(), distinct(6)
    made = learner(policy, samples=2)
    seen = []
    made._learn_values = made._learn_policy = lambda samples: seen.append([s.decision for s in samples]) or {}
    for _ in range(30):
        made.update(rollout_of(decisions, uniform(decisions)), 0.0)
    assert seen[0::2] == seen[1::2]  # the critic learns what the actor learns
    assert all(len(set(drawn)) == 2 for drawn in seen)
    drawn = [d for group in seen[::2] for d in group]
    assert all(2 <= drawn.count(d) <= 20 for d in decisions)  # of 60, 10 each; the wrong variant: always the same ones


def test_decisions_differ_by_what_was_asked_and_not_by_the_state_alone():
    policy = zoo.policy()
    plain = distinct(1)[0]
    biased = plain._replace(bias=tuple(0.1 * k for k in range(len(plain.menu))))
    made = learner(policy)
    seen = []
    made._learn_policy = lambda samples: seen.extend(samples) or {}
    made.update(rollout_of([plain, biased], uniform([plain, biased])), 0.0)
    assert [s.decision for s in seen] == [plain, biased]


def test_old_rollouts_leave_and_what_is_kept_is_learnt_again():
    policy, decisions = zoo.policy(), distinct(3)
    made = learner(policy, rollouts=2)
    seen = []
    made._learn_policy = lambda samples: seen.append([s.decision for s in samples]) or {}
    for decision in decisions:
        made.update(rollout_of([decision], uniform([decision])), 0.0)
    assert seen == [decisions[:1], decisions[:2], decisions[1:]]


def test_the_bonus_is_that_of_the_visits_so_far():
    policy, decisions = zoo.policy(), distinct(2)
    made = learner(policy, count_bonus=0.6)
    state = decisions[0].state + " w4"
    assert made.bonus(state) == 0.6
    metrics = made.update(rollout_of(decisions[:1] * 2, uniform(decisions[:1] * 2)), 0.0)
    assert made.bonus(state) == pytest.approx(0.6 / 3)
    assert metrics["novelty/bonus"] == pytest.approx((0.6 + 0.3) / 2)
    assert learner(policy, count_bonus=0.0).bonus(state) == 0.0


# Numbers that are none ------------------------------------------------------------------------------------------------


def test_a_return_or_a_gradient_that_is_no_number_touches_no_weight_and_is_counted():
    policy, decisions = zoo.policy(), distinct(2)
    before = copied([*policy.actor_parameters(), *policy.value_head.parameters()])
    made = learner(policy, max_bad_updates=3)
    made.update(rollout_of(decisions, uniform(decisions), [math.nan, 0.0]), 0.0)
    assert made.bad_updates == 1
    assert not any(made.rollouts)
    bad = [torch.full((len(d.menu),), math.nan) for d in decisions]
    made.critic.param_groups[0]["lr"] = 0.0  # only the actor's step is looked at here
    made.update(rollout_of(decisions, bad), 0.0)
    assert made.bad_updates == 2
    assert all_equal(before, [*policy.actor_parameters(), *policy.value_head.parameters()])
    with pytest.raises(NumericsError, match=r"expert_iteration\.max_bad_updates=3"):
        made.update(rollout_of(decisions, bad), 0.0)


# Coming back ----------------------------------------------------------------------------------------------------------


def test_going_on_from_a_saved_state_is_going_on_bit_for_bit():
    decisions = distinct(6)
    first = rollout_of(
        decisions[:4], [torch.softmax(torch.arange(len(d.menu)) / 3, 0) for d in decisions[:4]], [0.1] * 4
    )
    second = rollout_of(decisions[2:], uniform(decisions[2:]), [1 / 3] * 4)
    straight = zoo.policy()
    start = copied([*straight.actor_parameters(), *straight.value_head.parameters()])
    how = {"count_bonus": 0.1, "rollouts": 2}
    never, _, metrics = after(straight, start, first, second, **how)

    policy = zoo.policy()
    between, stopped, _ = after(policy, start, first, **how)
    state, position = copy.deepcopy(stopped.state_dict()), stopped.generator.get_state()
    state |= {name: json.loads(json.dumps(state[name])) for name in ("rollouts", "count_bonus", "updates")}

    def resumed(**lost):
        after(policy, between)
        again = learner(policy, seed=5, **how)
        again.load_state_dict({**copy.deepcopy(state), **lost})
        again.generator.set_state(position)
        found = again.update(second, 0.0)
        return copied([*policy.actor_parameters(), *policy.value_head.parameters()]), again, found

    weights, again, found = resumed()
    assert all_equal(weights, never)
    assert found == metrics[-1]
    assert again.updates == 2
    for lost in ({"rollouts": []}, {"actor": {}}, {"critic": {}}):  # the wrong variants
        assert not all_equal(resumed(**lost)[0], never), lost


ROW = [["s", "p s", list(MENU), [0.5, -0.5]], [0.25, 0.75], 1.0]


@pytest.mark.parametrize(
    "forged",
    [
        [[3, "p", list(MENU), []], [0.25, 0.75], 1.0],
        [["s", "p", "ab", []], [0.25, 0.75], 1.0],
        [["s", "p", ["a", "a"], []], [0.25, 0.75], 1.0],
        [["s", "p", list(MENU), [1.0]], [0.25, 0.75], 1.0],
        [["s", "p", list(MENU), []], [-0.5, 1.5], 1.0],
        [["s", "p", list(MENU), []], [0.5, 0.6], 1.0],
        [["s", "p", list(MENU), []], [math.nan, 1.0], 1.0],
        [["s", "p", list(MENU), []], [0.25, 0.75], math.inf],
        [["s", "p", [], []], [], 1.0],
    ],
)
def test_a_forged_sample_is_refused(forged):
    made = learner(zoo.policy())
    state = made.state_dict()
    made.load_state_dict({**state, "rollouts": [[ROW]]})
    assert made.rollouts[0][0] == Sample(Decision("s", "p s", MENU, (0.5, -0.5)), (0.25, 0.75), 1.0)
    with pytest.raises(INVALID_CONTENT):
        made.load_state_dict({**state, "rollouts": [[forged]]})
    with pytest.raises(INVALID_CONTENT):
        made.load_state_dict({**state, "bad_updates": -1})


# And it learns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["puct", "gumbel"])
def test_an_identity_task_is_learnt_from_a_search(algorithm):
    made = setup("method=search", f"search={{simulations: 8, algorithm: {algorithm}}}")
    planner = Planner(made.policy, made.cfg.search, 0, is_training=True, bonus=made.learner.bonus)
    for update in range(6):
        rollout = collect(made.worlds, 4, torch.Generator().manual_seed(update), planner)
        metrics = made.learner.update(rollout, 0.0)
    result = evaluate(made.policy, made.cfg.env, 40, seed=1)  # the policy alone
    assert result["greedy"]["return_mean"] == 1.0
    assert metrics["policy/agreement"] > 0.9
    assert play(made).targets is None  # nobody proposes anything without a search
