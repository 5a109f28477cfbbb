"""Laws of the count-based exploration bonus."""

import json

import pytest
import torch

from tests.rl.tasks import play, rollout_to, setup
from twosome.errors import INVALID_CONTENT
from twosome.rl.count_bonus import CountBonus
from twosome.rollout.collect import Worlds, collect
from twosome.systems.baselines.random import RandomPolicy
from twosome.types import Decision


def test_the_bonus_is_shared_by_the_visits():
    bonus = CountBonus(0.6)
    assert bonus.bonuses(rollout_to(["a", "b", "a", "a"]))[0].tolist() == pytest.approx([0.6, 0.6, 0.3, 0.2])
    assert bonus.bonuses(rollout_to(["a"])).item() == pytest.approx(0.15)
    assert bonus.bonuses(rollout_to(["c"])).item() == pytest.approx(0.6)


def test_a_spoilt_step_pays_and_counts_nothing():
    bonus = CountBonus(0.5)
    assert bonus.bonuses(rollout_to(["a", "b"], is_real=[False, True]))[0].tolist() == [0.0, 0.5]
    assert bonus.bonuses(rollout_to(["a"])).item() == 0.5


def test_without_a_bonus_nothing_is_counted():
    bonus = CountBonus(0.0)
    assert bonus.bonuses(rollout_to(["a"])) is None
    assert not bonus.counts


def test_the_state_is_counted_and_not_the_prompt():
    """Two decisions of one state are one state, whatever an agent noted in their prompts."""
    asked = []

    class TakesNotes(RandomPolicy):
        """Plays at random; every prompt is another."""

        def decide(self, observation, menu):
            asked.append(f"Note {len(asked)}. {observation['scene']}")
            return Decision(observation["scene"], asked[-1], menu.phrases)

    cfg = setup("method=tabular").cfg
    worlds = Worlds(cfg.env, TakesNotes(), seed=0, n=4)
    rollout = collect(worlds, 8, torch.Generator().manual_seed(0))
    bonus = CountBonus(0.5)
    bonus.bonuses(rollout)
    assert len(bonus.counts) == 4  # the colours
    assert sum(bonus.counts.values()) == 32
    assert len({d.prompt for row in rollout.decisions for d in row}) == 32
    by_prompt = CountBonus(0.5)  # the wrong variant: everything looks new
    of_prompts = [d.prompt for row in rollout.decisions for d in row]
    assert (by_prompt.bonuses(rollout_to(of_prompts)) == 0.5).all()


def test_counts_come_back_exactly():
    rollouts = [rollout_to(["a", "a", "b"]), rollout_to(["a", "b", "c"])]
    bonus, again, without = CountBonus(0.5), CountBonus(0.5), CountBonus(0.5)
    bonus.bonuses(rollouts[0])
    again.load_state_dict(json.loads(json.dumps(bonus.state_dict())))
    expected = bonus.bonuses(rollouts[1])
    assert torch.equal(again.bonuses(rollouts[1]), expected)
    assert again.state_dict() == bonus.state_dict()
    assert not torch.equal(without.bonuses(rollouts[1]), expected)


@pytest.mark.parametrize("forged", [[], None, "ab", {"x": 0}, {"x": -1}, {"x": "1"}, {"x": True}, {"x": 10**400}])
def test_forged_counts_are_refused(forged):
    with pytest.raises(ValueError, match="visit counts"):
        CountBonus(0.5).load_state_dict({"counts": forged})


def test_missing_counts_are_refused():
    with pytest.raises(INVALID_CONTENT):
        CountBonus(0.5).load_state_dict({})


def test_the_learner_logs_states_and_not_visits():
    made = setup("method=mlp_full", "ppo.count_bonus=0.5")
    metrics = made.learner.update(play(made), 0.0)
    assert metrics["novelty/scenes"] == 4
    assert 0 < metrics["novelty/bonus"] < 0.5
