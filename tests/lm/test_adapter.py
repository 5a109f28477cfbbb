"""LoRA adapters: where they sit, their precision, how they are switched off; over quantised and compiled models."""

import re
import shutil
from types import SimpleNamespace

import pytest
import torch
import zoo
from zoo import relative, worst

import twosome
from twosome.config.compose import compose
from twosome.errors import ConfigError, ModelError
from twosome.lm.adapter import adapter_off, add_adapter, compile_layers, load_adapter, save_adapter
from twosome.types import Decision

SOME = [
    Decision.plain("You see a tomato and a plate. Next action:", ("chop the tomato", "wait", "walk to the fridge")),
    Decision.plain("You see a tomato. Next action:", ("chop the tomato", "chop", "serve the dish")),
]


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory):
    return zoo.folder_of(tmp_path_factory.mktemp("llama"), "llama")


def lora(**changes):
    return SimpleNamespace(**{"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj"], **changes})


@pytest.mark.parametrize(
    ("targets", "layers"), [(["q_proj", "v_proj"], 2), ("all-linear", 7), (["down_proj"], 1), (None, 2)]
)
def test_targets(targets, layers):
    model = add_adapter(zoo.model("llama"), lora(targets=targets))
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    assert len(trainable) == 3 * layers * 2
    assert not any("lm_head" in n for n in trainable)


def test_targets_that_do_not_exist_list_those_that_do():
    with pytest.raises(ConfigError, match=r"model.lora.targets=\['query'\].*q_proj.*all-linear"):
        add_adapter(zoo.model("llama"), lora(targets=["query"]))


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_the_default_of_any_model_fits_every_architecture_and_hints_name_layers_of_it(family):
    default = compose(["model=hf", "model.name=any"]).model.lora.targets
    attention = "eager" if family == "gemma2" else "sdpa"
    model = add_adapter(zoo.model(family, attention=attention), lora(targets=default))
    assert any("lora_A" in n for n, p in model.named_parameters() if p.requires_grad)
    assert not any("lm_head" in n or "embed_out" in n for n, p in model.named_parameters() if p.requires_grad)
    with pytest.raises(ConfigError) as caught:
        add_adapter(zoo.model(family, attention=attention), lora(targets=["nothing_of_this_name"]))
    [example] = re.findall(r"as in 'model\.lora\.targets=\[([^\]]*)\]'", str(caught.value))
    add_adapter(zoo.model(family, attention=attention), lora(targets=example.split(", ")))  # what the hint says works


def test_an_adapter_on_another_base_warns(tmp_path, caplog):
    first, second = (zoo.model("llama", seed=seed) for seed in (0, 1))
    first.config._name_or_path, second.config._name_or_path = "some/Base-1B", "other/Base-2B"
    first.name_or_path = "some/Base-1B"
    save_adapter(add_adapter(first, lora()), tmp_path)
    for name, warns in (("/models/base-1b", False), ("other/Base-2B", True)):
        second = zoo.model("llama", seed=1)
        second.config._name_or_path = name
        caplog.clear()
        load_adapter(add_adapter(second, lora()), tmp_path)
        assert ("was trained on 'some/Base-1B' and is put on other/Base-2B" in caplog.text) == warns


def test_transposed_layers_of_gpt2():
    model = add_adapter(zoo.model("gpt2"), lora(targets="all-linear"))
    zoo.shake(model)
    assert torch.isfinite(model(input_ids=torch.tensor([[1, 2, 3]])).logits).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_adapters_are_float32_over_any_base(dtype):
    model = add_adapter(zoo.model("llama").to(dtype), lora(), gradient_checkpointing=True)
    dtypes = {p.requires_grad: p.dtype for p in model.parameters()}
    assert dtypes == {True: torch.float32, False: dtype}
    assert model.training


