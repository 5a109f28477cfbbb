"""The policy is softmax(score / temperature + bias), in acting, in learning and in inspection alike."""

import math
import random
from itertools import pairwise

import pytest
import torch
import zoo
from zoo import ALL, decisions, learnt, relative, slow, worst
from zoo import policy as make

import twosome
from twosome.agents.recall import Advice
from twosome.config.compose import compose
from twosome.errors import ConfigError, MenuError
from twosome.types import Decision, Menu


def biased(some, seed=0):
    """Every second decision with random log-weights, the others without."""
    rng = random.Random(seed)
    weights = [tuple(rng.uniform(-2, 2) for _ in d.menu) if k % 2 else () for k, d in enumerate(some)]
    return [d._replace(bias=w) for d, w in zip(some, weights, strict=True)]


def expected(policy, some, temperature):
    """From the scores that inspection shows of the plain decisions, which the slow scorer confirms."""
    plain = [policy.inspect(d.prompt, d.menu) for d in some]
    logits = [torch.tensor(p.scores) / temperature for p in plain]
    return [
        (x + torch.tensor(d.bias or (0.0,) * len(d.menu))).log_softmax(0).float()
        for x, d in zip(logits, some, strict=True)
    ]


def same_bits(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# Both ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reuse", [(), ALL])
@pytest.mark.parametrize("normalization", ["word", "unconditional"])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_acting_learning_and_inspection_are_one_policy(temperature, normalization, reuse):
    policy = make(temperature=temperature, normalization=normalization, reuse=reuse)
    zoo.shake(policy.lm)
    some = biased(decisions())
    law = expected(policy, some, temperature)
    acted = policy.log_probs(some)
    assert worst(acted, law) < 1e-5 * max(1, 1 / temperature)
    assert worst(learnt(policy, some)[0], acted) < 1e-5 * max(1, 1 / temperature)
    seen = [policy.inspect_decision(d) for d in some]
    assert worst([torch.tensor(s.log_probs) for s in seen], [x.double() for x in acted]) < 1e-5 / temperature + 1e-5
    assert all(math.isclose(s.probs.sum(), 1.0) for s in seen)
    assert worst([torch.tensor(s.probs).log() for s in seen], [torch.tensor(s.log_probs) for s in seen]) < 1e-9
    plain = [d._replace(bias=()) for d in some]
    assert worst(acted, policy.log_probs(plain)) > 0.1, "the bias is seen"
    if temperature != 1.0:
        assert worst(acted, expected(policy, some, 1.0)) > 0.1, "the temperature is seen"


@pytest.mark.parametrize("scorer", ["trie", "prompt_cache", "separate"])
def test_under_every_scorer(scorer):
    policy, some = make(scorer=scorer, temperature=0.5), biased(decisions())
    assert worst(policy.log_probs(some), expected(policy, some, 0.5)) < 2e-5


def test_the_gradient_is_that_of_the_law():
    """Of log softmax(score / T + bias), through separate sequences."""
    policy, some = make(temperature=0.5, budget=60), biased(decisions())
    zoo.shake(policy.lm)
    _, got = learnt(policy, some)
    plain = zoo.slow_batch(policy.lm, [d.prompt for d in some], [d.menu for d in some])
    weights = [torch.tensor(d.bias or (0.0,) * len(d.menu)) for d in some]
    for factor, is_law in ((0.5, True), (1.0, False)):
        rows = [(x / factor + w).log_softmax(0) for x, w in zip(plain, weights, strict=True)]
        loss = torch.stack([row[0] for row in rows]).sum()
        grads = torch.autograd.grad(loss, policy.actor_parameters(), retain_graph=True)
        error = relative(got, torch.cat([g.flatten() for g in grads]))
        assert (error < 1e-4) == is_law, error


def test_nothing_and_one_are_the_same_bits_as_without():
    """Against `score_actions`, which knows neither."""
    some = list(dict.fromkeys(decisions()))
    policy = make(temperature=1.0)
    zoo.shake(policy.lm)
    with torch.no_grad():
        plain = twosome.score_actions(
            policy.lm, policy.tokenizer, [d.prompt for d in some], [d.menu for d in some], token_budget=512
        )
    assert same_bits(policy.log_probs(some), plain)
    assert same_bits(policy.log_probs([Decision(d.state, d.prompt, d.menu, ()) for d in some]), plain)
    assert same_bits(policy.log_probs([d._replace(bias=(0.0,) * len(d.menu)) for d in some]), plain)


# Bias ---------------------------------------------------------------------------------------------------------


def test_a_constant_bias_changes_neither_log_probabilities_nor_gradients():
    policy, some = make(temperature=0.5), decisions()
    zoo.shake(policy.lm)
    shifted = [d._replace(bias=(3.5,) * len(d.menu)) for d in some]
    leaning = [d._replace(bias=(3.5,) + (0.0,) * (len(d.menu) - 1)) for d in some]
    (rows, gradient), (same, of_shifted), (other, of_leaning) = (learnt(policy, x) for x in (some, shifted, leaning))
    assert worst(policy.log_probs(shifted), policy.log_probs(some)) < 1e-5
    assert worst(same, rows) < 1e-5
    assert relative(of_shifted, gradient) < 1e-4
    assert worst(other, rows) > 0.1
    assert relative(of_leaning, gradient) > 0.1


@pytest.mark.parametrize("reuse", [(), ("distributions",), ("decisions",), ALL])
def test_the_same_prompt_and_menu_with_another_bias_is_another_decision(reuse):
    policy = make(reuse=reuse)
    plain = decisions()[0]
    n = len(plain.menu)
    some = [plain, plain._replace(bias=(2.0,) + (0.0,) * (n - 1)), plain._replace(bias=(0.0,) * (n - 1) + (2.0,))]
    law = expected(policy, some, 1.0)
    before = policy.counts["decisions_computed"]
    assert worst(policy.log_probs(some), law) < 1e-5
    assert policy.counts["decisions_computed"] == before + 3
    assert worst(policy.log_probs(some[::-1]), law[::-1]) < 1e-5
    assert worst(policy.log_probs([*some, *some]), [*law, *law]) < 1e-5
    assert policy.counts["decisions_computed"] == before + {(): 12, ("decisions",): 9}.get(tuple(reuse), 3)
    assert worst(learnt(policy, [*some, *some])[0], [*law, *law]) < 1e-5
    assert min(worst([a], [b]) for a, b in pairwise(law)) > 0.1


WRONG = [(1.0,), (1.0, 2.0, 3.0), (math.nan, 0.0), (0.0, math.inf), (-math.inf, 0.0)]
DOORS = {
    "decide": lambda policy, d: policy.decide({"goal": "w4", "scene": "w5"}, Menu(d.menu, (0, 1))),
    "log_probs": lambda policy, d: policy.log_probs([d]),
    "evaluate_actions": lambda policy, d: list(policy.evaluate_actions([d])),
    "inspect_decision": lambda policy, d: policy.inspect_decision(d),
}


@pytest.mark.parametrize("bias", WRONG, ids=str)
@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_bias_is_refused_with_what_was_expected(door, bias):
    policy = make(recall=lambda observation, menu: Advice("", bias))
    decision = Decision("w4 w5", "w4 w5", ("w6", "w7 w8"), bias)
    said = r"Expected one finite log-weight per action, got \(.*\) for the 2 actions \('w6', 'w7 w8'\)"
    with pytest.raises(MenuError, match=said):
        DOORS[door](policy, decision)
    DOORS[door](make(recall=lambda observation, menu: Advice("", (1.0, 2.0))), decision._replace(bias=(1.0, 2.0)))


@pytest.mark.parametrize("door", ["log_probs", "evaluate_actions"])
def test_wrong_lengths_that_make_up_for_each_other_are_refused_too(door):
    """One weight too few and one too many would fit a batch, every action after them with its neighbour's."""
    some = [Decision.plain(f"w4 w{k}", ("w6", "w7 w8"))._replace(bias=(1.0,) * n) for k, n in ((5, 1), (6, 3))]
    with pytest.raises(MenuError, match="one finite log-weight per action"):
        list(getattr(make(), door)(some))


# Temperature --------------------------------------------------------------------------------------------------


def test_towards_zero_the_policy_is_greedy_and_far_up_uniform():
    some = decisions()
    best = [int(row.argmax()) for row in slow(make(), some)]
    sharpest, *softer = (make(temperature=t).log_probs(some) for t in (1e-4, 0.5, 1.0, 2.0, 1e5))
    assert all(row[b] > -1e-3 for row, b in zip(sharpest, best, strict=True))
    for colder, warmer in pairwise([sharpest, *softer]):
        assert all(c[b] >= w[b] - 1e-5 for c, w, b in zip(colder, warmer, best, strict=True))
    assert worst([row.exp() for row in softer[-1]], [torch.full_like(row, 1 / len(row)) for row in softer[-1]]) < 1e-3


def test_the_setting_reaches_the_policy():
    menu = ("eat an apple", "sleep", "go to the kitchen")
    seen = {
        t: twosome.load("tiny", overrides=[f"policy.temperature={t}"]).inspect("You are hungry.", menu)
        for t in (0.25, 1.0)
    }
    assert compose([]).policy.temperature == 1.0
    torch.testing.assert_close(torch.tensor(seen[0.25].scores), torch.tensor(seen[1.0].scores))
    law = (torch.tensor(seen[1.0].scores) / 0.25).log_softmax(0)
    torch.testing.assert_close(torch.tensor(seen[0.25].log_probs), law)
    assert seen[0.25].entropy < seen[1.0].entropy
    with pytest.raises(ConfigError, match=r"policy\.temperature"):
        compose(["policy.temperature=0"])
