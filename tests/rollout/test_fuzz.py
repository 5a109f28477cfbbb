"""Any text at all through `score_actions`: log-probabilities that sum to one, or a named error; never anything else."""

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import twosome
from twosome.errors import TwosomeError

rare = st.text(alphabet=st.characters(categories=["Cs", "Cc", "Zs", "Mn", "So"]), max_size=12)
awkward = ["", " ", "\n", "\x00", "\ud800", "a" * 5000, "e\u0301", "\u200b", "\u202e x", "\U0001f600", "Ａ"]
awkward += ["<|endoftext|>", "<s>", "</s>"]
anything = st.text(max_size=40) | rare | st.sampled_from(awkward)
not_text = st.none() | st.integers() | st.binary(max_size=4) | st.lists(st.text(max_size=3), max_size=2)


@pytest.fixture(scope="module")
def tiny():
    policy = twosome.load("tiny")
    return policy.lm, policy.tokenizer


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    prompts=st.lists(anything, min_size=1, max_size=3),
    menus=st.lists(st.lists(anything | not_text, max_size=5) | anything | not_text, min_size=1, max_size=3),
    normalization=st.sampled_from(["word", "token", "sum", "unconditional", "words", None]),
)
@example(prompts=[""], menus=[["a", "b"]], normalization="word")
@example(prompts=["x"], menus=[["a", "\ud800"]], normalization="word")
@example(prompts=["\ud800"], menus=[["a"]], normalization="word")
@example(prompts=["x"], menus=["ab"], normalization="word")
@example(prompts=["x " * 4000], menus=[["a", "b"]], normalization="word")
def test_any_text_gives_probabilities_or_a_named_error(tiny, prompts, menus, normalization):
    try:
        rows = twosome.score_actions(*tiny, prompts, menus, normalization=normalization)
    except TwosomeError:
        return
    for menu, row in zip(menus, rows, strict=True):
        assert row.shape == (len(menu),)
        assert torch.isfinite(row).all()
        torch.testing.assert_close(row.exp().sum(), torch.tensor(1.0), atol=1e-4, rtol=0)
