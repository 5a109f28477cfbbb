"""The bench of generalisation: what it runs, that it continues where it was, and what its table says."""

import pytest

from twosome.bench import generalization
from twosome.config.compose import compose_command
from twosome.errors import ConfigError

QUICK = ["sources=[food_preparation]", "targets.food_preparation=[cheese]", "steps.food_preparation=64", "seeds=1"]
QUICK += ["episodes=2", "stop_at=null"]
QUICK += ['overrides=["num_envs=4","rollout_steps=16","log.eval_interval=0","log.eval_episodes_final=1"]']


@pytest.mark.slow  # a run, then other worlds
def test_a_policy_is_tried_elsewhere_and_its_language_model_measured(tmp_path):
    cfg = compose_command([*QUICK, f"out={tmp_path}"], "generalization")
    [run] = generalization.bench(cfg)["results"]["food_preparation"]
    summary = (tmp_path / "food_preparation/seed0/summary.json").stat().st_mtime_ns
    assert list(run["worlds"]) == ["food_preparation", "cheese"]
    assert all(run["worlds"][name][how]["episodes"] == 2 for name in run["worlds"] for how in ("greedy", "sampled"))
    assert run["retention"]["perplexity_before"] > 1
    assert "| food_preparation | cheese |" in (tmp_path / "generalization.md").read_text()
    cfg.targets.food_preparation = ["cheese", "pizza"]
    [again] = generalization.bench(cfg)["results"]["food_preparation"]  # another world: evaluated, not trained, again
    assert list(again["worlds"]) == ["food_preparation", "cheese", "pizza"]
    assert (tmp_path / "food_preparation/seed0/summary.json").stat().st_mtime_ns == summary
    cfg.steps.food_preparation = 128
    with pytest.raises(ConfigError, match="total_steps: 64 -> 128"):
        generalization.bench(cfg)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["sources=[pizza]"], "pizza"),
        (["sources=[]"], "one or more"),
        (["targets.food_preparation=[chese]"], "cheese"),
        (['overrides=["ppo.clipp=1"]'], r"ppo\.clip"),
        (["episodes=0"], "episodes=0"),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(tmp_path, wrong, said):
    with pytest.raises(ConfigError, match=said):
        generalization.bench(compose_command([f"out={tmp_path}", *wrong], "generalization"))
    assert not list(tmp_path.iterdir())


def test_shares_are_of_the_return_where_it_was_trained():
    def world(value):
        return {"optimum": 1.0, "greedy": {"return_mean": 1.0}, "sampled": {"return_mean": value, "success_rate": 1.0}}

    kept = {"perplexity_before": 2.0, "perplexity_after": 3.0, "kl": 0.1}
    runs = [{"worlds": {"home": world(0.8), "away": world(0.4)}, "retention": kept}]
    table = generalization.markdown({"home": runs, "elsewhere": []})
    assert "| home | away | 1.0000 | 0.4000 | 1.00 | 0.50 | 0.40 |" in table
    assert "| home | 1 | 2.000 | 3.000 | 0.100 |" in table
    assert "| elsewhere | not run | | | | | |" in table
    assert "| elsewhere | 0 |" in table
