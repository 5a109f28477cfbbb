"""Models from folders, adapters, precisions, quantisation, compilation; and what cannot be loaded says what to do."""

import json
import shutil
import time
from types import SimpleNamespace

import pytest
import tokenizer_zoo
import torch
import zoo

import twosome
from twosome import loading
from twosome.model import ValueHead, adapter_off, add_adapter, compile_layers
from twosome.types import ConfigError, Decision, ModelError

SOME = [
    Decision("You see a tomato and a plate. Next action:", ("chop the tomato", "wait", "walk to the fridge")),
    Decision("You see a tomato. Next action:", ("chop the tomato", "chop", "serve the dish")),
]


def folder_of(path, family):
    tokenizer = {"llama": tokenizer_zoo.llama_legacy, "qwen3": tokenizer_zoo.qwen_like}[family]()
    settings = {"vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "head_dim": 16}
    settings |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    zoo.model(family, **settings, max_position_embeddings=512, pad_token_id=-1).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def folder(request, tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp("llama"), "llama")


def worst(a, b):
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))


# Any model by folder ------------------------------------------------------------------------------------------


def test_a_folder_loads_scores_and_values(folder):
    policy = twosome.load(folder)
    assert [len(x) for x in policy.log_probs(SOME)] == [3, 3]
    assert policy.values([d.prompt for d in SOME]).tolist() == [0.0, 0.0]
    assert policy.describe_scorer()["scorer"] == "forest"
    plain, tokenizer = loading.load_lm(policy.train_settings.model)
    scored = twosome.score_actions(plain, tokenizer, [d.prompt for d in SOME], [d.menu for d in SOME])
    assert worst(policy.log_probs(SOME), scored) < 1e-5, "a fresh adapter changes nothing"
    zoo.shake(policy.lm)
    peft = twosome.score_actions(policy.lm, tokenizer, [d.prompt for d in SOME], [d.menu for d in SOME])
    assert worst(policy.log_probs(SOME), peft) < 1e-5


def test_training_from_a_folder(folder, tmp_path):
    from twosome.train import main

    main(
        f"experiment=debug model=hf model.name={folder} model.threads=1 run_dir={tmp_path / 'run'} total_steps=64 "
        "log.tensorboard=false log.eval_interval=0 log.eval_episodes_final=1 ppo.actor.warmup_updates=0".split()
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["scorer"]["scorer"] == "forest"
    policy = twosome.load(tmp_path / "run")
    assert any(p.any() for n, p in policy.lm.named_parameters() if "lora_B" in n), "it learnt something"


# Adapters -----------------------------------------------------------------------------------------------------


def lora(**changes):
    return SimpleNamespace(**{"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj"], **changes})


@pytest.mark.parametrize(("targets", "layers"), [(["q_proj", "v_proj"], 2), ("all-linear", 7), (["down_proj"], 1), (None, 2)])
def test_targets(targets, layers):
    model = add_adapter(zoo.model("llama"), lora(targets=targets))
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    assert len(trainable) == 3 * layers * 2
    assert not any("lm_head" in n for n in trainable)


def test_targets_that_do_not_exist_list_those_that_do():
    with pytest.raises(ConfigError, match=r"model.lora.targets=\['query'\].*q_proj.*all-linear"):
        add_adapter(zoo.model("llama"), lora(targets=["query"]))


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
    assert not torch.allclose(model(input_ids=ids).logits, expected)
    with adapter_off(zoo.model("llama")):
        pass  # a model without adapters is its own base


def test_the_value_head_starts_at_zero_and_has_the_shape_asked_for():
    features = torch.randn(5, 32)
    linear = ValueHead(32, SimpleNamespace(kind="linear", widths=[9], layer_norm=False))
    published = ValueHead(32, SimpleNamespace(kind="mlp", widths=[1024, 512], layer_norm=False))
    assert [p.shape for p in linear.parameters()] == [(1, 32), (1,)]
    assert [tuple(p.shape) for p in published.parameters()][::2] == [(1024, 32), (512, 1024), (1, 512)]
    for head in (linear, published):
        assert head(features).tolist() == [0.0] * 5


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
    policy.values([d.prompt for d in SOME])
    learnt = {}
    for index, log_probs in policy.evaluate(SOME):
        log_probs[:, 0].sum().backward()
        learnt |= {i: row.detach() for i, row in zip(index, log_probs, strict=True)}
    assert worst([learnt[0], learnt[1]], acted) < 1e-6
    assert all(p.grad is not None and p.grad.any() and p.dtype == torch.float32 for p in policy.adapter_parameters())
    policy.forget()
    alone = []
    for d in SOME:
        policy.forget()
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
        assert ((ga - gb).norm() / ga.norm()).item() < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler for the CPU")
