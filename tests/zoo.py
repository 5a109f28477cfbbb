"""Tiny random-weight models of many families, tokenizers of many kinds, random menus, and the slow obvious scorer."""

from __future__ import annotations

import copy
import functools
import random
from typing import Any

import torch

VOCAB = 97

SMALL: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
# family: (configuration class, settings on top of SMALL; None removes one)
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {"head_dim": None}),
    "qwen3": ("Qwen3Config", {}),
    "mistral": ("MistralConfig", {"sliding_window": 64}),
    "gemma": ("GemmaConfig", {}),
    "gemma2": ("Gemma2Config", {"query_pre_attn_scalar": 8, "sliding_window": 64}),
    "gemma3": (
        "Gemma3TextConfig",
        {
            "query_pre_attn_scalar": 8,
            "sliding_window": 64,
            "layer_types": ["sliding_attention"] * 2 + ["full_attention"],
        },
    ),
    "mistral_short_window": ("MistralConfig", {"sliding_window": 7}),
    "qwen3_short_window": ("Qwen3Config", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 1}),
    "gemma3_short_window": (
        "Gemma3TextConfig",
        {
            "query_pre_attn_scalar": 8,
            "sliding_window": 7,
            "layer_types": ["sliding_attention"] * 2 + ["full_attention"],
        },
    ),
    "phi3": ("Phi3Config", {"head_dim": None}),
    "olmo2": ("Olmo2Config", {"head_dim": None}),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128}),
    "gpt_neox": ("GPTNeoXConfig", {}),
    "opt": ("OPTConfig", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "smollm3": ("SmolLM3Config", {"head_dim": None}),
    "granite": ("GraniteConfig", {"head_dim": None, "logits_scaling": 2.0, "residual_multiplier": 0.7}),
    "cohere": ("CohereConfig", {"head_dim": None}),
    "falcon": ("FalconConfig", {"head_dim": None, "new_decoder_architecture": True, "num_kv_heads": 2}),
}
UNFIT: dict[str, tuple[str, dict[str, Any]]] = {  # families that cannot take an ancestor mask
    "bloom": ("BloomConfig", {"n_layer": 3, "n_head": 4}),
    "mpt": ("MptConfig", {"d_model": 32, "n_heads": 4, "n_layers": 3, "max_seq_len": 128}),
    "mamba": ("MambaConfig", {"state_size": 4, "num_hidden_layers": 3}),
}


def model(family: str, *, attention: str = "sdpa", seed: int = 0, **settings: Any) -> Any:
    """A causal LM in evaluation mode with large random weights, so that a wrong mask shows."""
    import transformers

    name, own = {**FAMILIES, **UNFIT}[family]
    merged = {k: v for k, v in {**SMALL, **own, **settings}.items() if v is not None}
    config = getattr(transformers, name)(**merged)
    torch.manual_seed(seed)
    lm = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for parameter_name, parameter in lm.named_parameters():
            if parameter.dim() > 1:
                scale = 1.0 if "embed" in parameter_name or "wte" in parameter_name else 0.15
                parameter.normal_(0.0, scale)
            elif "bias" in parameter_name:
                parameter.normal_(0.0, 0.1)
    return lm.eval()


def with_lora(lm: Any, targets: Any = "all-linear", rank: int = 4) -> Any:
    """The model with a LoRA adapter whose two halves are random (PEFT starts one at zero)."""
    from peft import LoraConfig, get_peft_model

    lm.requires_grad_(False)
    transposed = any(type(m).__name__ == "Conv1D" for m in lm.modules())
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=transposed
    )
    model = get_peft_model(lm, config)
    shake(model)
    return model.eval()


def shake(lm: Any, scale: float = 0.2, seed: int = 7) -> None:
    """Give every trainable parameter random values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in lm.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)


def word_tokenizer(size: int = VOCAB) -> Any:
    """One token per word: `w3 w4` is two tokens. Ids below `size`; BOS 1, EOS 2."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, **{f"w{i}": i for i in range(4, size)}}
    backend = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


