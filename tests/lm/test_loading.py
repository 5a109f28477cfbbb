"""What cannot be loaded says what to do, and fast; nothing is unpickled and nobody's code is run."""

import json
import shutil
import time

import pytest
import torch
import zoo

import twosome
from twosome.config.compose import compose
from twosome.errors import ConfigError, ModelError
from twosome.lm import loading
from twosome.lm.tokens import encode
from twosome.types import Decision


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory):
    return zoo.folder_of(tmp_path_factory.mktemp("llama"), "llama")


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

    assert "There is no /" in refused(str(tmp_path / "nowhere" / "at" / "all"))
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
    policy.log_probs([Decision.plain(p, tuple(m)) for p, m in zip(prompts, menus, strict=True)])
    assert policy.describe_scorer()["scorer"] == "prompt_cache"


def test_dropout_of_the_base_is_off(tmp_path):
    zoo.model("gpt2", resid_pdrop=0.5, attn_pdrop=0.5, embd_pdrop=0.5).save_pretrained(tmp_path)
    zoo.word_tokenizer().save_pretrained(tmp_path)
    policy = twosome.load(tmp_path, overrides=["model.lora.targets=all-linear"])
    some = [Decision.plain("w4 w5", ("w6", "w7"))]
    first = policy.log_probs(some)
    policy.clear_cache()
    assert torch.equal(policy.log_probs(some)[0], first[0])


@pytest.mark.parametrize("preset", ["tiny", "reader", "qwen_0_6b", "qwen_1_5b", "llama_1b", "llama_7b"])
def test_presets_compose(preset):
    settings = compose([f"model={preset}"]).model
    assert settings.name in ("tiny", "reader") or settings.name.count("/") == 1
    assert not settings.trust_remote_code


def test_the_7b_preset_is_the_papers():
    lora = compose(["model=llama_7b"]).model.lora
    assert (lora.rank, lora.alpha, lora.dropout, list(lora.targets)) == (8, 16, 0.0, ["q_proj", "v_proj"])


def shaken(policy):
    """Its adapter moved away from zero, so that it changes something."""
    with torch.no_grad():
        for k, parameter in enumerate(policy.actor_parameters()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(k))
    policy.clear_cache()
    return policy


def test_an_adapter_on_a_head_that_is_tied_to_the_embeddings_works_exactly(tmp_path):
    """The head alone is adapted, and the embeddings stay as they are: acting, training and loading agree on that."""
    folder = zoo.folder_of(tmp_path / "model", "llama", tie_word_embeddings=True)
    options = ["model.lora.targets=[q_proj,lm_head]"]
    policy = twosome.load(folder, overrides=options)
    embeddings = policy.lm.get_input_embeddings().weight.clone()
    prompt, menu = "The kitchen. Next action:", ("chop the tomato", "wait")
    before = policy.log_probs([Decision.plain(prompt, menu)])[0]
    shaken(policy)
    [found] = policy.log_probs([Decision.plain(prompt, menu)])
    assert (found - before).abs().max() > 1e-3
    scores = []
    for action, s in zip(menu, encode(policy.tokenizer, prompt, menu), strict=True):  # one whole text at a time
        ids = torch.tensor([s.ids])
        rows = policy.lm(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
        scores.append(rows.gather(1, ids[0, 1:, None])[s.start - 1 :].sum() / len(action.split()))
    expected = torch.stack(scores).log_softmax(0)
    # scores of -79 nats: four steps of float32 there are 4e-5, and in float64 both are 1e-5 off
    room = 1e-5 + 4 * torch.finfo(torch.float32).eps * torch.stack(scores).abs().max().item()
    torch.testing.assert_close(found, expected.detach(), atol=room, rtol=0)
    [(_, learnt)] = policy.evaluate_actions([Decision.plain(prompt, menu)])
    torch.testing.assert_close(learnt[0].detach(), found, atol=1e-5, rtol=0)
    learnt[0, 0].backward()
    assert all(p.grad is not None and p.grad.any() for p in policy.actor_parameters())
    assert torch.equal(policy.lm.get_input_embeddings().weight, embeddings)
    policy.save_weights(tmp_path)
    again = twosome.load(folder, overrides=options)
    again.load_weights(tmp_path)
    assert torch.equal(again.log_probs([Decision.plain(prompt, menu)])[0], found)
