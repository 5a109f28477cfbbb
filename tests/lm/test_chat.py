"""Chat models: what they are told, and that a menu scores as its actions do one by one as the assistant's answer."""

import pytest
import tokenizer_zoo
import torch
import zoo
from tokenizers import AddedToken

import twosome
from twosome.agents.prompts import Prompter
from twosome.config.compose import compose
from twosome.errors import ConfigError, ModelError
from twosome.limits import limited_memory
from twosome.lm.chat import ChatTemplate
from twosome.lm.tokens import encode, encode_prompt
from twosome.systems.build import build_policy
from twosome.types import Menu

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKING = CHATML.replace(
    "{{ m.content }}", "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}"
)
WITH_BOS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]"
    "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}"
)
BARE = WITH_BOS.removeprefix("{{ bos_token }}")
ENDLESS = "{% for i in range(90000) %}{% for j in range(90000) %}{% set _ = 1 %}{% endfor %}{% endfor %}"
DOUBLING = (
    "{% set it = namespace(x=messages[-1].content) %}{% for _ in range(60) %}{% set it.x = it.x ~ it.x %}{% endfor %}"
)
SCENES = ["You see a tomato and a plate.", "You carry nothing.\nThe kitchen has a tomato on the counter."]
MENU = ("chop the tomato", "walk to the fridge", "wait", "walk to the plate", "chop")


def saved(folder, template, bos, family="llama", tokenizer=None):
    """A folder of a tiny random model with a tokenizer that puts BOS before a text, or not."""
    tokenizer = tokenizer or tokenizer_zoo.byte_level(bos=bos)
    tokenizer.chat_template = template
    settings = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64}
    end = tokenizer.eos_token_id
    settings |= {"bos_token_id": tokenizer.bos_token_id or end, "eos_token_id": end, "pad_token_id": end}
    settings |= {"sliding_window": 512} if "sliding_window" in zoo.FAMILIES[family][1] else {}
    zoo.model(family, **settings, max_position_embeddings=512).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def policy_of(folder, *overrides):
    return build_policy(compose(["model=hf", f"model.name={folder}", "model.device=cpu", *overrides]))


