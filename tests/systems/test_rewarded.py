"""Laws of other rewards: a surprise of nothing is 0, capped, as its definition; without costs the world's own."""

import dataclasses

import pytest
import torch
import zoo

from twosome.agents.frozen import surprises
from twosome.bench.surprise import plans, spearman
from twosome.config.compose import compose
from twosome.errors import ConfigError
from twosome.lm import tokens
from twosome.rollout.collect import Worlds, collect
from twosome.systems.baselines.random import RandomPolicy
from twosome.systems.rewarded import Rewarded
from twosome.types import Reference

ENV = compose(["env=toolbox", "env.kwargs.questions=2"]).env


class Kept:
    """A learner that keeps what it is given."""

    def state_dict(self):
        return {"kept": 3}

    def update(self, rollout, progress):
        self.rewards = rollout.rewards
        return {}


@pytest.fixture(scope="module")
def rollout():
    made = Worlds(ENV, RandomPolicy(), 0, 4)
    found = collect(made, 12, torch.Generator().manual_seed(0))
    made.close()
    return found


@pytest.fixture(scope="module")
def policy():
    """A policy whose adapter has moved, so that the frozen model is another."""
    made = zoo.policy(budget=4096)
    with torch.no_grad():
        for parameter in made.actor_parameters():
            parameter.add_(0.3)
    return made


def learnt(rollout, progress, **how):
    kept = Kept()
    metrics = Rewarded(kept, how.get("surprises"), how.get("warmup", 0.0)).update(rollout, progress)
    return kept.rewards, metrics


# Surprise -------------------------------------------------------------------------------------------------------------


def test_nothing_found_is_no_surprise_and_the_cap_holds(policy):
    empty = Reference("w1 w2", "w3 w4", "w3 w4", "w5 w6")
    others = [Reference("w1", "w3", f"w3 w{k} w{k + 1}", "w5 w6") for k in range(6)]
    found = surprises(policy, [empty, *others])
    assert found[0] == 0
    assert (found[1:] != 0).any()
    cap = float(found.abs().max()) / 2
    assert surprises(policy, [empty, *others], cap).abs().max() == pytest.approx(cap)
    assert surprises(policy, []).tolist() == []


def test_it_is_the_difference_of_two_log_probabilities_of_the_frozen_model_per_word(policy):
    """The slow one sums the tokens of one sequence at a time, of a model without an adapter."""
    reference = Reference("w1 w2", "w3", "w3 w4 w5", "w6 w7")
    plain = zoo.policy(budget=4096)  # whose new adapter changes nothing

    def log_prob(scene):
        prompt = plain.settings.prompt.format(goal=reference.goal, scene=scene)
        [action] = tokens.encode(plain.tokenizer, prompt, (reference.answer,), 10_000, None)
        ids = torch.tensor([action.ids])
        with torch.no_grad():
            rows = plain.lm(ids).logits[0].float().log_softmax(-1)
        return sum(rows[i - 1, action.ids[i]].item() for i in range(action.start, len(action.ids)))

    expected = (log_prob(reference.found) - log_prob(reference.scene)) / 2
    assert surprises(policy, [reference], 100.0).item() == pytest.approx(expected, abs=1e-4)


def test_answers_earn_their_surprise_and_tools_their_price(rollout):
    asked = []
    rewards, metrics = learnt(
        rollout, 0.5, surprises=lambda given: asked.extend(given) or torch.full((len(given),), 0.3)
    )
    assert torch.equal(rewards[rollout.closes], torch.full((int(rollout.closes.sum()),), 0.3))
    assert torch.equal(rewards[~rollout.closes], rollout.rewards[~rollout.closes])  # costs as ever
    assert metrics["reward/surprise"] == pytest.approx(0.3)
    assert all(r.found.startswith(r.scene) and r.answer.startswith("say ") for r in asked)
    assert any(r.found == r.scene for r in asked)
    bare = dataclasses.replace(rollout, references=None)
    with pytest.raises(ConfigError, match=r"told none.*info\['reference'\].*reward=default"):
        learnt(bare, 0.5, surprises=lambda given: torch.zeros(len(given)))


def test_other_methods_are_refused():
    with pytest.raises(ConfigError, match=r"reward\.kind=surprise.*method=twosome.*reward=default"):
        compose(["env=toolbox", "reward=surprise", "method=clone"])


# Costs ----------------------------------------------------------------------------------------------------------------


def test_costs_rise_from_nothing_to_what_they_are(rollout):
    assert rollout.costs.max() == pytest.approx(0.1)
    assert torch.equal(rollout.costs > 0, rollout.rewards < 0)
    exact = rollout.rewards.clamp(min=0)  # a right answer, and no price
    for progress, share in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.9, 1.0)):
        rewards, metrics = learnt(rollout, progress, warmup=0.5)
        assert torch.allclose(rewards, exact - share * rollout.costs)
        assert metrics["reward/cost_share"] == share
    assert torch.equal(learnt(rollout, 0.0)[0], rollout.rewards)  # without a warm-up the world's own
    assert Rewarded(Kept(), None, 0.5).state_dict() == {"kept": 3}  # the share is that of the run, so nothing to keep


def test_free_tools_are_the_exact_reward():
    free = compose(["env=toolbox", "env.kwargs.level=0", "env.kwargs.questions=2"]).env
    made = Worlds(free, RandomPolicy(), 0, 4)
    found = collect(made, 12, torch.Generator().manual_seed(0))
    made.close()
    right = sum(dict(e.tally)["right"] for e in found.episodes)
    assert right == sum(e.discounted_return for e in found.episodes)
    assert found.costs.abs().max() == 0


# What the bench compares ----------------------------------------------------------------------------------------------


def test_every_use_of_tools_is_looked_at():
    env = compose(["env=toolbox", "env.kwargs.questions=1"]).env
    rows = {}
    for number in range(40):
        for kind, calls, right, reference in plans(env, number):
            rows.setdefault(kind, set()).add((calls, right))
            assert (reference.found == reference.scene) == (calls == (0, 0))
    assert rows["fresh"] == {((0, 0), 0.25), ((1, 0), 1.0)}
    assert rows["habit"] == {((0, 0), 1.0), ((1, 0), 1.0)}
    assert rows["rumour"] == {((0, 0), 1.0), ((1, 0), 0.0), ((1, 0), 1.0)}
    assert rows["sum"] == {((0, 0), 0.25), ((1, 0), 0.25), ((0, 1), 1.0), ((1, 1), 1.0)}  # in any order
    assert rows["nested"] == {((0, 0), 0.25), ((1, 0), 0.25), ((2, 0), 0.25), ((2, 1), 1.0)}


def test_rank_correlation():
    assert spearman([1, 2, 3], [2, 4, 9]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 1, 2, 3], [1, 2, 2, 4]) == pytest.approx(0.8333333)  # as scipy.stats.spearmanr has it
    assert spearman([1, 1], [1, 2]) is None
