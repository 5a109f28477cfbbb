"""The throughput bench counts what it says it counts. Nothing here looks at a clock."""

from __future__ import annotations

import json

import pytest
import torch

from twosome.bench import __main__ as bench
from twosome.bench import accelerator, environments, measure, models, passes, table, throughput
from twosome.bench.sample import distinct_decisions, rollouts
from twosome.bench.schemes import OURS, PER_PASS, PER_UPDATE, PUBLISHED, make
from twosome.config.compose import compose
from twosome.lm.adapter import adapter_off
from twosome.lm.tokens import encode, encode_prompt
from twosome.errors import ConfigError, NumericsError

FIXED = ["ppo=published", "ppo.target_kl=null", "num_envs=2", "rollout_steps=4", "ppo.actor.minibatch=2", "ppo.accumulation=2"]


@pytest.fixture(scope="module")
def cfg():
    return compose(["env=tomato_lettuce_salad", "model=tiny", *FIXED, "ppo.critic.minibatch=4"])


@pytest.fixture(scope="module")
def built(cfg):
    torch.set_num_threads(1)
    return models.build("tiny", cfg.model, seed=0)


@pytest.fixture(scope="module")
def decisions(cfg):
    return distinct_decisions(cfg, 6)


def scheme(key, schemes=PER_PASS):
    return next(s for s in schemes if s.key == key)


def counted(built, job):
    with measure.tokens_of(built.lm) as counter:
        job()
    return counter.total


# The baseline ------------------------------------------------------------------------------------------------------------


def test_every_scheme_gives_the_same_log_probabilities(built, cfg, decisions):
    runners = {s.key: make(s, built, cfg) for s in PER_PASS}
    assert passes.check_equal(runners, decisions, torch.float32) < 1e-4


def test_schemes_that_disagree_are_not_timed(built, cfg, decisions):
    runners = {s.key: make(s, built, cfg) for s in PER_PASS[-2:]}
    runners[PUBLISHED].published.normalization = "sum"
    runners[PUBLISHED].score = runners[PUBLISHED].published.log_probs
    with pytest.raises(NumericsError, match="differ"):
        passes.check_equal(runners, decisions, torch.float32)


def test_published_gradient_and_values_are_those_of_ours(built, cfg, decisions):
    weights = torch.linspace(-1, 1, len(decisions))
    gradients, values = [], []
    for key in (OURS, "separate", PUBLISHED):
        runner = make(scheme(key), built, cfg)
        runner.train(decisions, weights)
        gradients.append(torch.cat([p.grad.flatten() for p in built.lm.parameters() if p.requires_grad]))
        head = runner.published.value_head if key == PUBLISHED else runner.policy.value_head
        torch.manual_seed(1)
        torch.nn.init.normal_(head.layers[-1].weight)
        values.append(runner.values([d.prompt for d in decisions]))
    for g, v in zip(gradients, values, strict=True):
        assert (g - gradients[-1]).norm() < 1e-4 * gradients[-1].norm()
        torch.testing.assert_close(v, values[-1], atol=1e-4, rtol=1e-4)


def test_published_value_is_read_at_the_last_real_token(built, cfg, decisions):
    published = make(scheme(PUBLISHED), built, cfg).published
    prompts = sorted({d.prompt for d in decisions}, key=len)
    together = published._features(prompts)
    with torch.no_grad(), adapter_off(built.lm):
        alone = built.lm(torch.tensor([encode_prompt(built.tokenizer, prompts[0])]), output_hidden_states=True).hidden_states[-1][
            0, -1
        ]
    torch.testing.assert_close(together[0], alone, atol=1e-4, rtol=1e-4)


# Accounting --------------------------------------------------------------------------------------------------------------


def test_tokens_of_a_pass_are_those_counted_by_hand(built, cfg, decisions):
    menus = [encode(built.tokenizer, d) for d in decisions]
    padded = sum(map(len, menus)) * max(len(s.ids) for menu in menus for s in menu)
    prompts = [encode_prompt(built.tokenizer, d.prompt) for d in decisions]
    published = make(scheme(PUBLISHED), built, cfg)
    assert counted(built, lambda: published.score(decisions)) == padded
    assert counted(built, lambda: published.values([d.prompt for d in decisions])) == len(prompts) * max(map(len, prompts))

    distinct = {s.ids[:k] for menu in menus for s in menu for k in range(1, len(s.ids))}
    ours = make(scheme(OURS), built, cfg)  # six menus: one row, no padding
    assert counted(built, lambda: ours.score(decisions)) == len(distinct)
    assert counted(built, lambda: ours.train(decisions, torch.ones(6))) == len(distinct)