def random_batch(seed: int, size: int = 6, longest: int = 24) -> tuple[list[str], list[list[str]]]:
    """Ragged prompts and menus with all that is awkward: duplicates, one action, one-token actions, nested actions."""
    rng = random.Random(seed)

    def phrase(low: int, high: int) -> str:
        return " ".join(f"w{rng.randrange(4, 14)}" for _ in range(rng.randint(low, high)))

    prompts = [phrase(1, longest) for _ in range(size)]
    prompts += [prompts[0], prompts[1] + " w5 w6", prompts[1]]
    menus = []
    for _ in prompts:
        menu = {phrase(1, 5) for _ in range(rng.randint(1, 6))}
        longest_action = max(sorted(menu), key=len)
        menu |= {longest_action + " w4", longest_action.split()[0]}
        menus.append(rng.sample(sorted(menu), len(menu)))
    menus[2] = menus[2][:1]
    menus[-1] = menus[1]
    menus[-3] = menus[0]
    return prompts, menus


def slow_log_probs(lm: Any, tokenizer: Any, prompt: str, menu: list[str], normalization: str = "word") -> torch.Tensor:
    """The reference: the whole text of one action at a time, no padding, no cache. For one token per word and a BOS."""

    def log_prob(context: str, action: str) -> torch.Tensor:
        ids = tokenizer(f"{context} {action}".strip(), return_tensors="pt").input_ids.to(lm.device)
        n = len(action.split())
        logits = lm(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
        return logits.gather(1, ids[0, 1:, None])[-n:].sum()

    scores = []
    for action in menu:
        score = log_prob(prompt, action)
        if normalization == "unconditional":
            score = score - log_prob("", action)
        n = {"sum": 1}.get(normalization, len(action.split()))
        scores.append(score / n)
    return torch.stack(scores).log_softmax(0)


def slow_batch(lm: Any, prompts: list[str], menus: list[list[str]], normalization: str = "word") -> list[torch.Tensor]:
    """`slow_log_probs` of every prompt and its menu."""
    tokenizer = word_tokenizer()
    return [slow_log_probs(lm, tokenizer, p, m, normalization) for p, m in zip(prompts, menus, strict=True)]


def encoded(prompts: list[str], menus: list[list[str]]) -> list[Any]:
    """Every menu after its prompt, as tokens of the `word_tokenizer`."""
    from twosome.lm import tokens

    return [tokens.encode(word_tokenizer(), p, tuple(m)) for p, m in zip(prompts, menus, strict=True)]


def gradient(lm: Any, log_probs: list[torch.Tensor]) -> torch.Tensor:
    """The flat gradient, with respect to everything trainable, of a fixed uneven sum of the log-probabilities."""
    loss = torch.stack([(x * torch.arange(1, len(x) + 1, device=x.device).cos()).sum() for x in log_probs]).sum()
    weights = [p for p in lm.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])


ALL = ("distributions", "decisions", "features")
TEMPLATE = "{goal} {scene}"


def policy(
    family: str = "llama",
    *,
    reuse: tuple[str, ...] = ALL,
    capacity: int = 1000,
    budget: int = 512,
    scorer: str = "auto",
    checkpointing: bool = False,
    dropout: float = 0.0,
    normalization: str = "word",
    temperature: float = 1.0,
    shortlist: int | None = None,
    **options: Any,
) -> Any:
    """An `LLMPolicy` on a tiny random model, with a value head that is not zero. Always the same weights.

    `options`: `recall` and `forward`, as `LLMPolicy` takes them.
    """
    from types import SimpleNamespace

    from twosome.agents.llm_policy import LLMPolicy
    from twosome.config.schema import PolicySettings
    from twosome.lm.adapter import add_adapter
    from twosome.lm.value_head import ValueHead

    lm = model(family, attention="eager" if family in ("bloom", "gemma2") else "sdpa")
    lm.requires_grad_(False)
    torch.manual_seed(1)
    lm = add_adapter(lm, SimpleNamespace(rank=4, alpha=8, dropout=dropout, targets="all-linear"), checkpointing)
    head = ValueHead(32, SimpleNamespace(kind="mlp", widths=[8], layer_norm=True))
    torch.nn.init.normal_(head.layers[-1].weight)
    settings = PolicySettings(
        normalization=normalization,
        prompt=TEMPLATE,
        scorer=scorer,
        token_budget=budget,
        menus_per_row=8,
        reuse=list(reuse),
        reuse_capacity=capacity,
        temperature=temperature,
        shortlist=shortlist,
    )
    return LLMPolicy(lm, word_tokenizer(), head, settings, **options)


def decisions(seed: int = 0, size: int = 6) -> list[Any]:
    """`random_batch` as decisions."""
    from twosome.types import Decision

    return [Decision.plain(p, tuple(m)) for p, m in zip(*random_batch(seed, size), strict=True)]