def one_by_one(policy, prompt):
    """The whole text of one action at a time; the prompt's own tokens stand before the action's."""
    tokenizer = policy.tokenizer

    def ids_of(text):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        begins = tokenizer.bos_token_id is not None and ids[0] != tokenizer.bos_token_id
        return [tokenizer.bos_token_id] * begins + ids

    scores = []
    for action in MENU:
        before, ids = ids_of(prompt.rstrip(" ")), ids_of(prompt + action)  # a last space belongs to the action
        assert ids[: len(before)] == before, "nothing merges over the boundary"
        with torch.no_grad():
            logits = policy.lm(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        found = logits.gather(1, torch.tensor(ids[1:])[:, None])[len(before) - 1 :].sum()
        scores.append(found / len(action.split()))
    return torch.stack(scores).log_softmax(0)


CHATS = {
    "ends in a line end": (CHATML, "Be brief."),
    "ends in an empty thought": (THINKING, None),
    "begins with BOS and ends in a bracket": (WITH_BOS, None),
    "ends in a bracket": (BARE, None),
}


@pytest.mark.parametrize("bos", [True, False], ids=["BOS", "no BOS"])
@pytest.mark.parametrize("chat", CHATS)
def test_a_menu_scores_as_its_actions_do_one_by_one_as_the_answer(chat, bos, tmp_path):
    template, system = CHATS[chat]
    if "bos_token" in template and not bos:
        template = template.replace("bos_token", "eos_token")  # some begin with the only special token that they have
    words = ["policy.chat=true", *([f"policy.system={system}"] if system else [])]
    must_score_as_one_by_one(policy_of(saved(tmp_path / "model", template, bos), *words), system)


def must_score_as_one_by_one(policy, system):
    """In acting and in learning, after what the tokenizer itself makes of the whole conversation."""
    turns = [{"role": "system", "content": system}] if system else []
    decisions, expected = [], []
    for scene in SCENES:
        observation = {"goal": "Make a salad.", "scene": scene}
        decisions.append(policy.decide(observation, Menu(MENU, tuple(range(len(MENU))))))
        asked = [*turns, {"role": "user", "content": f"Goal: Make a salad.\nScene: {scene}\nNext action:"}]
        whole = [
            policy.tokenizer.apply_chat_template(
                [*asked, {"role": "assistant", "content": action}], tokenize=False, continue_final_message=True
            )
            for action in MENU
        ]
        assert whole == [decisions[-1].prompt + action for action in MENU], "each is the beginning of the answer"
        expected.append(one_by_one(policy, decisions[-1].prompt))
    for found, right in zip(policy.log_probs(decisions), expected, strict=True):
        torch.testing.assert_close(found, right, atol=2e-5, rtol=0)
    assert policy.describe_scorer()["scorer"] == "trie"
    learnt = {i: row for index, rows in policy.evaluate_actions(decisions) for i, row in zip(index, rows, strict=True)}
    for i, right in enumerate(expected):
        torch.testing.assert_close(learnt[i].detach(), right, atol=2e-5, rtol=0)


# The turns of each family of the zoo that has instruction-tuned models, as their cards describe them, with the kind of
# tokenizer that it has, its special tokens, whether it takes a system text.
CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system') }}"
    "{% elif m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }} {{ eos_token }}{% endif %}"
    "{% endfor %}"
)
FAMILIES = {
    "llama": (
        "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{{ m.content | trim }}<|eot_id|>{% endfor %}",
        lambda: tokenizer_zoo.byte_level(bos=True),
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        True,
    ),
    "llama 2": (INST, tokenizer_zoo.llama_legacy, (), False),
    "qwen2": (CHATML, tokenizer_zoo.qwen_like, CHATML_TOKENS, True),
    "qwen3": (THINKING, tokenizer_zoo.qwen_like, (*CHATML_TOKENS, "<think>", "</think>"), True),
    "mistral": (
        INST.replace(" {{ m.content }} ", "{{ m.content }}"),
        lambda: tokenizer_zoo.metaspace("first"),
        (),
        False,
    ),
    "gemma": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system') }}{% endif %}"
        "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
        "{% endfor %}",
        lambda: tokenizer_zoo.metaspace("never", split=False),
        ("<start_of_turn>", "<end_of_turn>"),
        False,
    ),
    "phi3": (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}",
        tokenizer_zoo.llama_legacy,
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        True,
    ),
    "olmo2": (
        "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}"
        "{{ eos_token if m.role == 'assistant' else '\n' }}{% endfor %}",
        lambda: tokenizer_zoo.byte_level(bos=True),
        (),
        True,
    ),
    "smollm3": (THINKING, lambda: tokenizer_zoo.byte_level(bos=False), CHATML_TOKENS, True),
    "granite": (
        "{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}{{ eos_token }}\n"
        "{% endfor %}",
        lambda: tokenizer_zoo.byte_level(bos=False),
        ("<|start_of_role|>", "<|end_of_role|>"),
        True,
    ),
    "cohere": (
        "{{ bos_token }}{% for m in messages %}<|START|><|{{ m.role | upper }}|>{{ m.content | trim }}<|END|>"
        "{% endfor %}",
        lambda: tokenizer_zoo.byte_level(bos=True),
        ("<|START|>", "<|END|>", "<|SYSTEM|>", "<|USER|>", "<|ASSISTANT|>"),
        True,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_with_a_template_finds_the_tokens_of_the_action(family, tmp_path):
    """They are what `apply_chat_template` itself ends with, and nothing of the turn before them."""
    template, make, specials, takes_system = FAMILIES[family]
    tokenizer = make()
    tokenizer.add_tokens([AddedToken(special, special=True) for special in specials], special_tokens=True)
    architecture = family if family in zoo.FAMILIES else "llama"
    folder = saved(tmp_path / "model", template, None, architecture, tokenizer)
    system = "Be brief." if takes_system else None
    policy = policy_of(folder, "policy.chat=true", *([f"policy.system={system}"] if system else []))
    must_score_as_one_by_one(policy, system)
    asked = ChatTemplate(policy.tokenizer, system)("You see a plate.\nNext action:")
    turns = [{"role": "system", "content": system}] * takes_system
    turns += [{"role": "user", "content": "You see a plate.\nNext action:"}]
    for action, found in zip(MENU, encode(policy.tokenizer, asked, MENU, joint=""), strict=True):
        whole = policy.tokenizer.apply_chat_template(
            [*turns, {"role": "assistant", "content": action}], continue_final_message=True, return_dict=True
        )["input_ids"]
        adds = [b for b in policy.tokenizer("a")["input_ids"][:1] if b == policy.tokenizer.bos_token_id != whole[0]]
        assert list(found.ids) == adds + whole  # what a tokenizer puts before every text stays there
        assert policy.tokenizer.decode(found.continuation).strip() == action
        assert found.ids[: found.start] == encode_prompt(policy.tokenizer, asked)


@pytest.mark.parametrize("bos", [True, False], ids=["BOS", "no BOS"])
def test_without_a_chat_a_template_may_end_in_a_line_end(bos, tmp_path):
    folder = saved(tmp_path / "model", None, bos)
    policy = policy_of(folder, r"policy.prompt='{goal}\nYou could:\n{menu}\n{scene}\nDo:\n'")
    decisions = [policy.decide({"goal": "Eat.", "scene": s}, Menu(MENU, tuple(range(len(MENU))))) for s in SCENES]
    menu = "".join(f"- {action}\n" for action in MENU)
    assert decisions[0].prompt == f"Eat.\nYou could:\n{menu}{SCENES[0]}\nDo:\n"
    for found, decision in zip(policy.log_probs(decisions), decisions, strict=True):
        torch.testing.assert_close(found, one_by_one(policy, decision.prompt), atol=2e-5, rtol=0)


def test_bos_is_never_doubled():
    tokenizer = tokenizer_zoo.byte_level(bos=True)
    bos = tokenizer.bos_token
    for prompt in ("You see a plate.", f"{bos}You see a plate."):
        assert encode_prompt(tokenizer, prompt) == encode_prompt(tokenizer, "You see a plate.")
        for action, s in zip(MENU, encode(tokenizer, prompt, MENU), strict=True):
            assert s.ids.count(tokenizer.bos_token_id) == 1
            assert tokenizer.decode(s.continuation).strip() == action


def test_what_is_advised_stands_in_the_turn_of_the_user_and_not_in_the_state():
    from twosome.agents.recall import Advice

    tokenizer = tokenizer_zoo.byte_level()
    tokenizer.chat_template = CHATML
    prompter = Prompter(
        "{scene}", lambda observation, menu: Advice("Try: wait\n"), ChatTemplate(tokenizer, "Be brief.")
    )
    decision = prompter({"goal": "", "scene": "Here."}, Menu(MENU, tuple(range(len(MENU)))))
    begin = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
    end = "Here.<|im_end|>\n<|im_start|>assistant\n"
    assert (decision.state, decision.prompt) == (begin + end, f"{begin}Try: wait\n{end}")


@pytest.mark.parametrize(
    ("template", "words", "said"),
    [
        (None, [], "has none: it is not of an instruction-tuned model. Use policy.chat=false"),
        (WITH_BOS, ["policy.system=Be brief."], "use policy.system=null"),
        ("{% for m in messages %}{% if m.content %}{{ raise_exception('no') }}{% endif %}{% endfor %}", [], "this: no"),
        ("{{ messages[0].role }}", [], "cannot tell this"),
        ("{{ messages[-1].content }}", [], "leaves the text out"),
        (f"{ENDLESS}{CHATML}", [], "it takes longer than 1 seconds"),
        (f"{DOUBLING}{CHATML}", [], "cannot tell this: it takes"),
        (f"{{{{ 'x' * 10 ** 10 }}}}{CHATML}", [], "it takes more than 1,073,741,824 bytes"),
        (f"{{{{ 'x' * 10 ** 6 }}}}{CHATML}", [], "more than the 262,144 that it may add"),
        (f"{{{{ range(90000) | random }}}}{CHATML}", [], "in another way each time"),
        (f"{{% set how = '%Y' %}}{{{{ strftime_now(how) }}}}{CHATML}", [], "in another way each time, by the clock"),
    ],
)
def test_a_template_that_cannot_tell_it_says_so_before_anything_is_learnt(template, words, said, tmp_path, monkeypatch):
    """Also one that takes too much time, memory or room, or is of chance, as a stranger's may be."""
    monkeypatch.setattr("twosome.lm.chat.SECONDS", 1.0)
    folder = saved(tmp_path / "model", template, bos=True)
    with pytest.raises(ModelError) as caught:
        policy_of(folder, "policy.chat=true", *words)
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("asks", ["strftime_now('%d %b %Y')", 'strftime_now( "%d %b %Y" )'])
def test_a_template_that_asks_for_the_date_is_told_the_same_every_day(asks):
    """As that of Llama does: a run that goes on after midnight, or is resumed, knows its states again."""
    tokenizer = tokenizer_zoo.byte_level()
    tokenizer.chat_template = f"{{% if strftime_now is defined %}}Today is {{{{ {asks} }}}}. {{% endif %}}{CHATML}"
    assert ChatTemplate(tokenizer)("Eat.").startswith("Today is 26 Jul 2024. <|im_start|>user\nEat.")


def test_a_limit_of_memory_is_gone_afterwards():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), limited_memory(2**28):
        bytearray(2**29)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert len(bytearray(2**29)) == 2**29


def test_a_system_text_without_a_chat_is_refused():
    with pytest.raises(ConfigError, match=r"policy\.system=.*policy\.chat=true"):
        compose(["policy.system=Be brief."])


def test_a_chat_model_is_trained_and_comes_back(tmp_path):
    folder = saved(tmp_path / "model", CHATML, bos=False)
    run = twosome.train(
        env="food_preparation",
        model=folder,
        experiment="debug",
        total_steps=64,
        policy={"chat": True, "system": r"You are a robot.\nBe brief."},
        ppo={"actor": {"warmup_updates": 0}},
        log={"tensorboard": False},
        run_dir=tmp_path / "run",
    )
    decision = run.policy.decide({"goal": "g", "scene": "s"}, Menu(("a", "b"), (0, 1)))
    assert decision.prompt.startswith("<|im_start|>system\nYou are a robot.\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert run.summary["scorer"]["scorer"] == "trie"
