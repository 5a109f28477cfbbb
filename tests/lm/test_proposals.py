"""Laws of free text: the same for the same prompt whatever happened before, nobody else's draws, whole lines alone."""

import pytest
import torch
import zoo

from twosome.errors import ConfigError, ContextLengthError
from twosome.lm.proposals import propose

SHOWN = {"goal": "w20", "scene": "w21 w22"}


@pytest.fixture(scope="module")
def policy():
    made = zoo.policy(dropout=0.5)
    zoo.shake(made.lm)
    return made


def test_the_same_prompt_has_the_same_proposals_and_the_draws_of_others_go_on(policy):
    first = policy.propose(SHOWN, 5, max_tokens=6)
    assert len(first) > 1
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    policy.propose({"goal": "w9", "scene": "w8"}, 3)
    assert policy.propose(SHOWN, 5, max_tokens=6) == first
    assert torch.equal(torch.rand(4), expected)
    assert policy.propose({"goal": "w20", "scene": "w21 w23"}, 5, max_tokens=6) != first


def test_the_frozen_model_writes_and_is_as_it_was_afterwards():
    policy = zoo.policy(dropout=0.5)
    modes = [module.training for module in policy.lm.modules()]
    first = policy.propose(SHOWN, 5, max_tokens=6)
    zoo.shake(policy.lm, seed=8)
    assert policy.propose(SHOWN, 5, max_tokens=6) == first, "the adapter has no part in it"
    assert [module.training for module in policy.lm.modules()] == modes
    assert {*modes} == {True, False}


def test_texts_end_at_a_line_end_or_the_end_of_the_sequence(policy, monkeypatch):
    """Whatever the model writes: of each text the first line, stripped, once, and no empty one."""
    written = ["w4  w5 \nw6", "", " w4 w5", "\nw7", "w8 w9"]
    monkeypatch.setattr(policy.tokenizer, "decode", lambda *_, **__: written.pop(0))
    assert policy.propose(SHOWN, 5, max_tokens=2) == ("w4 w5", "w8 w9")
    monkeypatch.undo()
    lm = zoo.model("llama")
    with torch.no_grad():
        lm.get_output_embeddings().weight.zero_()  # each of 97 tokens alike: some texts meet the end, 2, early
    texts = propose(lm, zoo.word_tokenizer(), "w4", 64, 16)
    assert all(len(text.split()) <= 16 and "</s>" not in text and "<pad>" not in text for text in texts)
    assert min(len(text.split()) for text in texts) < 12


def test_a_folder_with_its_own_way_of_drawing_is_not_followed(policy):
    first = policy.propose(SHOWN, 4, max_tokens=6)
    own = policy.lm.get_base_model().generation_config
    own.top_k, own.temperature, own.repetition_penalty = 1, 0.01, 9.0
    assert policy.propose(SHOWN, 4, max_tokens=6) == first


def test_what_cannot_work_is_refused(policy):
    with pytest.raises(ConfigError, match="got 0 and 16"):
        policy.propose(SHOWN, 0)
    with pytest.raises(ContextLengthError, match="all 128 tokens"):
        propose(policy.lm, policy.tokenizer, " ".join(["w4"] * 127), 1, 4)
    near = propose(policy.lm, policy.tokenizer, " ".join(["w4"] * 126), 4, 9)
    assert all(len(text.split()) == 1 for text in near), "the context has one place left"