def worst(a: Any, b: Any) -> float:
    """The largest absolute difference of two lists of tensors."""
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """The norm of the difference over that of `b`."""
    return ((a - b).norm() / b.norm()).item()


def slow(policy: Any, some: list[Any]) -> list[torch.Tensor]:
    """The reference for a policy's decisions, without gradient."""
    with torch.no_grad():
        return [slow_log_probs(policy.lm, policy.tokenizer, d.prompt, list(d.menu)) for d in some]


def learnt(policy: Any, some: list[Any]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What `evaluate_actions` gives, in the decisions' order, and the flat gradient of the first actions' sum."""
    seen = {}
    for p in policy.actor_parameters():
        p.grad = None
    for index, log_probs in policy.evaluate_actions(some):
        log_probs[:, 0].sum().backward()
        seen |= {i: row[: len(some[i].menu)].detach() for i, row in zip(index, log_probs, strict=True)}
    assert sorted(seen) == list(range(len(some)))
    return [seen[i] for i in range(len(some))], torch.cat([p.grad.flatten() for p in policy.actor_parameters()])


def forward_everywhere(
    lm: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor | None, index: Any, **cache: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The forward pass that runs the LM head at every position and picks afterwards."""
    extra = cache if cache else {"use_cache": False}
    if positions is not None:
        extra["position_ids"] = positions
    out = lm(input_ids=ids, attention_mask=mask, output_hidden_states=True, **extra)
    at = torch.as_tensor(index, device=ids.device)
    return out.logits.flatten(0, 1)[at], out.hidden_states[-1].flatten(0, 1)[at]


class OutOfMemory:
    """Makes a policy's model run out of memory in its next `times` passes of more than `above` tokens."""

    def __init__(self, policy: Any, times: int, above: int = 0):
        self.left, self.above = times, above
        policy.lm.get_base_model().model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        if self.left and kwargs["input_ids"].numel() > self.above:
            self.left -= 1
            raise torch.OutOfMemoryError("CUDA out of memory (as a test)")


def learner_and_rollout(policy: Any, steps: int = 4, worlds: int = 4) -> tuple[Any, Any]:
    """A PPO learner with minibatches of 8 and one epoch, and a rollout of random rewards and no end."""
    from twosome.rl.ppo import PPO
    from twosome.types import Rollout

    pool = decisions(3, size=steps * worlds)[: steps * worlds]
    grid = [pool[t * worlds : (t + 1) * worlds] for t in range(steps)]
    actions = torch.tensor([k % len(d.menu) for k, d in enumerate(pool)])
    played = policy.log_probs(pool)
    taken = torch.stack([row[a] for row, a in zip(played, actions, strict=True)])
    shape = (steps, worlds)
    zeros = torch.zeros(shape)
    rollout = Rollout(
        decisions=grid,
        next_states=[[d.state + " w4" for d in row] for row in grid],
        distributions=[played[t * worlds : (t + 1) * worlds] for t in range(steps)],
        actions=actions.view(shape),
        log_probs=taken.view(shape),
        rewards=torch.randn(shape, generator=torch.Generator().manual_seed(0)),
        discounts=zeros + 0.9,
        terminated=zeros.bool(),
        truncated=zeros.bool(),
        is_real=~zeros.bool(),
        episodes=[],
    )
    return PPO(policy, copy.deepcopy(_ppo_settings()), torch.Generator().manual_seed(0)), rollout


@functools.cache
def _ppo_settings() -> Any:
    from twosome.config.compose import compose

    minibatches = ["ppo.actor.minibatch=8", "ppo.critic.minibatch=8"]
    return compose([*minibatches, "ppo.actor.epochs=1", "ppo.actor.warmup_updates=0"]).ppo


def folder_of(path: Any, family: str, tokenizer: Any = None, **changes: Any) -> Any:
    """A folder as `save_pretrained` writes it: a tiny `llama` or `qwen3` with a tokenizer, by default of its kind."""
    import tokenizer_zoo

    if tokenizer is None:
        tokenizer = {"llama": tokenizer_zoo.llama_legacy, "qwen3": tokenizer_zoo.qwen_like}[family]()
    settings = {"vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "head_dim": 16}
    settings |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    settings |= {"max_position_embeddings": 512, "pad_token_id": -1} | changes
    model(family, **settings).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
