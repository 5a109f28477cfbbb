"""Decisions side by side: adapter off and on, menus that differ, and the same numbers from plain PEFT."""

import math

import numpy as np
import pytest
import torch

import twosome
from twosome.errors import MenuError


def test_an_adapter_changes_nothing_until_it_is_trained(untrained, prompt, menu):
    both = twosome.compare_adapter(untrained, prompt, menu)
    off, on = both.parts.values()
    np.testing.assert_allclose(off.probs, on.probs, atol=1e-6)


def test_adapter_on_and_off_differ_after_training_and_gradients_survive(trained, d, prompt, menu):
    learns = [p.requires_grad for p in trained.lm.parameters()]
    both = twosome.compare_adapter(trained, prompt, menu)
    off, on = both.parts.values()
    assert np.abs(off.probs - on.probs).max() > 1e-3
    assert [p.requires_grad for p in trained.lm.parameters()] == learns
    np.testing.assert_allclose(off.probs, d.probs, atol=1e-5)


def test_menus_that_differ_stand_side_by_side(untrained, d, prompt):
    other = untrained.inspect(prompt, ["chop nothing", "wait"])
    both = twosome.compare(one=d, two=other)
    assert both.actions == (*d.actions, "wait")
    assert both.probs("wait") == {"one": None, "two": pytest.approx(other.prob("wait"))}
    frame = both.to_frame()
    assert math.isnan(frame.loc["wait", "one"])
    assert "not possible here" in str(both)
    assert list(both.to_dict()) == ["one", "two"]
    with pytest.raises(MenuError):
        twosome.compare()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # peft's, of transformers
def test_an_adapter_loads_with_plain_peft_and_gives_the_same(run_dir, trained, prompt, menu):
    """The five lines of the README."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from twosome import tiny

    checkpoint = max((run_dir / "checkpoints").iterdir())
    tokenizer = AutoTokenizer.from_pretrained(tiny.path())
    model = AutoModelForCausalLM.from_pretrained(tiny.path())
    model = PeftModel.from_pretrained(model, checkpoint / "adapter").eval()
    with torch.no_grad():
        [log_probs] = twosome.score_actions(model, tokenizer, [prompt], [menu])
    np.testing.assert_allclose(log_probs.numpy(), trained.inspect(prompt, menu).log_probs, atol=2e-5)
