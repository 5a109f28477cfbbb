"""Laws of the PPO terms."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.rl import losses


def gradient(log_ratio, advantage, clip=0.2):
    x = torch.tensor([log_ratio], requires_grad=True)
    losses.clipped_surrogate(x, torch.tensor([advantage]), clip).sum().backward()
    return x.grad.item()


def test_at_ratio_one_the_gradient_is_the_policy_gradient():
    assert gradient(0.0, 1.7) == -torch.tensor(1.7).item()
    assert gradient(0.0, -1.7) == torch.tensor(1.7).item()


def test_a_ratio_beyond_the_clip_is_not_pushed_further_but_may_come_back():
    assert gradient(0.5, 1.0) == 0.0
    assert gradient(-0.5, -1.0) == 0.0
    assert gradient(0.5, -1.0) > 0.0
    assert gradient(-0.5, 1.0) < 0.0


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(-5, 5))
def test_the_surrogate_is_never_better_than_the_plain_ratio(log_ratio, advantage):
    x, a = torch.tensor([log_ratio]), torch.tensor([advantage])
    assert losses.clipped_surrogate(x, a, 0.2) >= -(x.exp() * a) - 1e-6


def test_value_clipping_takes_the_larger_error():
    old, target = torch.tensor([0.0]), torch.tensor([1.0])
    moved = torch.tensor([0.9])
    torch.testing.assert_close(losses.value_loss(moved, old, target, 0.2), torch.tensor([0.5 * 0.8**2]))
    torch.testing.assert_close(losses.value_loss(moved, old, target, None), torch.tensor([0.5 * 0.1**2]))


def test_approximate_kl_is_exact_in_the_mean_and_never_negative():
    old, new = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.4, 0.4, 0.2])
    estimate = losses.approximate_kl((new / old).log())
    assert (estimate >= 0).all()
    torch.testing.assert_close((old * estimate).sum(), (old * (old / new).log()).sum())


def test_kl_is_that_of_the_menu_and_ignores_absent_actions():
    old = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]]).log()
    new = torch.tensor([[0.4, 0.4, 0.2], [0.3, 0.7, 0.0]]).log()
    kl = losses.kl(old, new)
    torch.testing.assert_close(kl[0], (old[0].exp() * (old[0] - new[0])).sum())
    torch.testing.assert_close(kl[1], (old[1, :2].exp() * (old[1, :2] - new[1, :2])).sum())
    assert losses.kl(old, old).tolist() == [0.0, 0.0]
    with_an_unplayed_one = torch.tensor([[0.999, 0.001]]).log(), torch.tensor([[0.4, 0.6]]).log()
    assert losses.kl(*with_an_unplayed_one) > 0.9


def test_normalize():
    x = losses.normalize(torch.tensor([1.0, 2.0, 6.0]))
    torch.testing.assert_close(x.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.std(correction=0), torch.tensor(1.0))
    assert losses.normalize(torch.tensor([5.0])).tolist() == [0.0]


def test_entropy_ignores_absent_actions_in_value_and_gradient():
    scores = torch.tensor([[0.3, -0.2, -torch.inf]], requires_grad=True)
    h = losses.entropy(scores.log_softmax(1))
    p = scores[:, :2].detach().softmax(1)
    torch.testing.assert_close(h.detach(), -(p * p.log()).sum(1))
    h.sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_explained_variance():
    target = torch.tensor([1.0, 2.0, 3.0])
    assert losses.explained_variance(target, target) == 1.0
    assert losses.explained_variance(torch.zeros(3), target) == 0.0
    assert math.isnan(losses.explained_variance(target, torch.ones(3)))  # targets that do not vary explain nothing


def test_a_floor_keeps_noise_small_and_leaves_a_signal():
    noise, signal = torch.tensor([1e-4, -1e-4]), torch.tensor([0.5, -0.5])
    assert losses.normalize(noise, 0.005).abs().max() < 0.03
    assert losses.normalize(noise).abs().max() > 0.9  # without a floor, noise looks like a signal
    torch.testing.assert_close(losses.normalize(signal, 0.005), losses.normalize(signal), atol=0.02, rtol=0)
