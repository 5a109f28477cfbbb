"""A decision taken apart: the parts add up to what the policy does."""

import json
import math

import gymnasium
import numpy as np
import pytest

import twosome
from twosome.errors import ConfigError, MenuError
from twosome.types import NORMALIZATIONS, Decision


def test_probabilities_sum_to_one_and_convert_to_plain_numbers(d, menu):
    assert sum(d.probs) == pytest.approx(1, abs=1e-12)
    assert float(d.probs[0]) == pytest.approx(math.exp(float(d.log_probs[0])))
    assert len(list(d.scores)) == len(d.actions) == len(menu)
    assert isinstance(d.value, float)
    assert 0 < d.entropy < math.log(len(menu))
    assert d.best == d.actions[int(np.argmax(d.probs))]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_normalization_is_what_score_actions_gives(untrained, d, normalization):
    lm, tokenizer = untrained.lm, untrained.tokenizer
    [expected] = twosome.score_actions(lm, tokenizer, [d.prompt], [d.actions], normalization=normalization)
    again = d.with_normalization(normalization)
    np.testing.assert_allclose(again.log_probs, expected.detach().numpy(), atol=2e-5)
    np.testing.assert_allclose(d.by_normalization[normalization], again.probs)


def test_it_is_the_distribution_the_policy_acts_by(untrained, d):
    [acting] = untrained.log_probs([Decision.plain(d.prompt, d.actions)])
    np.testing.assert_allclose(d.log_probs, acting.numpy(), atol=2e-5)
    assert d.value == pytest.approx(untrained.values([d.prompt])[0].item(), abs=1e-6)


def test_tokens_add_up_to_words_and_words_to_actions(d):
    for action, words, total in zip(d.actions, d.words, d.sums, strict=True):
        assert [w.word for w in words] == action.split()
        assert sum(w.log_prob for w in words) == pytest.approx(total)
        for w in words:
            assert w.log_prob == pytest.approx(sum(t.log_prob for t in w.tokens))
            assert all(t.log_prob <= 1e-6 for t in w.tokens)
            assert "".join(t.piece for t in w.tokens).strip() == w.word
    np.testing.assert_allclose(d.scores, d.sums / [len(words) for words in d.words])


def test_normalizations_differ_where_words_have_several_tokens(d):
    """The wrong divisor must show: a phrase of rare words has more tokens than words."""
    rare = d.actions.index("contemplate zucchini")
    assert sum(len(w.tokens) for w in d.words[rare]) > len(d.words[rare])
    token, word, total = (d.scores_by(n)[rare] for n in ("token", "word", "sum"))
    assert total < word < token < 0
    assert d.with_normalization("token").prob("contemplate zucchini") > d.prob("contemplate zucchini")


def test_what_an_agent_adds_to_the_prompt_or_the_scores_is_in_the_distribution(trained, prompt, menu):
    """The value is of the plain state; the log-probabilities are of prompt, menu and bias, as when acting."""
    decision = Decision(prompt, f"You remember the board. {prompt}", menu, (0.0, 1.5, -1.5, 0.0))
    shown = trained.inspect_decision(decision)
    [acting] = trained.log_probs([decision])
    np.testing.assert_allclose(shown.log_probs, acting.numpy(), atol=2e-5)
    assert shown.prompt == decision.prompt
    without = trained.inspect(decision.prompt, menu)
    odds, odds_without = (x.log_probs[1] - x.log_probs[0] for x in (shown, without))
    assert odds == pytest.approx(odds_without + 1.5)
    assert shown.value == trained.inspect(prompt, menu).value != pytest.approx(without.value, abs=1e-6)


def test_illegal_actions_are_shown_without_probability(d, menu):
    shown = d.with_illegal(["fly to the moon", *menu], [False, *[True] * len(menu)])
    assert shown.illegal == ("fly to the moon",)
    assert shown.prob("fly to the moon") == 0.0
    assert len(shown.probs) == len(menu)
    frame = shown.to_frame()
    assert frame["legal"].tolist() == [True] * len(menu) + [False]
    assert frame["prob"].sum() == pytest.approx(1)
    for view in (str(shown), shown._repr_html_()):
        assert "not possible here" in view
        assert "fly to the moon" in view
    with pytest.raises(MenuError, match="not an action of this menu"):
        shown.prob("swim")
    assert d.with_illegal(menu[:2]).illegal == (), "what is legal stays legal"


def test_a_state_of_an_environment_with_its_mask(untrained):
    env = gymnasium.make("twosome_envs:twosome/Entertainment-v0")
    observation, info = env.reset()
    d = twosome.inspect_state(untrained, observation, info)
    assert set(d.actions) | set(d.illegal) == set(info["actions"])
    assert d.actions == tuple(a for a, ok in zip(info["actions"], info["action_mask"], strict=True) if ok)


def test_everything_goes_through_json(d):
    again = json.loads(json.dumps(d.to_dict()))
    assert again["probs"] == pytest.approx(list(d.probs))
    assert again["words"][0][0]["tokens"][0][1] == pytest.approx(d.words[0][0].tokens[0].log_prob)


def test_an_unknown_normalization_names_the_nearest(untrained, d):
    with pytest.raises(ConfigError, match="Did you mean 'token'"):
        d.with_normalization("tokens")
    with pytest.raises(ConfigError):
        untrained.inspect(d.prompt, d.actions, normalization="words of mouth")
