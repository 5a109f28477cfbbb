"""The bench of attribution: any part of the table can be made alone, and what is there is shown whole."""

import json

import pytest
from safetensors.torch import load_file

from tests.bench.test_curves import found
from twosome import tiny
from twosome.bench import attribution
from twosome.config.compose import compose, compose_command
from twosome.errors import ConfigError

QUICK = ["seeds=1", "tasks=[food_preparation]", "eval_every=256"]
QUICK += ['overrides=["total_steps=512","log.eval_episodes=1","log.eval_episodes_final=1","log.tensorboard=false"]']


def run(out, *overrides):
    return attribution.bench(compose_command([*QUICK, f"out={out}", *overrides], "attribution"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("attribution")
    run(out, "rows=[small_network]")
    return out, run(out, "rows=[small_network_full]")


@pytest.mark.slow  # a run of seconds
def test_a_table_made_in_two_sittings_holds_both(done, capsys):
    out, report = done
    assert list(report["results"]["food_preparation"]) == ["small_network", "small_network_full"]
    assert [step for step, _ in report["results"]["food_preparation"]["small_network"]["curves"][0]] == [256, 512]
    assert (out / "attribution.png").exists()
    run(out, "run=false")
    assert "0 of them to do" in capsys.readouterr().out
    assert (out / "attribution.md").read_text().count("> 512") >= 4
    assert json.loads((out / "attribution.json").read_text())["results"] == json.loads(json.dumps(report["results"]))


@pytest.mark.slow  # a run of seconds
def test_runs_of_other_settings_are_not_taken_for_these(done):
    out, _ = done
    with pytest.raises(ConfigError, match=r"ppo\.clip: 0\.2 -> 0\.3"):
        run(out, "rows=[small_network]", 'overrides=["ppo.clip=0.3","total_steps=512"]')


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("rows=[smal_network]", "Did you mean 'small_network'"),
        ("tasks=[tomato_soup]", "tomato_soup"),
        ("rows=[]", "rows=.* cannot work"),
        ("seeds=0", "seeds=0 cannot work"),
    ],
)
def test_a_mistake_costs_nothing(tmp_path, wrong, said):
    with pytest.raises(ConfigError, match=said):
        run(tmp_path, wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_row_differs_from_the_full_one_in_what_its_name_says():
    """All that a row of one setting changes, composed at once: an override without effect would be missing."""
    rows = compose_command([], "attribution").definitions
    ours = compose([])
    alone = {"no_count_bonus": "count_bonus", "no_actor_warmup": "actor", "no_advantage_floor": "advantage_floor"}
    alone |= {"no_self_imitation": "self_imitation", "token_credit": "decompose", "no_head_adapter": None}
    changed = compose([override for row in alone for override in rows[row]])
    fields = {name for name, value in vars(changed.ppo).items() if value != getattr(ours.ppo, name)}
    assert fields == {field for field in alone.values() if field}
    assert set(ours.model.lora.targets) - set(changed.model.lora.targets) == {"lm_head"}
    assert set(rows.no_bonus_no_imitation) == {*rows.no_count_bonus, *rows.no_self_imitation}
    published, tuned = (compose(list(rows[row])) for row in ("published", "published_tuned"))
    assert (tuned.num_envs, tuned.ppo.accumulation) == (published.num_envs, published.ppo.accumulation) == (4, 8)
    assert (tuned.ppo.actor.learning_rate, tuned.ppo.critic.learning_rate) == (5e-4, 3e-3)
    assert not rows.full


@pytest.mark.slow  # a run of seconds
def test_weights_that_learnt_nothing_have_the_shapes_of_the_model_and_differ_from_seed_to_seed(tmp_path):
    for seed in (0, 1):
        attribution.make_random_weights(tmp_path / f"seed{seed}", seed)
    first, second, shipped = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "seed0", tmp_path / "seed1", tiny.path())
    )
    shapes = [{name: (x.shape, x.dtype) for name, x in tensors.items()} for tensors in (first, second, shipped)]
    assert shapes[0] == shapes[1] == shapes[2]
    assert (first["lm_head.weight"] - second["lm_head.weight"]).abs().max() > 0.01


def test_a_row_is_compared_by_medians_and_a_seed_that_failed_is_beyond_all():
    results = {"world": {"full": found([100, 200, 300]), "slow": found([400, 400, 800]), "lost": found([None] * 3)}}
    table = attribution.compared(results, "full")
    assert "| slow | 2 [1.3, 8], 1 [1, 1] s |" in table
    assert "| lost | many [many, many], many [many, many] s |" in table
