"""Laws of cloning: what is demonstrated is played and learnt, chance stays chance, and what is wrong is told."""

import gymnasium
import pytest
import torch

from tests.rl.tasks import Identity, play, setup
from twosome.agents.demonstrator import demonstrate
from twosome.config.compose import compose
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout.collect import collect
from twosome.rollout.evaluate import evaluate
from twosome.rollout.first_look import first_look


class Shown(Identity):
    """Shows the right colour, one of two at the toss of a coin, or what is not on the menu."""

    shows = "right"

    def demonstrate(self, seed):
        if self.shows == "coin":
            return seed % 2
        if self.shows == "odds":
            return {0: 0.5, 1: 0.5}
        return self.colour if self.shows == "right" else self.shows


class Coin(Shown):
    shows = "coin"


class Odds(Shown):
    shows = "odds"


gymnasium.register("TwosomeTest/Odds-v0", Odds)
gymnasium.register("TwosomeTest/Shown-v0", Shown)
gymnasium.register("TwosomeTest/Coin-v0", Coin)


def cloned(env, updates=6, **changes):
    usual = {"actor.learning_rate": 0.003, "samples": 64} | changes
    made = setup("method=clone", f"env.id={env}", *(f"expert_iteration.{k}={v}" for k, v in usual.items()))
    for update in range(updates):
        rollout = collect(made.worlds, 8, torch.Generator().manual_seed(update), demonstrate)
        metrics = made.learner.update(rollout, 0.0)
    return made, rollout, metrics


def test_what_is_demonstrated_is_played_and_learnt():
    made, rollout, metrics = cloned("TwosomeTest/Shown-v0")
    assert {e.discounted_return for e in rollout.episodes} == {1.0}
    assert all(target[action] == 1.0 for row, actions in zip(rollout.targets, rollout.actions, strict=True)
               for target, action in zip(row, actions, strict=True))  # fmt: skip
    assert metrics["policy/agreement"] > 0.95
    assert evaluate(made.policy, made.cfg.env, 40, seed=1)["greedy"]["return_mean"] == 1.0
    assert play(made).targets is None  # the policy alone proposes nothing


@pytest.mark.parametrize("kind", ["Coin", "Odds"])
def test_the_clone_of_a_coin_is_a_coin(kind):
    """Cloning keeps the odds of what is left to chance, tossed or told, and gives nothing to what was never shown."""
    made, rollout, _ = cloned(f"TwosomeTest/{kind}-v0", updates=8, rollouts=12, samples="null")
    assert kind == "Coin" or {*rollout.actions.flatten().tolist()} == {0, 1}, "both are played"
    decisions = list({d.asked: d for row in rollout.decisions for d in row}.values())
    probabilities = torch.stack(made.policy.log_probs(decisions)).exp()
    assert (probabilities[:, 2:] < 0.05).all()
    assert (probabilities[:, :2].mean(0) - 0.5).abs().max() < 0.15


@pytest.mark.parametrize("shown", [7, -1, None, "say red", {}, {0: 0.5}, {0: 0.5, 9: 0.5}, {0: 1.5, 1: -0.5}, {0: "1"}])
def test_what_is_not_on_the_menu_is_the_environments_fault(shown, monkeypatch):
    monkeypatch.setattr(Shown, "shows", shown)
    with pytest.raises(EnvironmentFault, match=r"demonstrated .* expected the index of a legal action"):
        cloned("TwosomeTest/Shown-v0", updates=1)


def test_a_world_that_demonstrates_nothing_is_refused_before_a_model_is_loaded():
    cfg = compose(["method=clone", "env=tomato_salad"])
    with pytest.raises(ConfigError, match=r"demonstrates nothing: expected a method demonstrate\(seed\)"):
        first_look(cfg.env, 0, demonstrates=cfg.method == "clone")
    first_look(compose(["method=clone", "env=desk"]).env, 0, demonstrates=True)


def test_cloning_does_not_search():
    with pytest.raises(ConfigError, match=r"search\.simulations=8"):
        compose(["method=clone", "env=desk", "search.simulations=8"])