def test_adapter_off_is_the_base_and_leaves_no_trace():
    base = zoo.model("llama")
    ids = torch.tensor([[1, 5, 6, 7]])
    with torch.no_grad():
        expected = base(input_ids=ids).logits
    model = add_adapter(base, lora())
    zoo.shake(model)
    flags = [p.requires_grad for p in model.parameters()]
    with torch.no_grad(), adapter_off(model):
        assert torch.equal(model(input_ids=ids).logits, expected)
    with pytest.raises(KeyError), adapter_off(model):
        raise KeyError
    assert [p.requires_grad for p in model.parameters()] == flags
    with torch.no_grad(), adapter_off(model), adapter_off(model):
        pass
    assert not torch.allclose(model(input_ids=ids).logits, expected)
    with adapter_off(zoo.model("llama")):
        pass  # a model without adapters is its own base
    model.base_model.disable_adapter_layers()
    with adapter_off(model):
        pass
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, expected)  # what was off before is off after


# Quantisation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantised_models_load_and_train(llama_folder, quantization, dtype):
    """Acting, then learning: after a pass in evaluation mode nf4 layers can lose every gradient, in silence."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes has no build for this platform")
    options = [f"model.quantization={quantization}", f"model.dtype={dtype}", "model.lora.targets=all-linear"]
    policy = twosome.load(llama_folder, overrides=options)
    zoo.shake(policy.lm, 0.05)
    kinds = {type(m).__name__ for m in policy.lm.modules()}
    assert {"int8": "Linear8bitLt", "nf4": "Linear4bit"}[quantization] in kinds
    acted = policy.log_probs(SOME)
    policy.values([d.state for d in SOME])
    learnt = {}
    for index, log_probs in policy.evaluate_actions(SOME):
        log_probs[:, 0].sum().backward()
        learnt |= {i: row.detach() for i, row in zip(index, log_probs, strict=True)}
    assert worst([learnt[0], learnt[1]], acted) < 1e-6
    assert all(p.grad is not None and p.grad.any() and p.dtype == torch.float32 for p in policy.actor_parameters())
    policy.clear_cache()
    alone = []
    for d in SOME:
        policy.clear_cache()
        alone += policy.log_probs([d])
    assert worst(alone, acted) < (1e-5 if dtype == "float32" else 0.05), "a score depends on who else is in the batch"


def test_int8_outliers_would_make_a_score_depend_on_its_company(llama_folder):
    """bitsandbytes' default threshold looks for outliers over the batch; ours is 0."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes has no build for this platform")
    policy = twosome.load(llama_folder, overrides=["model.quantization=int8"])
    layers = [m for m in policy.lm.modules() if type(m).__module__.startswith("bitsandbytes")]
    assert layers
    assert all(m.state.threshold == 0.0 for m in layers)


def test_quantisation_without_bitsandbytes(llama_folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r"model.quantization=nf4 needs bitsandbytes.*pip install"):
        twosome.load(llama_folder, overrides=["model.quantization=nf4"])


# Compilation ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own capture asks for it
def test_compiled_layers_give_the_same_numbers_and_gradients():
    """Through the graph capture and autograd of torch.compile, without its code generator."""
    torch._dynamo.reset()
    plain, compiled = (zoo.with_lora(zoo.model("llama", num_hidden_layers=2), ["q_proj"]) for _ in range(2))
    compile_layers(compiled, backend="aot_eager")
    for seed in (1, 2):
        prompts, menus = zoo.random_batch(seed)
        a, b = (twosome.score_actions(m, zoo.word_tokenizer(), prompts, menus) for m in (plain, compiled))
        assert worst(a, b) < 1e-5
        ga, gb = zoo.gradient(plain, a), zoo.gradient(compiled, b)
        assert relative(gb, ga) < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's code generator, of torch
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler for the CPU")
def test_compile(llama_folder):
    torch._dynamo.reset()
    plain, compiled = (twosome.load(llama_folder, overrides=[f"model.compile={x}"]) for x in ("false", "true"))
    assert worst(plain.log_probs(SOME), compiled.log_probs(SOME)) < 1e-5
    for _, log_probs in compiled.evaluate_actions(SOME):
        log_probs[:, 0].sum().backward()
    assert all(p.grad is not None for p in compiled.actor_parameters())
