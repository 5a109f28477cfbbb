"""The one function for everybody, from the outside: shapes, errors, one equivalence check per model and mode."""

import pytest
import torch
import zoo

import twosome
from twosome.errors import ConfigError, ContextLengthError, MenuError, ModelError
from twosome.lm import microbatch, score_actions
from twosome.lm.microbatch import ScorerChoice

TOKENIZER = zoo.word_tokenizer()


@pytest.fixture(scope="module")
def lm():
    return zoo.model("llama")


def test_the_documented_call(lm):
    rows = twosome.score_actions(lm, TOKENIZER, ["w4 w5"], [["w6", "w7 w8"]])
    assert len(rows) == 1
    assert rows[0].dtype == torch.float32
    assert rows[0].shape == (2,)
    torch.testing.assert_close(rows[0].exp().sum(), torch.tensor(1.0))
    assert rows[0].requires_grad, "differentiable in the model's own weights"
    assert twosome.score_actions(lm, TOKENIZER, [], []) == []
    assert twosome.score_actions(lm, TOKENIZER, ["w4"], [["w6"]])[0].tolist() == [0.0]


def test_menus_may_be_any_sequences(lm):
    prompts = ("w4 w5", "w6")
    a = twosome.score_actions(lm, TOKENIZER, prompts, (("w6", "w7"), ["w8", "w9"]))
    b = twosome.score_actions(lm, TOKENIZER, list(prompts), [["w6", "w7"], ("w8", "w9")])
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("prompts", "menus", "options", "kind", "said"),
    [
        ("w4", [["w5"]], {}, MenuError, "got one text"),
        (["w4"], [], {}, MenuError, "1 prompts and 0 menus"),
        (["w4"], ["w5"], {}, MenuError, "got one string 'w5'"),
        (["w4"], [[]], {}, MenuError, "Empty menu"),
        (["w4"], [["w5", "w5"]], {}, MenuError, "Duplicate action 'w5'"),
        (["w4"], [["w5"]], {"normalization": "words"}, ConfigError, "Did you mean 'word'"),
        (["w4"], [["w5"]], {"scorer": "tree"}, ConfigError, "Unknown scorer 'tree'. Did you mean 'trie'"),
        (["w4 " * 127], [["w5 w6"]], {}, ContextLengthError, r"need 130 tokens \(128 \+ 2\).* holds 128"),
    ],
)
def test_errors(lm, prompts, menus, options, kind, said):
    with pytest.raises(kind, match=said):
        twosome.score_actions(lm, TOKENIZER, prompts, menus, **options)


def test_a_tokenizer_of_another_model(lm):
    """An unknown token id would end a CUDA process in a device assertion."""
    other = zoo.word_tokenizer(200)
    assert len(twosome.score_actions(lm, other, ["w4"], [["w96"]])) == 1
    with pytest.raises(ModelError, match=r"token id 150, but the model knows 97 tokens"):
        twosome.score_actions(lm, other, ["w4"], [["w150"]])


def test_the_scorers_old_name_is_read(lm, monkeypatch):
    """`forest` is the name that the trie had; it runs the trie, and no other name does."""
    asked = []
    monkeypatch.setattr(score_actions, "_choice", lambda model, scorer: asked.append(scorer) or ScorerChoice(scorer))
    prompts, menus = zoo.random_batch(3)
    old, new, separate = (
        twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer=name) for name in ("forest", "trie", "separate")
    )
    assert asked == ["trie", "trie", "separate"]
    assert all(torch.equal(a, b) for a, b in zip(old, new, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(old, separate, strict=True)), "another scorer rounds otherwise"


def test_the_check_is_made_once_for_a_model_and_mode(monkeypatch):
    calls = []
    original = microbatch.check_equivalence
    monkeypatch.setattr(microbatch, "check_equivalence", lambda *a, **k: calls.append(k) or original(*a, **k))
    model = zoo.model("qwen2")
    for _ in range(2):
        twosome.score_actions(model, TOKENIZER, ["w4"], [["w5", "w6"]])
    assert len(calls) == 1
    with torch.no_grad():
        twosome.score_actions(model, TOKENIZER, ["w4"], [["w5", "w6"]])
    assert [c["with_gradient"] for c in calls] == [True, False]
    model.train()
    twosome.score_actions(model, TOKENIZER, ["w4"], [["w5", "w6"]])
    assert len(calls) == 3


def test_a_scored_graph_survives_a_later_check():
    """The check writes into zero adapter halves for a moment; a graph made before must still run backward."""
    from peft import LoraConfig, get_peft_model

    base = zoo.model("llama")
    base.requires_grad_(False)
    model = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    first = twosome.score_actions(model, TOKENIZER, ["w4 w5"], [["w6", "w7 w8"]])[0]
    model.train()
    twosome.score_actions(model, TOKENIZER, ["w4 w5"], [["w6", "w7 w8"]])
    first[0].backward()
    assert any(p.grad is not None and p.grad.any() for p in model.parameters())
