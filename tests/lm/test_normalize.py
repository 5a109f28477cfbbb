"""Token log-probabilities -> action log-probabilities, against numbers worked out by hand; temperature and bias."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.lm.normalize import lengths, log_softmax_menus, menu_log_probs, pad_menus, sum_tokens
from twosome.rl.losses import entropy
from twosome.types import EncodedAction


def sequence(tokens: int, words: int) -> EncodedAction:
    """A continuation of so many tokens and words after one token of context."""
    spans = (*((k, k + 1) for k in range(words - 1)), (words - 1, tokens))
    return EncodedAction(tuple(range(tokens + 1)), 1, spans)


MENU = [sequence(3, 2), sequence(1, 1)]  # "chop tomato" in 3 tokens, "wait" in 1
TOKENS = torch.tensor([-1.0, -2.0, -3.0, -2.5])


@pytest.mark.parametrize(
    ("normalization", "scores"), [("word", (-3.0, -2.5)), ("token", (-2.0, -2.5)), ("sum", (-6.0, -2.5))]
)
def test_analytic(normalization, scores):
    expected = torch.tensor(scores).log_softmax(0)
    got = menu_log_probs(TOKENS, [MENU], normalization)
    torch.testing.assert_close(got, expected[None])
    others = [n for n in ("word", "token", "sum") if n != normalization]
    assert all(not torch.allclose(got, menu_log_probs(TOKENS, [MENU], n)) for n in others)


def test_unconditional_subtracts_what_the_phrase_has_without_the_prompt():
    alone = torch.tensor([-4.0, -1.0, -1.0, -3.0])
    got = menu_log_probs(torch.cat([TOKENS, alone]), [MENU], "unconditional")
    expected = torch.tensor([(-6.0 + 6.0) / 2, -2.5 + 3.0]).log_softmax(0)
    torch.testing.assert_close(got, expected[None])


def test_unconditional_over_two_menus_takes_each_its_own():
    one = menu_log_probs(torch.tensor([-1.0, -2.0, -0.5, -0.25]), [[sequence(1, 1), sequence(1, 1)]], "unconditional")
    two = menu_log_probs(
        torch.tensor([-1.0, -2.0, -0.5, -0.25, -3.0, -7.0]),
        [[sequence(1, 1), sequence(1, 1)], [sequence(1, 1)]],
        "unconditional",
    )
    torch.testing.assert_close(two[0], one[0])
    assert two[1].tolist() == [0.0, -math.inf]


def test_padding_is_impossible_and_changes_nothing():
    short, long = [sequence(1, 1)] * 2, [sequence(1, 1)] * 5
    tokens = torch.arange(7.0)
    both = menu_log_probs(tokens, [short, long], "sum")
    torch.testing.assert_close(both[0, :2], menu_log_probs(tokens[:2], [short], "sum")[0])
    torch.testing.assert_close(both[1], menu_log_probs(tokens[2:], [long], "sum")[0])
    assert (both[0, 2:] == -torch.inf).all()
    torch.testing.assert_close(both.exp().sum(1), torch.ones(2))


def test_a_menu_of_one_is_certain():
    assert menu_log_probs(torch.tensor([-9.0]), [[sequence(1, 1)]], "word").item() == 0.0


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=8), st.floats(-20, 20))
def test_shift_and_order(scores, shift):
    x = torch.tensor(scores, dtype=torch.float64)
    a = log_softmax_menus(x, [len(x)])[0]
    torch.testing.assert_close(log_softmax_menus(x + shift, [len(x)])[0], a)
    torch.testing.assert_close(log_softmax_menus(x.flip(0), [len(x)])[0].flip(0), a)


def test_gradient_of_padding_is_zero_and_finite():
    x = torch.zeros(4, requires_grad=True)
    log_probs = log_softmax_menus(x, [1, 3])
    (log_probs[:, 0].sum() + entropy(log_probs).sum()).backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad[0] == 0
    torch.testing.assert_close(x.grad[1:].sum(), torch.tensor(0.0), atol=1e-7, rtol=0)


def test_entropy():
    log_probs = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]).log()
    torch.testing.assert_close(entropy(log_probs), torch.tensor([math.log(2), 0.0, math.log(3)]))


def test_parts():
    assert sum_tokens(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 1, 0]), 3).tolist() == [5.0, 2.0, 0.0]
    assert lengths([MENU, MENU[:1]], "token").tolist() == [3.0, 1.0, 3.0]
    assert lengths([MENU], "unconditional").tolist() == lengths([MENU], "word").tolist() == [2.0, 1.0]
    assert pad_menus(torch.arange(3.0), [1, 2]).tolist() == [[0.0, -math.inf], [1.0, 2.0]]


# Temperature and bias --------------------------------------------------------------------------------

SCORES = torch.tensor([-3.0, -2.5])  # of MENU, by word


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("bias", [(), (0.75, -1.5)])
def test_the_policy_is_the_softmax_of_score_over_temperature_plus_bias(temperature, bias):
    weights = torch.tensor(bias or (0.0, 0.0))
    got = menu_log_probs(TOKENS, [MENU], "word", temperature, [bias])[0]
    torch.testing.assert_close(got, (SCORES / temperature + weights).log_softmax(0))
    sums = torch.tensor([-6.0, -2.5])
    wrong = {
        "the bias is divided too": (SCORES + weights) / temperature,
        "the bias is added to the sum": (sums + weights) / torch.tensor([2.0, 1.0]) / temperature,
        "the scores are multiplied": SCORES * temperature + weights,
    }
    if bias and temperature != 1.0:
        assert all(not torch.allclose(got, x.log_softmax(0)) for x in wrong.values())


@pytest.mark.parametrize("normalization", ["word", "token", "sum", "unconditional"])
def test_no_bias_and_temperature_one_are_the_same_bits(normalization):
    tokens = torch.cat([TOKENS, TOKENS.flip(0)]) if normalization == "unconditional" else TOKENS
    plain = menu_log_probs(tokens, [MENU], normalization)
    for bias in ((), [()], [(0.0, 0.0)]):
        assert torch.equal(menu_log_probs(tokens, [MENU], normalization, 1.0, bias), plain)


def test_a_bias_is_its_own_menus():
    """In a batch the bias of one menu reaches no other, with or without one of its own."""
    menus, tokens = [MENU, MENU[:1], MENU], torch.cat([TOKENS, TOKENS[:3], TOKENS])
    got = menu_log_probs(tokens, menus, "word", 0.5, [(), (2.0,), (0.5, -1.0)])
    torch.testing.assert_close(got[0], (SCORES / 0.5).log_softmax(0))
    assert got[1].tolist() == [0.0, -math.inf]
    torch.testing.assert_close(got[2], (SCORES / 0.5 + torch.tensor([0.5, -1.0])).log_softmax(0))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 0), st.floats(-5, 5)), min_size=1, max_size=8),
    st.floats(-20, 20),
    st.floats(0.1, 10),
)
def test_a_constant_bias_changes_neither_probabilities_nor_gradients(rows, constant, temperature):
    scores, bias = zip(*rows, strict=True)
    menu = [sequence(1, 1)] * len(rows)

    def of(weights):
        x = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
        log_probs = menu_log_probs(x, [menu], "word", temperature, [weights])[0]
        (log_probs * torch.arange(1.0, len(rows) + 1).cos()).sum().backward()
        return log_probs.detach(), x.grad

    for same, shifted in ((bias, [b + constant for b in bias]), ((), [constant] * len(rows))):
        for a, b in zip(of(tuple(same)), of(tuple(shifted)), strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


def test_a_bias_moves_the_gradient_only_through_the_probabilities():
    """d log pi(a) / d score = (1[a] - pi) / temperature, with pi of the biased policy."""
    x, bias, temperature = SCORES.clone().requires_grad_(), (1.5, -0.5), 0.5
    log_probs = menu_log_probs(x, [[sequence(1, 1)] * 2], "word", temperature, [bias])[0]
    log_probs[0].backward()
    expected = (torch.tensor([1.0, 0.0]) - log_probs.detach().exp()) / temperature
    torch.testing.assert_close(x.grad, expected)


@settings(deadline=None)
@given(st.lists(st.integers(-20, 0), min_size=2, max_size=8, unique=True))
def test_towards_zero_temperature_the_policy_is_greedy(scores):
    x, menu = torch.tensor(scores, dtype=torch.float64), [sequence(1, 1)] * len(scores)
    best = x.argmax().item()
    probabilities = [menu_log_probs(x, [menu], "word", t)[0].exp() for t in (100.0, 1.0, 0.25, 0.01)]
    of_best = [p[best].item() for p in probabilities]
    assert of_best == sorted(of_best)
    assert of_best[-1] > 1 - 1e-9
    assert (menu_log_probs(x, [menu], "word", 1e6)[0].exp() - 1 / len(scores)).abs().max() < 1e-4, "and far up uniform"


def test_a_wrong_shape_is_refused_by_name():
    """Shapes in signatures are enforced in tests: `twosome.lm.normalize` is imported through jaxtyping's hook."""
    with pytest.raises(Exception, match="scores"):
        log_softmax_menus(torch.zeros(3, 2), [2, 1])
