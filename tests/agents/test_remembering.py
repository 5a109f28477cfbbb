"""What a memory advises: nothing where it knows nothing, else the best and the worst, as text or as log-weights."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import twosome
from twosome import advice
from twosome.agents.prompts import Prompter
from twosome.agents.recall import Advice
from twosome.agents.remembering import Remembering
from twosome.config.compose import compose
from twosome.memory.records import Records, Step
from twosome.memory.similarity import exact
from twosome.types import Menu, Situation

SETTINGS = dataclasses.replace(
    compose([]).memory,
    n=1,
    power=1.0,
    bonus=1.0,
    bonus_alpha=None,
    unknown=0.7,
    capacity=100,
    use="prompt",
    form="example",
)
HERE = Situation("Eat.", "You stand by the table.")
OBSERVATION = {"goal": HERE.goal, "scene": HERE.scene}
MENU = Menu(("eat the apple", "sit down", "wait"), (0, 1, 2))


def remembering(values, situation=HERE, **changes):
    settings_of = dataclasses.replace(SETTINGS, **changes)
    records = Records(settings_of)
    for action, value in values.items():
        records.learn([Step(situation, action, value, 0.0)], None)
    return Remembering(records, exact, settings_of)


@pytest.mark.parametrize("use", ["prompt", "bias", "both", "none"])
@pytest.mark.parametrize("form", ["example", "own"])
def test_an_empty_memory_is_the_frozen_policy_bit_for_bit(use, form):
    policy = twosome.load("tiny")
    plain = policy.decide(OBSERVATION, MENU)
    expected = policy.log_probs([plain])[0]
    policy.prompter = Prompter(policy.settings.prompt, remembering({}, use=use, form=form))
    policy.clear_cache()
    assert policy.decide(OBSERVATION, MENU) == plain
    assert torch.equal(policy.log_probs([policy.decide(OBSERVATION, MENU)])[0], expected)


def test_advice_reaches_the_prompt_and_never_the_state():
    policy = twosome.load("tiny")
    plain = policy.decide(OBSERVATION, MENU)
    policy.prompter = Prompter(policy.settings.prompt, remembering({"sit down": 1.0}, use="both", form="own", tau=0.5))
    advised = policy.decide(OBSERVATION, MENU)
    assert (advised.state, advised.menu) == (plain.state, plain.menu)
    assert advised.prompt == "Encouraged: sit down -> 1.00\n" + plain.prompt
    assert advised.bias == (0.0, 2.0, 0.0)


@given(st.dictionaries(st.sampled_from(MENU.phrases), st.integers(-100, 100).map(lambda v: v / 100), min_size=1))
@settings(max_examples=60, deadline=None)
def test_what_is_encouraged_is_worth_something_and_more_than_what_is_discouraged(values):
    for form in ("own", "example"):
        found = advice.read(remembering(values, form=form, lines=2)(OBSERVATION, MENU).text)
        assert all(entry.value > 0 for entry in found.good), "nothing is invented"
        assert bool(found.good) == (max(values.values()) > 0)
        named = [entry.action for entry in (*found.good, *found.bad)]
        assert len(named) == len(set(named))
        assert {entry.action: entry.value for entry in (*found.good, *found.bad)}.items() <= values.items()
        if found.good:
            assert values[found.good[0].action] == max(values.values())
            assert max((e.value for e in found.bad), default=-9) <= found.good[-1].value


def test_the_actions_of_the_present_menu_are_worth_what_like_states_say_by_how_like_they_are():
    records = Records(SETTINGS)
    other = Situation("Eat.", "You stand by the door.")
    for situation, value in ((HERE, 1.0), (other, 0.0)):
        records.learn([Step(situation, "wait", value, 0.0), Step(situation, "fly", 5.0, 0.0)], None)

    def similarity(views, records):
        return np.array([{HERE: 1.0, other: 0.25}[s] for s in records.told()])

    found = Remembering(records, similarity, dataclasses.replace(SETTINGS, form="own"))
    assert found.own_values(HERE, found.recall(HERE), MENU.phrases) == pytest.approx({"wait": 0.8})


def test_an_action_is_not_good_because_it_is_known_of_a_good_state():
    good, poor = Situation("Eat.", "You stand by the table, hungry."), Situation("Eat.", "You stand by the door.")
    found = remembering({"wait": 1.0}, good, k=2, form="own")
    for action, value in (("sit down", 0.5), ("wait", 0.2)):
        found.records.learn([Step(poor, action, value, 0.0)], None)
    found.similarity = lambda views, records: np.ones(len(records.told()))
    assert found.own_values(HERE, found.recall(HERE), MENU.phrases) == pytest.approx({"sit down": 0.75, "wait": 0.6})


def test_exploring_it_goes_by_the_values_with_bonuses():
    settings_of = dataclasses.replace(SETTINGS, form="own")
    records = Records(settings_of)
    records.learn([Step(HERE, "wait", 0.0, 0.9)], Situation("Eat.", "elsewhere"))  # a new state: a bonus of 1
    found = Remembering(records, exact, settings_of)
    assert advice.read(found(OBSERVATION, MENU).text).good == ()
    found.explores = True
    assert [e.action for e in advice.read(found(OBSERVATION, MENU).text).good] == ["wait", "eat the apple"]


def test_weights_from_no_bias_to_the_best_known_action():
    policy = twosome.load("tiny")
    plain = policy.log_probs([policy.decide(OBSERVATION, MENU)])[0]
    for tau, expected in ((1e6, plain.exp()), (1e-3, torch.tensor([0.0, 0.0, 1.0]))):
        policy.prompter = Prompter(policy.settings.prompt, remembering({"wait": 1.0}, use="bias", tau=tau))
        found = policy.log_probs([policy.decide(OBSERVATION, MENU)])[0].exp()
        assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.sampled_from([0.1, 0.5, 2.0]))
@settings(max_examples=10, deadline=None)
def test_biased_the_policy_is_the_best_trade_of_value_against_distance(weights, tau):
    """No other distribution has a higher E[Q] - tau KL(pi || the model's)."""
    policy = twosome.load("tiny")
    model = policy.log_probs([policy.decide(OBSERVATION, MENU)])[0].double()
    values = {"eat the apple": 0.3, "sit down": -0.2, "wait": 0.9}
    q = torch.tensor([values[a] for a in MENU.phrases], dtype=torch.float64)
    policy.prompter = Prompter(policy.settings.prompt, remembering(values, use="bias", tau=tau))
    biased = policy.log_probs([policy.decide(OBSERVATION, MENU)])[0].double()

    def trade(log_pi):
        pi = log_pi.exp()
        return float((pi * q).sum() - tau * (pi * (log_pi - model)).sum())

    other = torch.tensor(weights, dtype=torch.float64)
    assert trade(biased) >= trade((other / other.sum()).log()) - 1e-5


def test_what_has_nothing_in_common_is_no_example():
    found = remembering({"wait": 1.0}, Situation("Sleep.", "You lie in bed."), form="example")
    assert found(OBSERVATION, MENU) == Advice()


def test_none_recalls_nothing():
    for changes in ({"use": "none"}, {"k": 0}):
        assert remembering({"wait": 1.0}, **changes)(OBSERVATION, MENU) == Advice()


def test_what_was_met_in_another_task_is_known_in_the_words_of_this_one():
    pancake = Situation("Heat up the pancake.", "The pancake is on the table.")
    observation = {"goal": "Heat up the apple pie.", "scene": "The apple pie is on the table."}
    menu = Menu(("grab the apple pie", "walk to the pancake", "wait"), (0, 1, 2))
    for alike, expected in ((0.5, "Encouraged: grab the apple pie -> 1.00\n"), (1.0, "")):
        found = remembering({"grab the pancake": 1.0}, pancake, form="own", alike=alike)
        assert found(observation, menu).text == expected


def test_an_action_never_taken_is_worth_something_while_it_explores_and_else_nothing():
    found = remembering({"wait": 0.5}, use="bias", tau=1.0, bonus_tau=0.5)
    assert found(OBSERVATION, MENU).bias == (0.0, 0.0, 0.5)
    found.explores = True
    assert found(OBSERVATION, MENU).bias == (1.4, 1.4, 1.0)
    assert remembering({})(OBSERVATION, MENU).bias == (), "where nothing is known nothing is added"
