"""The throughput bench counts what it says it counts, on schemes that agree. Nothing here looks at a clock."""

import platform
import subprocess
import sys

import pytest
import torch

from twosome.bench import measure, scoring
from twosome.bench.sample import distinct_decisions, rollouts
from twosome.bench.schemes import OURS, PER_PASS, PER_UPDATE, PUBLISHED, make
from twosome.errors import NumericsError
from twosome.lm.adapter import adapter_off
from twosome.lm.tokens import encode, encode_prompt


def scheme(key, schemes=PER_PASS):
    return next(s for s in schemes if s.key == key)


def counted(built, job):
    with measure.tokens_of(built.lm) as counter:
        job()
    return counter.total


# The baseline ---------------------------------------------------------------------------------------------------------


def test_every_scheme_gives_the_same_log_probabilities(built, cfg, decisions):
    runners = {s.key: make(s, built, cfg) for s in PER_PASS}
    assert scoring.check_equal(runners, decisions, torch.float32) < 1e-4


def test_schemes_that_disagree_are_not_timed(built, cfg, decisions):
    runners = {s.key: make(s, built, cfg) for s in PER_PASS[-2:]}
    runners[PUBLISHED].published.normalization = "sum"
    runners[PUBLISHED].score = runners[PUBLISHED].published.log_probs
    with pytest.raises(NumericsError, match="differ"):
        scoring.check_equal(runners, decisions, torch.float32)


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
        values.append(runner.values([d.state for d in decisions]))
    for g, v in zip(gradients, values, strict=True):
        assert (g - gradients[-1]).norm() < 1e-4 * gradients[-1].norm()
        torch.testing.assert_close(v, values[-1], atol=1e-4, rtol=1e-4)


def test_published_value_is_read_at_the_last_real_token(built, cfg, decisions):
    published = make(scheme(PUBLISHED), built, cfg).published
    states = sorted({d.state for d in decisions}, key=len)
    together = published._features(states)
    with torch.no_grad(), adapter_off(built.lm):
        ids = torch.tensor([encode_prompt(built.tokenizer, states[0])])
        alone = built.lm(ids, output_hidden_states=True).hidden_states[-1][0, -1]
    torch.testing.assert_close(together[0], alone, atol=1e-4, rtol=1e-4)


# Accounting -----------------------------------------------------------------------------------------------------------


def test_tokens_of_a_pass_are_those_counted_by_hand(built, cfg, decisions):
    menus = [encode(built.tokenizer, d.prompt, d.menu) for d in decisions]
    padded = sum(map(len, menus)) * max(len(s.ids) for menu in menus for s in menu)
    prompts = [encode_prompt(built.tokenizer, d.prompt) for d in decisions]
    published = make(scheme(PUBLISHED), built, cfg)
    assert counted(built, lambda: published.score(decisions)) == padded
    values = counted(built, lambda: published.values([d.state for d in decisions]))
    assert values == len(prompts) * max(map(len, prompts))

    distinct = {s.ids[:k] for menu in menus for s in menu for k in range(1, len(s.ids))}
    ours = make(scheme(OURS), built, cfg)  # six menus: one row, no padding
    assert counted(built, lambda: ours.score(decisions)) == len(distinct)
    assert counted(built, lambda: ours.train(decisions, torch.ones(6))) == len(distinct)


def test_tokens_of_a_published_update_are_those_of_the_formula(built, cfg):
    """A(P+L) and P at acting; P at the bootstrap and in the value epoch; A(P+L) in the policy epoch; and padding."""
    (rollout,) = rollouts(cfg, 1)
    runner = make(scheme(PUBLISHED, PER_UPDATE), built, cfg)
    found = counted(built, lambda: scoring.run_update(runner, rollout))
    flat = [d for row in rollout.decisions for d in row]
    real = sum(sum(len(s.ids) for s in encode(built.tokenizer, d.prompt, d.menu)) for d in flat)
    prompts = sum(len(encode_prompt(built.tokenizer, d.prompt)) for d in flat)
    bootstrap = sum(len(encode_prompt(built.tokenizer, p)) for p in rollout.next_states[-1])
    least = 2 * real + 2 * prompts + bootstrap
    longest = max(len(s.ids) for d in flat for s in encode(built.tokenizer, d.prompt, d.menu))
    most = 2 * sum(len(d.menu) for d in flat) * longest + 2 * len(flat) * longest + 2 * longest
    assert least <= found <= most


def test_reuse_forwards_less_and_nothing_the_second_time(built, cfg):
    (rollout,) = rollouts(cfg, 1)
    ours, without = (make(scheme(key, PER_UPDATE), built, cfg) for key in (OURS, "no_reuse"))
    first = counted(built, lambda: ours.act(rollout))
    assert 0 < first < counted(built, lambda: without.act(rollout))
    assert counted(built, lambda: ours.act(rollout)) == 0
    scoring.run_update(ours, rollout)
    assert counted(built, lambda: ours.policy.features([d.state for row in rollout.decisions for d in row])) == 0


def test_flops_are_those_of_the_matrix_products(built):
    x, w = torch.randn(3, 5), torch.randn(5, 7)
    assert measure.flops(lambda: x @ w) == 2 * 3 * 5 * 7
    q = torch.randn(1, 2, 16, 8)
    with torch.no_grad():
        attention = measure.flops(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q))
    assert attention == 2 * 2 * 2 * 16 * 16 * 8


def test_lm_head_at_every_position_costs_its_positions_more(built, cfg, decisions):
    """The difference is exactly one LM head for every position that predicts nothing."""
    few, all_positions = (make(scheme(key), built, cfg) for key in (OURS, "all_logits"))
    extra = measure.flops(lambda: all_positions.score(decisions)) - measure.flops(lambda: few.score(decisions))
    menus = [encode(built.tokenizer, d.prompt, d.menu) for d in decisions]
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
    base = {
        "mode": "update",
        "scheme": PUBLISHED,
        "tokens": 100,
        "flops": None,
        "peak_memory": None,
        "seconds": [2.0, 9.0],
    }
    ours = {"mode": "update", "scheme": OURS, "tokens": 20, "flops": None, "peak_memory": None, "seconds": [1.0, 1.0]}
    found = scoring.with_ratios([ours, base])[0]["times_less_than_published"]
    assert found == {"tokens": 5.0, "seconds": {"median": 5.5, "min": 2.0, "max": 9.0, "of_sums": 5.5}}


def test_decisions_of_a_pass_are_distinct_and_the_same_again(cfg, decisions):
    assert len(set(decisions)) == len(decisions) == 6
    assert distinct_decisions(cfg, 6) == decisions


FREED = """
import sys, torch
from twosome.bench import measure
if sys.argv[1] == "True":
    measure.give_back_at_once()
torch.ones(7_000_000)
blocks = [torch.ones(250_000) for _ in range(64)]
before = measure._status("VmRSS")
del blocks[::2]
print((before - measure._status("VmRSS")) / 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc keeps of freed memory")
@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_freed_is_no_longer_resident_where_it_is_given_back_at_once(at_once):
    """Every second of 64 blocks of a megabyte is freed: glibc keeps them, once it has met a larger one."""
    run = [sys.executable, "-c", FREED, str(at_once)]
    given_back = float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    assert (given_back > 24) == at_once
    assert (given_back < 8) != at_once
