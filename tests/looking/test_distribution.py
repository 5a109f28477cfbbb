"""A decision taken apart: the parts add up to what the policy does, and every view of them says the same."""

import io
import json
import math
import sys

import numpy as np
import pytest
import torch

import twosome
from twosome.inspection.distribution import ActionDistribution
from twosome.inspection.views import bar, nats, percent
from twosome.types import NORMALIZATIONS, ConfigError, MenuError

PROMPT = "The kitchen has one cutting board. On the table you see a tomato. Next action:"
MENU = ("pick up the tomato", "walk to the cutting board", "chop nothing", "contemplate zucchini")


@pytest.fixture(scope="module")
def d(policy) -> ActionDistribution:
    return policy.inspect(PROMPT, MENU)


def test_probabilities_sum_to_one_and_convert_to_plain_numbers(d):
    assert sum(d.probs) == pytest.approx(1, abs=1e-12)
    assert float(d.probs[0]) == pytest.approx(math.exp(float(d.log_probs[0])))
    assert len(list(d.scores)) == len(d.actions) == len(MENU)
    assert isinstance(d.value, float)
    assert 0 < d.entropy < math.log(len(MENU))
    assert d.best == d.actions[int(np.argmax(d.probs))]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_normalization_is_what_score_actions_gives(policy, d, normalization):
    [expected] = twosome.score_actions(policy.lm, policy.tokenizer, [PROMPT], [MENU], normalization=normalization)
    again = d.with_normalization(normalization)
    np.testing.assert_allclose(again.log_probs, expected.detach().numpy(), atol=2e-5)
    np.testing.assert_allclose(d.by_normalization[normalization], again.probs)


def test_it_is_the_distribution_the_policy_acts_by(policy, d):
    from twosome.types import Decision

    [acting] = policy.log_probs([Decision(PROMPT, MENU)])
    np.testing.assert_allclose(d.log_probs, acting.numpy(), atol=2e-5)
    assert d.value == pytest.approx(policy.values([PROMPT])[0].item(), abs=1e-6)


def test_tokens_add_up_to_words_and_words_to_actions(policy, d):
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
    assert d.with_normalization("token").prob(MENU[rare]) > d.prob(MENU[rare])


def test_illegal_actions_are_shown_without_probability(d):
    shown = d.with_illegal(["fly to the moon", *MENU], [False, *[True] * len(MENU)])
    assert shown.illegal == ("fly to the moon",)
    assert shown.prob("fly to the moon") == 0.0
    assert len(shown.probs) == len(MENU)
    frame = shown.to_frame()
    assert frame["legal"].tolist() == [True] * len(MENU) + [False]
    assert frame["prob"].sum() == pytest.approx(1)
    for view in (str(shown), shown._repr_html_()):
        assert "not possible here" in view
        assert "fly to the moon" in view
    with pytest.raises(MenuError, match="not an action of this menu"):
        shown.prob("swim")
    assert d.with_illegal(MENU[:2]).illegal == (), "what is legal stays legal"


def test_a_state_of_an_environment_with_its_mask(policy):
    import gymnasium

    env = gymnasium.make("twosome_envs:twosome/Entertainment-v0")
    observation, info = env.reset()
    d = twosome.inspect_state(policy, observation, info)
    assert set(d.actions) | set(d.illegal) == set(info["actions"])
    assert d.actions == tuple(a for a, ok in zip(info["actions"], info["action_mask"], strict=True) if ok)


def test_everything_goes_through_json(d):
    again = json.loads(json.dumps(d.to_dict()))
    assert again["probs"] == pytest.approx(list(d.probs))
    assert again["words"][0][0]["tokens"][0][1] == pytest.approx(d.words[0][0].tokens[0].log_prob)


def test_an_unknown_normalization_names_the_nearest(d, policy):
    with pytest.raises(ConfigError, match="Did you mean 'token'"):
        d.with_normalization("tokens")
    with pytest.raises(ConfigError):
        policy.inspect(PROMPT, MENU, normalization="words of mouth")


