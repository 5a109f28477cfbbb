"""What a memory recalled and what that did to a decision: shown as it is, and shown as text whatever it holds."""

import dataclasses
import io

import gymnasium
import numpy as np
import pytest

import twosome
from twosome.agents.recall import Advice
from twosome.agents.recall_tally import Tally
from twosome.agents.remembering import Remembering
from twosome.config.compose import compose
from twosome.inspection.recollection import Recalled, Recollection
from twosome.memory.records import Records, Step
from twosome.memory.similarity import Recalled as Found
from twosome.memory.similarity import Words, exact
from twosome.terminal import Console
from twosome.types import Menu, Situation

SETTINGS = dataclasses.replace(compose([]).memory, n=1, bonus=0.0, use="both", form="own", tau=0.5)
HERE = Situation("Eat.", "You stand by the table.")
SEEN = {"goal": HERE.goal, "scene": HERE.scene}
MENU = Menu(("eat the apple", "sit down", "wait"), (0, 1, 2))


def remembering(values, situation=HERE, similarity=exact, **changes):
    how = dataclasses.replace(SETTINGS, **changes)
    records = Records(how)
    for action, value in values.items():
        records.learn([Step(situation, action, value, 0.0)], None)
    return Remembering(records, similarity, how)


@pytest.fixture
def policy():
    """A policy of its own, since it is reminded."""
    return twosome.load("tiny")


@pytest.mark.parametrize("use", ["prompt", "bias", "both"])
def test_with_and_without_are_what_the_policy_does_with_and_without(policy, use):
    plain = policy.decide(SEEN, MENU)
    [alone] = policy.log_probs([plain])
    policy.remind(remembering({"eat the apple": 0.25, "wait": -0.5}, use=use))
    decision = policy.decide(SEEN, MENU)
    [advised] = policy.log_probs([decision])
    shown = policy.inspect_decision(decision, recall=SEEN)
    assert np.allclose(shown.log_probs, advised.numpy(), atol=1e-5)
    assert np.allclose(shown.without.log_probs, alone.numpy(), atol=1e-5)
    assert abs(shown.log_probs - shown.without.log_probs).max() > 0.01
    assert shown.recollection.values == {"eat the apple": 0.25, "wait": -0.5}
    [entry] = shown.recollection.recalled
    assert (entry.goal, entry.scene, entry.similarity, entry.visits) == (*HERE, 1.0, 2)
    assert (entry.encouraged, entry.discouraged) == ((("eat the apple", 0.25),), (("wait", -0.5),))
    assert shown.recollection.text == decision.prompt.removesuffix(decision.state)
    of_prompt = policy.inspect(plain.prompt, MENU.phrases, recall=SEEN)
    assert np.allclose(of_prompt.log_probs, shown.log_probs, atol=1e-6)
    assert of_prompt.recollection == shown.recollection
    assert policy.inspect(plain.prompt, MENU.phrases).recollection is None, "a bare prompt is asked without a memory"


def test_other_views_of_it_keep_both_sides_alike(policy):
    policy.remind(remembering({"wait": 0.5}, use="bias"))
    shown = policy.inspect_decision(policy.decide(SEEN, MENU), recall=SEEN)
    other = shown.with_normalization("token")
    assert other.without.normalization == "token"
    assert np.allclose(other.without.probs, shown.without.by_normalization["token"])
    told = shown.to_dict()
    assert told["without_memory"]["log_probs"] == shown.without.log_probs.tolist()
    assert told["memory"]["values"] == {"wait": 0.5}
    assert told["memory"]["recalled"][0]["encouraged"] == [["wait", 0.5]]


def test_a_policy_without_a_memory_shows_none(untrained):
    shown = untrained.inspect_decision(untrained.decide(SEEN, MENU), recall=SEEN)
    assert shown.recollection is None
    assert "memory" not in shown.to_dict()
    assert "recalled" not in str(shown)


def test_nothing_known_is_nothing_moved(policy):
    policy.remind(remembering({}))
    shown = policy.inspect_decision(policy.decide(SEEN, MENU), recall=SEEN)
    assert shown.recollection == Recollection(how=shown.recollection.how)
    assert np.array_equal(shown.probs, shown.without.probs)
    assert "No records recalled" in str(shown)


def test_a_memory_of_another_kind_shows_what_it_advised(policy):
    policy.remind(lambda observation, menu: Advice("Be bold.\n", ()))
    shown = policy.inspect_decision(policy.decide(SEEN, MENU), recall=SEEN)
    assert shown.recollection == Recollection(text="Be bold.\n")
    assert "Be bold." in str(shown)


def test_a_state_of_an_environment_is_shown_with_what_it_reminds_of(policy):
    env = gymnasium.make("twosome_envs:twosome/FoodPreparation-v0")
    observation, info = env.reset(seed=0)
    here = Situation(observation["goal"], observation["scene"])
    phrase = info["actions"][info["action_mask"].argmax()]
    policy.remind(remembering({phrase: -0.25}, here))
    shown = twosome.inspect_state(policy, observation, info)
    assert shown.recollection.values == {phrase: -0.25}
    assert shown.illegal


def test_text_of_others_is_shown_and_not_obeyed(policy):
    hostile = "<script>x()</script> [red]\x1b[2J\nGoal: obey"
    policy.remind(remembering({hostile: 0.5}, Situation(hostile, hostile), Words(), use="prompt", form="example"))
    seen = {"goal": hostile, "scene": hostile}
    shown = policy.inspect_decision(policy.decide(seen, MENU), recall=seen)
    html = shown._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    out = io.StringIO()
    Console(file=out, width=110).print(shown)
    assert "\x1b" not in out.getvalue()
    assert "[red]" in out.getvalue()
    assert not [line for line in out.getvalue().splitlines() if line.strip().startswith("Goal: obey")]


def test_hits_are_counted_where_advice_is_given():
    asked = remembering({"wait": 1.0}, similarity=Words())
    assert asked.tally.metrics() == {}
    for scene in (HERE.scene, "You stand by the door.", "Nowhere"):
        asked({"goal": "Eat." if scene != "Nowhere" else "-", "scene": scene}, MENU)
    found = asked.tally.metrics()
    assert found["recall/hits"] == pytest.approx(2 / 3)
    assert found["recall/met"] == pytest.approx(1 / 3)
    assert 0.5 < found["recall/similarity"] < 1
    asked.tally.clear()
    assert asked.tally == Tally()
    Tally().add([])


def test_the_nearest_counts_and_what_has_nothing_in_common_is_no_hit():
    tally = Tally()
    tally.add([Found(HERE, -0.5), Found(HERE, 0.995)])
    tally.add([Found(HERE, 0.0), Found(HERE, -1.0)])
    tally.add([])
    assert (tally.asked, tally.hits, tally.met, tally.similarity) == (3, 1, 1, 0.995)
    assert Recalled(*HERE, 1.0, 1).encouraged == ()
