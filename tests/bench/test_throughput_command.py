"""The command of the throughput bench, its models, its tables and what it says of accelerators and environments."""

import json

import pytest
import torch

from twosome.bench import __main__ as bench
from twosome.bench import accelerator, environments, models, scoring, table, throughput
from twosome.bench.schemes import OURS, PER_PASS, PUBLISHED, make
from twosome.config.compose import compose
from twosome.errors import ConfigError

# Models ---------------------------------------------------------------------------------------------------------------


def test_named_shapes_have_the_stated_size():
    def weights(h, inner, layers, vocabulary):
        return layers * (4 * h * h + 3 * h * inner + 2 * h) + 2 * vocabulary * h + h

    assert weights(512, 1408, 8, models.VOCABULARY["25m"]) == pytest.approx(27.0e6, rel=0.01)
    assert weights(4096, 11008, 32, models.VOCABULARY["7b"]) == pytest.approx(6.7e9, rel=0.01)


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_random_models_learn_in_every_quantisation(quantization, monkeypatch, decisions, fixed):
    monkeypatch.setitem(models.SHAPES, "mini", models.SHAPES["mini"] | {"hidden_size": 64})  # nf4 packs blocks of 64
    chosen = models.overrides("mini", dtype="float32", quantization=quantization, device="cpu", checkpointing=False)
    cfg = compose(["env=tomato_lettuce_salad", *chosen, *fixed])
    mini = models.build("mini", cfg.model, seed=0)
    ours = make(next(s for s in PER_PASS if s.key == OURS), mini, cfg)
    assert all(torch.isfinite(row).all() for row in ours.score(decisions[:2]))
    ours.train(decisions[:2], torch.ones(2))
    gradients = [p.grad for p in mini.lm.parameters() if p.requires_grad]
    assert gradients
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)
    kind = {"none": "Linear", "nf4": "Linear4bit", "int8": "Linear8bitLt"}[quantization]
    assert type(mini.lm.get_base_model().model.layers[0].mlp.up_proj).__name__ == kind


# The command ----------------------------------------------------------------------------------------------------------


def measured_by_command(out, *argv):
    """What `python -m twosome.bench throughput` writes."""
    bench.main(["throughput", "--env", "food_preparation", "--schemes", "ours", *argv, "--output", str(out)])
    return json.loads(out.read_text())


def test_the_command_writes_its_json_and_prints_its_tables(tmp_path, capsys):
    result = measured_by_command(tmp_path / "t.json", "--modes", "pass", "--repetitions", "1", "--markdown")
    assert result["command"].endswith("--repetitions 1 --markdown")
    assert result["machine"]["torch"]
    assert "commit" in result["machine"]
    (model,) = result["models"]
    rows = model["rows"]
    modes = ("score", "value", "act", "train")
    assert {(r["mode"], r["scheme"]) for r in rows} == {(m, s) for m in modes for s in (OURS, PUBLISHED)}
    for row in rows:
        assert row["tokens"] > 0
        assert row["flops"] > 0
        assert len(row["seconds"]) == len(row["cpu_seconds"]) == 1
        assert {"tokens", "flops", "seconds", "cpu_seconds"} <= row["times_less_than_published"].keys()
    printed = capsys.readouterr().out
    assert "| FoodPreparation-v0 | published scheme |" in printed
    for drawn in table.tables(result):
        table.show(drawn)


@pytest.mark.slow  # every mode
def test_the_smallest_model_runs_in_every_mode(tmp_path, capsys):
    modes = ["--modes", "pass,update,count", "--repetitions", "1", "--updates", "1", "--no-flops"]
    result = measured_by_command(tmp_path / "t.json", "--model", "mini", *modes)
    (model,) = result["models"]
    assert model["model"] == "mini"
    assert model["settings"]["ppo"]["target_kl"] is None
    assert {r["mode"] for r in model["rows"]} == {"score", "value", "act", "train", "update", "count"}
    ours = [r for r in model["rows"] if r["scheme"] == OURS]
    assert all(r["times_less_than_published"]["tokens"] > 1 for r in ours if r["mode"] != "value")
    titles = [drawn.title for drawn in table.tables(result)]
    assert [t.split(".")[0] for t in titles] == [
        "One pass without reuse",
        "Whole updates from cold caches",
        "Tokens forwarded over many updates",
    ]
    assert str(tmp_path / "t.json") in "".join(capsys.readouterr().out.split())