def test_compile(llama_folder):
    torch._dynamo.reset()
    plain, compiled = (twosome.load(llama_folder, overrides=[f"model.compile={x}"]) for x in ("false", "true"))
    assert worst(plain.log_probs(SOME), compiled.log_probs(SOME)) < 1e-5
    for _, log_probs in compiled.evaluate(SOME):
        log_probs[:, 0].sum().backward()
    assert all(p.grad is not None for p in compiled.adapter_parameters())


# What cannot be loaded -------------------------------------------------------------------------------------------


def refused(name, *overrides):
    started = time.perf_counter()
    with pytest.raises(ModelError) as error:
        twosome.load(name, overrides=list(overrides))
    assert time.perf_counter() - started < 20, "it fails fast"
    return str(error.value)


def test_a_hub_name_without_a_network():
    said = refused("Qwen/Qwen3-0.6B-Base")
    assert "neither a folder here nor in the hub's local cache" in said
    assert "model.name=/path/to/folder" in said


def test_a_hub_that_does_not_answer(monkeypatch):
    """Not offline by choice, but no network: one short look instead of a minute of retries."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in refused("nobody/nothing")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("403 Client Error. Cannot access gated repo", "hf auth login"),
        ("Please pass the argument `trust_remote_code=True`", "model.trust_remote_code=true"),
        ("nobody/nothing is not a valid model identifier", "Check the spelling"),
    ],
)
def test_what_the_hub_may_say(monkeypatch, error, expected):
    from transformers import AutoTokenizer

    def fails(*_, **__):
        raise OSError(error)

    monkeypatch.setattr(loading, "_hub_answers", lambda: True)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", fails)
    assert expected in refused("nobody/nothing")


def test_folders_that_lack_something(llama_folder, tmp_path):
    copies = iter(range(100))

    def without(*patterns):
        folder = tmp_path / str(next(copies))
        shutil.copytree(llama_folder, folder)
        for pattern in patterns:
            for file in folder.glob(pattern):
                file.unlink()
        return folder

    assert "There is no model folder" in refused(str(tmp_path / "nowhere" / "at" / "all"))
    assert "no config.json" in refused(without("config.json"))
    assert "no weights" in refused(without("*.safetensors"))
    assert "tokenizer" in refused(without("tokenizer*"))
    pickled = without("*.safetensors")
    torch.save({}, pickled / "pytorch_model.bin")
    said = refused(pickled)
    assert "pickle (pytorch_model.bin)" in said
    assert "save_pretrained" in said
    adapter = without("*.safetensors")
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="not a whole checkpoint"):
        twosome.load(adapter)
    with pytest.raises(ModelError, match="holds an adapter, not a model"):
        twosome.load(llama_folder, overrides=[f"model.name={adapter}"])
    broken = without()
    (broken / "config.json").write_text('{"model_type": "unheard_of"}')
    assert "cannot be loaded" in refused(broken)
    cut = without()
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "cannot be loaded" in refused(cut)


def test_code_of_the_models_author_is_not_run(llama_folder, tmp_path):
    folder = tmp_path / "foreign"
    shutil.copytree(llama_folder, folder)
    (folder / "own.py").write_text("raise SystemExit('it was run')")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert "trust_remote_code" in refused(folder)


def test_a_device_that_is_not_there():
    with pytest.raises(ConfigError, match=r"model.device=cuda:7 is not available here"):
        loading.choose_device("cuda:7")


def test_a_model_without_scaled_dot_product_attention_takes_eager(tmp_path):
    zoo.model("bloom", attention="eager").save_pretrained(tmp_path)
    zoo.word_tokenizer().save_pretrained(tmp_path)
    policy = twosome.load(tmp_path, overrides=["model.lora.targets=all-linear"])
    assert policy.lm.config._attn_implementation == "eager"
    prompts, menus = zoo.random_batch(1)
    policy.log_probs([Decision(p, tuple(m)) for p, m in zip(prompts, menus, strict=True)])
    assert policy.describe_scorer()["scorer"] == "prompt_cache"


def test_dropout_of_the_base_is_off(tmp_path):
    zoo.model("gpt2", resid_pdrop=0.5, attn_pdrop=0.5, embd_pdrop=0.5).save_pretrained(tmp_path)
    zoo.word_tokenizer().save_pretrained(tmp_path)
    policy = twosome.load(tmp_path, overrides=["model.lora.targets=all-linear"])
    some = [Decision("w4 w5", ("w6", "w7"))]
    first = policy.log_probs(some)
    policy.forget()
    assert torch.equal(policy.log_probs(some)[0], first[0])
