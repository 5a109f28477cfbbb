"""What only an accelerator shows. Skipped, with the reason, where there is none."""

import pytest
import torch
import zoo

import twosome
from twosome.lm.footprint import GIB, free_bytes

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
mps = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs Apple's MPS")
DEVICES = [pytest.param("cuda", marks=cuda), pytest.param("mps", marks=mps)]
TOKENIZER = zoo.word_tokenizer()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_separate_sequences(device, family, dtype):
    lm = zoo.model(family, attention="eager" if family == "gemma2" else "sdpa")
    lm = zoo.with_lora(lm).to(device, dtype)
    prompts, menus = zoo.random_batch(1)
    got = twosome.score_actions(lm, TOKENIZER, prompts, menus)
    expected = zoo.slow_batch(lm, prompts, menus)
    value, slope = (5e-5, 1e-3) if dtype == torch.float32 else (0.3, 0.3)
    assert zoo.worst(got, expected) < value
    assert zoo.relative(zoo.gradient(lm, got), zoo.gradient(lm, expected)) < slope


@pytest.mark.parametrize("device", DEVICES)
def test_acting_and_learning(device):
    policy = zoo.policy(temperature=0.5)
    policy.lm.to(device)
    policy.value_head.to(device)
    some = [d._replace(bias=tuple(0.5 - i % 2 for i in range(len(d.menu)))) for d in zoo.decisions()]
    acted = policy.log_probs(some)
    assert {x.device.type for x in acted} == {"cpu"}
    assert policy.values([d.state for d in some]).device.type == "cpu"
    for index, log_probs in policy.evaluate_actions(some):
        learnt = [row[: len(some[i].menu)].detach().cpu() for i, row in zip(index, log_probs, strict=True)]
        assert zoo.worst(learnt, [acted[i] for i in index]) < 1e-4
        log_probs[:, 0].sum().backward()
    assert all(p.grad is not None for p in policy.actor_parameters())


@cuda
def test_a_real_lack_of_memory_halves_the_budget():
    policy = zoo.policy(budget=2**20)
    policy.lm.to("cuda")
    policy.value_head.to("cuda")
    some = zoo.decisions(size=3000)
    policy.log_probs(some[:2])
    torch.cuda.empty_cache()
    allowed = torch.cuda.memory_reserved() + 300 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = policy.log_probs(some)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert policy.token_budget < 2**20
    assert len(found) == len(some)


@cuda
def test_the_footprint_sees_a_memory_limit():
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2 * GIB / total))
    try:
        assert free_bytes(torch.device("cuda")) <= 2 * GIB
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