def test_tokens_of_a_published_update_are_those_of_the_formula(built, cfg):
    """A(P+L) and P at acting; P at the bootstrap and in the value epoch; A(P+L) in the policy epoch; padded to the minibatch."""
    (rollout,) = rollouts(cfg, 1)
    runner = make(scheme(PUBLISHED, PER_UPDATE), built, cfg)
    found = counted(built, lambda: passes._update(runner, rollout))
    flat = [d for row in rollout.decisions for d in row]
    real = sum(sum(len(s.ids) for s in encode(built.tokenizer, d)) for d in flat)
    prompts = sum(len(encode_prompt(built.tokenizer, d.prompt)) for d in flat)
    bootstrap = sum(len(encode_prompt(built.tokenizer, p)) for p in rollout.next_states[-1])
    least = 2 * real + 2 * prompts + bootstrap
    longest = max(len(s.ids) for d in flat for s in encode(built.tokenizer, d))
    most = 2 * sum(len(d.menu) for d in flat) * longest + 2 * len(flat) * longest + 2 * longest
    assert least <= found <= most


def test_reuse_forwards_less_and_nothing_the_second_time(built, cfg):
    (rollout,) = rollouts(cfg, 1)
    ours, without = (make(scheme(key, PER_UPDATE), built, cfg) for key in (OURS, "no_reuse"))
    first = counted(built, lambda: ours.act(rollout))
    assert 0 < first < counted(built, lambda: without.act(rollout))
    assert counted(built, lambda: ours.act(rollout)) == 0
    passes._update(ours, rollout)
    assert counted(built, lambda: ours.policy.features([d.prompt for row in rollout.decisions for d in row])) == 0


def test_flops_are_those_of_the_matrix_products(built):
    x, w = torch.randn(3, 5), torch.randn(5, 7)
    assert measure.flops(lambda: x @ w) == 2 * 3 * 5 * 7
    q = torch.randn(1, 2, 16, 8)
    with torch.no_grad():
        assert measure.flops(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q)) == 2 * 2 * 2 * 16 * 16 * 8


def test_lm_head_at_every_position_costs_its_positions_more(built, cfg, decisions):
    """The difference is exactly one LM head for every position that predicts nothing."""
    few, all_positions = (make(scheme(key), built, cfg) for key in (OURS, "all_logits"))
    extra = measure.flops(lambda: all_positions.score(decisions)) - measure.flops(lambda: few.score(decisions))
    menus = [encode(built.tokenizer, d) for d in decisions]
    fed = {s.ids[:k] for menu in menus for s in menu for k in range(1, len(s.ids))}
    parents = {s.ids[:k] for menu in menus for s in menu for k in range(s.start, len(s.ids))}
    head = built.lm.get_output_embeddings()
    width = built.lm.config.hidden_size
    assert extra == (len(fed) - len(parents)) * measure.flops(lambda: head(torch.zeros(1, 1, width)))


def test_peak_memory_sees_a_large_tensor():
    if (found := measure.peak_memory(lambda: torch.ones(1 << 25).sum().item(), torch.device("cpu"))) is not None:
        assert (1 << 27) * 0.9 < found < (1 << 27) * 1.5


def test_rounds_are_interleaved():
    order = []
    times = measure.interleaved({k: lambda k=k: order.append(k) for k in "abc"}, 2, torch.device("cpu"))
    assert "".join(order) == "abcabc"
    assert {k: len(t) for k, t in times.items()} == {"a": 2, "b": 2, "c": 2}


def test_ratios_are_taken_within_a_round():
    base = {"mode": "update", "scheme": PUBLISHED, "tokens": 100, "flops": None, "peak_memory": None, "seconds": [2.0, 9.0]}
    ours = {"mode": "update", "scheme": OURS, "tokens": 20, "flops": None, "peak_memory": None, "seconds": [1.0, 1.0]}
    found = passes.with_ratios([ours, base])[0]["times_less_than_published"]
    assert found == {"tokens": 5.0, "seconds": {"median": 5.5, "min": 2.0, "max": 9.0, "of_sums": 5.5}}


def test_decisions_of_a_pass_are_distinct_and_the_same_again(cfg, decisions):
    assert len(set(decisions)) == len(decisions) == 6
    assert distinct_decisions(cfg, 6) == decisions


# Models ------------------------------------------------------------------------------------------------------------------