def test_the_command_measures_environments_alone(tmp_path):
    result = measured_by_command(tmp_path / "t.json", "--environments", "--steps", "40", "--repetitions", "1")
    assert [r["mode"] for r in result["environments"]] == list(environments.MODES)
    assert not result["models"]
    [drawn] = table.tables(result)
    assert [row[1] for row in drawn.rows] == list(environments.MODES)


@pytest.mark.slow  # whole updates
def test_whole_updates_fill_their_table(built, cfg):
    rows = scoring.per_update(built, cfg, [OURS], updates=2, count=True) + scoring.count_updates(built, cfg, 2)
    assert [(r["mode"], r["scheme"]) for r in rows] == [(m, s) for m in ("update", "count") for s in (OURS, PUBLISHED)]
    for measured, count in zip(rows[:2], rows[2:], strict=True):
        assert len(measured["acting_seconds"]) == len(measured["learning_seconds"]) == 2
        assert measured["flops"] > 0
        # Minibatches are shuffled, so padding differs.
        assert measured["tokens"] == pytest.approx(count["tokens"], rel=0.05)
    drawn = table.tables({"models": [{"description": "tiny", "rows": rows}], "environments": []})
    assert [len(t.rows) for t in drawn] == [2, 2]


def test_environments_are_measured_in_every_mode():
    rows = environments.measure(compose(["env=entertainment"]), steps=60, repetitions=2)
    assert [r["mode"] for r in rows] == list(environments.MODES)
    assert all(r["per_second"]["min"] > 0 and r["primitive_steps_per_action"] == 1 for r in rows)


@pytest.mark.parametrize("name", throughput.ENVIRONMENTS)
def test_the_caches_of_every_environment_measured_can_be_cleared(name):
    env = environments._make(compose([f"env={name}"]))
    assert isinstance(env.unwrapped, environments.Cached)  # else `uncached` would measure the caches


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--schemes", "our"], "Did you mean 'ours'"),
        (["--env", "tomato_sald"], "Did you mean 'tomato_salad'"),
        (["--modes", "passs"], "Did you mean 'pass'"),
        (["--repetitions", "0"], "1 or more"),
        (["--repetitions", "two"], "invalid int value"),
        (["--dtype", "float31", "--model", "mini"], "Did you mean 'float32'"),
        (["--device", "cpus"], "Did you mean 'cpu'"),
        (["--token-budget", "1"], "policy.token_budget=1"),
        (["--enb", "tomato_salad"], "Unrecognized arguments: --enb"),
    ],
)
def test_mistakes_are_named_before_anything_is_loaded(tmp_path, monkeypatch, argv, message):
    monkeypatch.setattr(models, "build", None)
    with pytest.raises(ConfigError, match=message):
        throughput.main([*argv, "--output", str(tmp_path / "t.json")])
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_found_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "build", None)
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        throughput.main(["--output", str(tmp_path / "missing" / "t.json")])


# Accelerators ---------------------------------------------------------------------------------------------------------


def test_the_memory_limit_and_peak_speed_leave_a_cpu_alone():
    with accelerator.memory_limit(40, "cpu"):
        assert accelerator.held("cpu") is None
    assert accelerator.peak_tflops("cpu") is None


def test_the_plan_of_a_model_stands_beside_its_peaks(built, cfg):
    planned = accelerator.plan(cfg, built.lm)
    shaped = compose(["env=tomato_salad", "model=hf", "model.name=7b", "model.device=cpu"])
    for found in (planned, accelerator.plan(shaped, built.lm)):  # a shape's plan is that of the model built
        assert found["bytes"] == sum(found["parts"].values()) > 0
        assert found["parts"]["weights"] == planned["parts"]["weights"]
    row = {"environment": "E", "mode": "train", "label": "ours", "peak_total": 2**30, "utilisation": 0.5}
    row["token_budget"] = 4096
    model = {"description": "7b", "plan": planned, "memory_gib": 40, "rows": [row]}
    drawn = table._accelerator(model)
    assert "limit 40 GiB" in drawn.title
    assert drawn.rows == [["E", "train: ours", "50.0%", "1.00", "4096"]]
