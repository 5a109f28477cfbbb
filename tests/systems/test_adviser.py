"""A policy as adviser: it answers what it thinks most probable, and the program around it stays as it was."""

import copy

import pytest
import torch
from twosome_envs.agent import SealedError
from twosome_envs.desk import text
from twosome_envs.desk.env import DeskEnv

import twosome
from tests.envs.desks import at_care, take
from tests.training.small_run import SMALL
from twosome.errors import CheckpointError, ConfigError, ModelError
from twosome.systems.adviser import _loaded, checkpoint
from twosome.types import Decision

NAME = "twosome.systems.adviser:checkpoint"
QUESTIONS = ("What do I clean the glass lamp with?", "What do I dry the oak tray with?", "What is the room of the mug?")
ANSWERS = ("soap", "warm water", "oil", "salt")


@pytest.fixture(scope="module")
def policy():
    return twosome.load("tiny")


def by_hand(policy, question, answers, goal="Answer the questions.", phrase="say {answer}"):
    phrases = tuple(phrase.format(answer=answer) for answer in answers)
    prompt = policy.settings.prompt.format(goal=goal, scene=question, menu="\n".join(f"- {it}" for it in phrases))
    [log_probs] = policy.log_probs([Decision.plain(prompt, phrases)])
    return answers[max(range(len(answers)), key=lambda k: log_probs[k])]


@pytest.mark.parametrize("words", [{}, {"phrase": "{answer}"}, {"goal": "Rest.", "phrase": "wash with {answer}"}])
def test_the_most_probable_answer_is_given(policy, words):
    adviser = checkpoint("tiny", **words)
    offers = [ANSWERS[k:] + ANSWERS[:k] for k in range(4)]
    given = [adviser(question, offer) for question in QUESTIONS for offer in offers]
    assert given == [by_hand(policy, question, offer, **words) for question in QUESTIONS for offer in offers]
    assert adviser(QUESTIONS[0], ("{answer}", "{}")) in ("{answer}", "{}"), "answers are data"


def test_it_advises_at_the_desk_and_not_in_a_simulation(policy):
    env = DeskEnv(adviser={"kind": "function", "function": NAME, "path": "tiny"}, session=2)
    _, info = at_care(env)
    question = env.desk.question
    copied = copy.deepcopy(env)
    observation, _, _ = take(env, info, text.ASK)
    expected = by_hand(policy, text.asked(env.session, question), question.answers)
    assert observation["scene"].endswith(f" Advice: {expected}.")
    assert copied.actions[2].adviser.function is env.actions[2].adviser.function, "one policy, however many worlds"
    copied.sealed = True
    with pytest.raises(SealedError, match="ask the adviser"):
        take(copied, info, text.ASK)


def test_to_load_it_leaves_what_is_drawn_and_the_threads_as_they_were(monkeypatch):
    """Also where the settings of its run ask for another number of threads."""
    _loaded.cache_clear()
    threads, before = torch.get_num_threads(), torch.get_rng_state()

    def load(*args, **kwargs):
        loaded = twosome.load(*args, **kwargs)
        torch.set_num_threads(threads + 1)
        return loaded

    monkeypatch.setattr("twosome.systems.adviser.load", load)
    checkpoint("tiny")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)
    checkpoint("tiny", phrase="{answer}")
    assert _loaded.cache_info().misses == 1


def test_what_is_no_policy_of_a_language_model_is_named(tmp_path):
    from twosome.train import main

    main([*SMALL, "method=tabular", "total_steps=32", f"run_dir={tmp_path / 'table'}"])
    for settings, error, message in (
        ({"path": str(tmp_path / "table")}, ConfigError, "is a run of method=tabular, which reads numbers"),
        ({"path": str(tmp_path)}, CheckpointError, "is a folder of 1 runs. Name one of them"),
        ({"path": "./nowhere"}, ModelError, "There is no .*nowhere. Expected a run folder"),
        ({"path": 3}, ConfigError, "path=3, expected a text"),
        ({"path": "tiny", "which": "last"}, ConfigError, "Unknown checkpoint 'last'"),
        ({"path": "tiny", "phrase": "say it"}, ConfigError, "phrase='say it', expected the words"),
    ):
        with pytest.raises(error, match=message):
            checkpoint(**settings)
        with pytest.raises(ValueError, match=f"{NAME} made no adviser of .*{message}"):
            DeskEnv(adviser={"kind": "function", "function": NAME, **settings})