def test_named_shapes_have_the_stated_size():
    def weights(h, inner, layers, vocabulary):
        return layers * (4 * h * h + 3 * h * inner + 2 * h) + 2 * vocabulary * h + h

    assert weights(512, 1408, 8, models.VOCABULARY["25m"]) == pytest.approx(27.0e6, rel=0.01)
    assert weights(4096, 11008, 32, models.VOCABULARY["7b"]) == pytest.approx(6.7e9, rel=0.01)


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_random_models_learn_in_every_quantisation(quantization, monkeypatch, decisions):
    monkeypatch.setitem(models.SHAPES, "mini", models.SHAPES["mini"] | {"hidden_size": 64})  # nf4 packs blocks of 64
    chosen = models.overrides("mini", dtype="float32", quantization=quantization, device="cpu", checkpointing=False)
    cfg = compose(["env=tomato_lettuce_salad", *chosen, *FIXED, "ppo.critic.minibatch=4"])
    mini = models.build("mini", cfg.model, seed=0)
    ours = make(scheme(OURS), mini, cfg)
    assert all(torch.isfinite(row).all() for row in ours.score(decisions[:2]))
    ours.train(decisions[:2], torch.ones(2))
    gradients = [p.grad for p in mini.lm.parameters() if p.requires_grad]
    assert gradients
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)
    kind = {"none": "Linear", "nf4": "Linear4bit", "int8": "Linear8bitLt"}[quantization]
    assert type(mini.lm.get_base_model().model.layers[0].mlp.up_proj).__name__ == kind


# The command -------------------------------------------------------------------------------------------------------------


def test_the_command_writes_its_json_and_prints_its_tables(tmp_path, capsys):
    out = tmp_path / "t.json"
    bench.main(["throughput", "--env", "food_preparation", "--modes", "pass", "--schemes", "ours", "--repetitions", "1",
                "--markdown", "--output", str(out)])  # fmt: skip
    result = json.loads(out.read_text())
    assert result["command"].endswith("--repetitions 1 --markdown")
    assert result["machine"]["torch"]
    assert "commit" in result["machine"]
    (model,) = result["models"]
    rows = model["rows"]
    assert {(r["mode"], r["scheme"]) for r in rows} == {
        (m, s) for m in ("score", "value", "act", "train") for s in (OURS, PUBLISHED)
    }
    for row in rows:
        assert row["tokens"] > 0
        assert row["flops"] > 0
        assert len(row["seconds"]) == len(row["cpu_seconds"]) == 1
        assert {"tokens", "flops", "seconds", "cpu_seconds"} <= row["times_less_than_published"].keys()
    printed = capsys.readouterr().out
    assert "| FoodPreparation-v0 | published scheme |" in printed
    for drawn in table.tables(result):
        table.show(drawn)


def test_whole_updates_fill_their_table(built, cfg):
    rows = passes.per_update(built, cfg, [OURS], updates=2, count=True) + passes.count_updates(built, cfg, 2)
    assert [(r["mode"], r["scheme"]) for r in rows] == [(m, s) for m in ("update", "count") for s in (OURS, PUBLISHED)]
    for measured, count in zip(rows[:2], rows[2:], strict=True):
        assert len(measured["acting_seconds"]) == len(measured["learning_seconds"]) == 2
        assert measured["flops"] > 0
        assert measured["tokens"] == pytest.approx(count["tokens"], rel=0.05)  # minibatches are shuffled, so padding differs
    drawn = table.tables({"models": [{"description": "tiny", "rows": rows}], "environments": []})
    assert [len(t.rows) for t in drawn] == [2, 2]


def test_environments_are_measured_in_every_mode():
    rows = environments.measure(compose(["env=entertainment"]), steps=60, repetitions=2)
    assert [r["mode"] for r in rows] == list(environments.MODES)
    assert all(r["per_second"]["min"] > 0 and r["primitive_steps_per_action"] == 1 for r in rows)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--schemes", "our"], "Did you mean 'ours'"),
        (["--env", "tomato_sald"], "Did you mean 'tomato_salad'"),
        (["--modes", "passs"], "Did you mean 'pass'"),
        (["--repetitions", "0"], "1 or more"),
    ],
)
def test_mistakes_are_named_before_anything_is_loaded(argv, message):
    with pytest.raises(ConfigError, match=message):
        throughput.main(argv)


def test_an_unknown_bench_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["throughputs"])
    assert "Did you mean 'throughput'" in capsys.readouterr().err


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
    row = {"environment": "E", "mode": "train", "label": "ours", "peak_total": 2**30, "utilisation": 0.5, "token_budget": 4096}
    model = {"description": "7b", "plan": planned, "memory_gib": 40, "rows": [row]}
    drawn = table._accelerator(model)
    assert "limit 40 GiB" in drawn.title
    assert drawn.rows == [["E", "train: ours", "50.0%", "1.00", "4096"]]