# Views -------------------------------------------------------------------------------------------------------


def test_the_page_is_self_contained_and_escaped(policy):
    d = policy.inspect(PROMPT, ["say <script>alert(1)</script> & go", "wait"])
    page = d._repr_html_() + twosome.compare({"<b>": d})._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page
    assert page.count("<table") == page.count("</table>")


@pytest.mark.parametrize("width", [80, 110])
def test_the_table_fits_a_terminal(d, width):
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(d)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for action in MENU:
        assert any(action in line and "%" in line for line in lines), action


def test_small_things_print_well():
    assert bar(0.5, 4) == "██  "
    assert bar(1.0, 4) == "████"
    assert (percent(0.0), percent(1e-6), percent(0.123), percent(0.99996)) == (
        "0 %",
        "<0.1 %",
        "12.3 %",
        "100 %",
    )
    assert nats(-0.0004) == "0.00"
    assert nats(-1.234) == "-1.23"


def test_figures_carry_their_numbers(d):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = d.plot()
    texts = {t.get_text() for t in ax.texts}
    assert {percent(p) for p in d.probs} <= texts
    assert ax.get_yticklabels()[0].get_text() == d.best
    both = twosome.compare(before=d, after=d).plot()
    assert len(both.patches) == 2 * len(MENU)
    pyplot.close("all")


@pytest.mark.parametrize(("name", "view"), [("pandas", "to_frame"), ("matplotlib.pyplot", "plot")])
def test_a_missing_package_is_named_with_its_remedy(d, monkeypatch, name, view):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install"):
        getattr(d, view)()


# Side by side ------------------------------------------------------------------------------------------------


def test_an_adapter_changes_nothing_until_it_is_trained(policy):
    both = twosome.compare_adapter(policy, PROMPT, MENU)
    off, on = both.parts.values()
    np.testing.assert_allclose(off.probs, on.probs, atol=1e-6)


def test_adapter_on_and_off_differ_after_training_and_gradients_survive(trained):
    learns = [p.requires_grad for p in trained.lm.parameters()]
    both = twosome.compare_adapter(trained, PROMPT, MENU)
    off, on = both.parts.values()
    assert np.abs(off.probs - on.probs).max() > 1e-3
    assert [p.requires_grad for p in trained.lm.parameters()] == learns
    untrained = twosome.load("tiny").inspect(PROMPT, MENU)
    np.testing.assert_allclose(off.probs, untrained.probs, atol=1e-5)


def test_menus_that_differ_stand_side_by_side(policy, d):
    other = policy.inspect(PROMPT, ["chop nothing", "wait"])
    both = twosome.compare(one=d, two=other)
    assert both.actions == (*MENU, "wait")
    assert both.probs("wait") == {"one": None, "two": pytest.approx(other.prob("wait"))}
    frame = both.to_frame()
    assert math.isnan(frame.loc["wait", "one"])
    assert "not possible here" in str(both)
    assert list(both.to_dict()) == ["one", "two"]
    with pytest.raises(MenuError):
        twosome.compare()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # peft's, of transformers
def test_an_adapter_loads_with_plain_peft_and_gives_the_same(run_dir, trained):
    """The five lines of the README."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from twosome import tiny

    checkpoint = max((run_dir / "checkpoints").iterdir())
    tokenizer = AutoTokenizer.from_pretrained(tiny.path())
    model = AutoModelForCausalLM.from_pretrained(tiny.path())
    model = PeftModel.from_pretrained(model, checkpoint / "adapter").eval()
    with torch.no_grad():
        [log_probs] = twosome.score_actions(model, tokenizer, [PROMPT], [MENU])
    d = trained.inspect(PROMPT, MENU)
    np.testing.assert_allclose(log_probs.numpy(), d.log_probs, atol=2e-5)
