"""What an environment counts beside rewards: it comes through whole, is averaged over its episodes, or is refused."""

import json
import math

import numpy as np
import pytest
from twosome_envs.desk import player
from twosome_envs.desk.env import DeskEnv

from twosome.config.compose import compose
from twosome.rollout.contract import Violation, check_step
from twosome.rollout.contract_end import check_tally
from twosome.rollout.evaluate import run_episodes, summarize
from twosome.rollout.situation import tally_mean
from twosome.systems.baselines.random import RandomPolicy
from twosome.training.progress import Progress
from twosome.types import Episode


def test_the_desks_counts_are_those_of_its_rewards():
    """Return = right answers less the prices of what was counted, whatever is played."""
    env = compose(["env=desk", "env.kwargs.questions=6"]).env
    episodes = run_episodes(RandomPolicy(), env, 6, greedy=False, seed=3)
    for episode in episodes:
        n = dict(episode.tally)
        assert episode.discounted_return == pytest.approx(
            n["right"] - 0.3 * n["asked"] - 0.02 * (n["looked_up"] + n["noted"])
        )
    found = summarize(episodes)["tally_mean"]
    assert found["right"] == sum(dict(e.tally)["right"] for e in episodes) / 6
    assert "tally_mean" not in summarize([e._replace(tally=()) for e in episodes])


def test_a_mean_is_over_those_that_counted():
    episodes = [Episode(0.0, 1, 1, False, tally) for tally in ((("a", 1.0), ("b", 4.0)), (("a", 3.0),), ())]
    assert tally_mean(episodes) == {"a": 2.0, "b": 4.0}


WRONG = [{"Asked": 1}, {"": 1}, {"a b": 1}, {1: 1}, {"asked": "2"}, {"asked": math.nan}, [1], 3, {"a" * 50: 1}]


@pytest.mark.parametrize("tally", [*WRONG, {f"n{k}": 1 for k in range(101)}], ids=lambda tally: str(tally)[:20])
def test_what_is_no_tally_is_refused(tally):
    with pytest.raises(Violation, match=r"gave info\['tally'\]=.*, expected at most 100 finite numbers by names"):
        check_tally({"tally": tally})
    assert check_tally({"tally": {"b": np.int64(2), "a": True}}) == (("a", 1.0), ("b", 2.0))


REFERENCE = {"goal": "g", "scene": "s", "found": "s f", "answer": "a"}
WRONG_STEPS = [{"closes": 1}, {"closes": "yes"}, {"hint": math.inf}, {"hint": None}, {"hint": "1"}, {"cost": math.nan}]
WRONG_STEPS += [{"reference": given} for given in ("a", {}, {**REFERENCE, "answer": ""}, {**REFERENCE, "more": "b"})]


@pytest.mark.parametrize("more", WRONG_STEPS)
def test_what_closes_no_question_is_refused(more):
    with pytest.raises(Violation, match=f"gave info\\['{next(iter(more))}'\\]"):
        check_step(0.0, False, False, more)
    assert check_step(0.0, False, False, {})[4:] == (None, 0.0, None, 0.0)
    assert check_step(0.0, False, False, {"reference": REFERENCE}).reference == tuple(REFERENCE.values())


def test_a_progress_brings_its_tallies_back_and_reads_those_without():
    cfg = compose(["env=desk"])
    progress = Progress(cfg)
    progress.recent.append(Episode(1.0, 2, 2, True, (("asked", 1.0),)))
    state = json.loads(json.dumps(progress.state_dict()))
    again = Progress(cfg)
    again.load_state_dict(state)
    assert again.recent == progress.recent
    again.load_state_dict({**state, "recent": [[1.0, 2, 2, True]]})
    assert again.recent[0].tally == ()
    for wrong in ([1.0, 2, 2, True, 3], [1.0, 2, 2, True, [["a", "b"]]], [1.0, 2, 2, True, [], 1]):
        with pytest.raises((ValueError, TypeError)):
            again.load_state_dict({**state, "recent": [wrong]})


# The desk's own -------------------------------------------------------------------------------------------------------


def test_what_is_demonstrated_asks_with_half_of_the_odds_and_only_where_nothing_tells():
    """There all answers have the same odds; everywhere else one action is right, which the best play takes too."""
    env, unsure = DeskEnv(), 0
    for seed in range(4):
        _, info = env.reset(seed=seed)
        while "episode" not in info:
            shown, phrases = env.demonstrate(0), info["actions"]
            unknown = env.desk.question.topic >= 0 and env.remembered is None and env.kept.advice is None
            if unknown:
                assert {phrases[k]: share for k, share in shown.items()} == {
                    "ask the adviser": 0.5,
                    **{f"say {answer}": 0.125 for answer in env.desk.question.answers},
                }
                unsure += 1
                shown = max(shown) if seed % 2 else 0
            else:
                assert shown == player.action(env)
            left = env.desk.left
            _, _, _, _, info = env.step(shown)
            assert info["closes"] == (env.desk.left < left)
    assert unsure > 10


def test_the_best_is_demonstrated_where_that_is_asked_for():
    env = DeskEnv(demonstrates="best", cost=1.0, questions=12)
    _, info = env.reset(seed=3)
    while "episode" not in info:
        action = env.demonstrate(9)
        assert action == player.action(env)
        _, _, _, _, info = env.step(action)
    with pytest.raises(ValueError, match=r"Unknown demonstrates 'bst'. Did you mean 'best'\?"):
        DeskEnv(demonstrates="bst")


def test_the_hint_of_a_note_is_its_use_for_later_questions():
    """1 / (1 + questions before that the rule answers) where any is left that it answers, counted in the session."""
    env, hints = DeskEnv(questions=12, demonstrates="random"), set()
    for seed in range(40):
        _, info = env.reset(seed=seed)
        while "episode" not in info:
            here, at = env.session, 12 - env.desk.left
            question = here.questions[at]
            shown = env.demonstrate(1)
            action = shown if isinstance(shown, int) else max(shown) if at % 2 else 0
            is_note = info["actions"][action] == "note the rule"
            _, _, _, _, info = env.step(action)
            expected = 0.0
            if is_note:
                same = [q.topic >= 0 and here.rule(q) == here.rule(question) for q in here.questions]
                expected = 1 / (1 + sum(same[:at])) if sum(same[at + 1 :]) else 0.0
                hints.add(expected)
            assert info["hint"] == expected
    assert {0.0, 0.5, 1.0} <= hints
