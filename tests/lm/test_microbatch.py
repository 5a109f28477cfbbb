"""Menus in micro-batches: under the token budget, none lost, each with its scorer."""

import random

import pytest
import torch
import zoo

import twosome
from twosome.lm.microbatch import Limits, split
from twosome.lm.scorers import SCORERS

TOKENIZER = zoo.word_tokenizer()


@pytest.mark.parametrize("budget", [40, 90, 300])
@pytest.mark.parametrize("scorer", ["trie", "separate"])
def test_the_token_budget_bounds_every_pass(scorer, budget):
    lm, fed = zoo.with_lora(zoo.model("llama")), []
    lm.get_base_model().model.register_forward_pre_hook(
        lambda m, args, kwargs: fed.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    prompts, menus = zoo.random_batch(11, size=12)
    with torch.no_grad():
        twosome.score_actions(lm, TOKENIZER, prompts, menus, scorer=scorer, token_budget=budget)
    longest = max(len(s.ids) - 1 for menu in zoo.encoded(prompts, menus) for s in menu)
    assert len(fed) > 1
    assert max(fed) <= max(budget, longest), "only one sequence may exceed it"


def test_every_menu_is_in_one_micro_batch():
    rng = random.Random(0)
    menus = zoo.encoded(*zoo.random_batch(1))
    names = [rng.choice(list(SCORERS)) for _ in menus]
    cut = split(menus, names, Limits(token_budget=60, menus_per_row=3))
    seen = [(name, i) for name, rows in cut for row in rows for i in row]
    assert sorted(i for _, i in seen) == list(range(len(menus)))
    assert all(names[i] == name for name, i in seen)
    assert all(len(row) <= 3 for _, rows in cut for row in rows)
