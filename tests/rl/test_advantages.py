"""Laws of the advantages: each names a wrong variant and shows that it differs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.rl.advantages import gae, group_advantages


def slow_gae(rewards, values, next_values, discounts, terminated, truncated, lam):
    """The definition as a double sum: A_t = sum over k of (prod of lam d, stopped by an end) delta_{t+k}."""
    steps, worlds = rewards.shape
    result = torch.zeros(steps, worlds)
    for b in range(worlds):
        for t in range(steps):
            weight = 1.0
            for k in range(t, steps):
                ahead = 0.0 if terminated[k, b] else discounts[k, b] * next_values[k, b]
                result[t, b] += weight * (rewards[k, b] + ahead - values[k, b])
                if terminated[k, b] or truncated[k, b]:
                    break
                weight *= lam * discounts[k, b]
    return result


def case(seed, steps=7, worlds=3):
    g = torch.Generator().manual_seed(seed)
    rewards, values, next_values = torch.randn(3, steps, worlds, generator=g)
    discounts = 0.9 ** torch.randint(1, 6, (steps, worlds), generator=g)
    end = torch.randint(0, 5, (steps, worlds), generator=g)
    return rewards, values, next_values, discounts, end == 0, end == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_equals_the_double_sum(seed, lam):
    args = case(seed)
    advantages, targets = gae(*args, lam)
    torch.testing.assert_close(advantages, slow_gae(*args, lam), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(targets, advantages + args[1])


def chain(steps, gamma, final):
    """Reward 1 at every step of an endless chain, whose exact value is 1 / (1 - gamma); ended once by `final`."""
    value = 1 / (1 - gamma)
    rewards, values = torch.ones(steps, 1), torch.full((steps, 1), value)
    next_values, discounts = values.clone(), torch.full((steps, 1), gamma)
    terminated, truncated = torch.zeros(2, steps, 1, dtype=torch.bool)
    (terminated if final == "terminated" else truncated)[steps // 2] = True
    return rewards, values, next_values, discounts, terminated, truncated


def test_exact_values_give_no_advantage_across_a_truncation():
    args = chain(8, 0.9, "truncated")
    advantages, _ = gae(*args, 0.95)
    assert advantages.abs().max() < 1e-5
    terminal, _ = gae(*args[:4], args[4] | args[5], args[5], 0.95)  # the published treatment of a timeout is wrong here
    assert terminal.abs().max() > 1


def test_a_termination_is_not_bootstrapped():
    rewards, values, next_values, discounts, terminated, truncated = chain(8, 0.9, "terminated")
    advantages, _ = gae(rewards, values, next_values, discounts, terminated, truncated, 0.0)
    assert advantages[4].item() == pytest.approx(1 - values[4].item(), abs=1e-5)


def test_a_macro_action_of_k_steps_is_k_primitive_steps_at_lambda_one():
    gamma, primitive = 0.9, torch.tensor([[0.5], [-1.0], [2.0], [0.3], [1.0]])
    values = torch.tensor([[0.2], [0.7], [-0.4], [0.1], [0.9]])
    last = torch.tensor([[1.5]])
    no = torch.zeros(5, 1, dtype=torch.bool)
    fine, _ = gae(primitive, values, torch.cat([values[1:], last]), torch.full((5, 1), gamma), no, no, 1.0)
    # the same path as two macro-actions of 3 and 2 steps
    first = primitive[0] + gamma * primitive[1] + gamma**2 * primitive[2]
    coarse_rewards = torch.stack([first, primitive[3] + gamma * primitive[4]])
    coarse_values, next_values = values[[0, 3]], torch.stack([values[3], last[0]])
    discounts = torch.tensor([[gamma**3], [gamma**2]])
    coarse, _ = gae(coarse_rewards, coarse_values, next_values, discounts, no[:2], no[:2], 1.0)
    torch.testing.assert_close(coarse, fine[[0, 3]])
    flat, _ = gae(coarse_rewards, coarse_values, next_values, torch.full((2, 1), gamma), no[:2], no[:2], 1.0)
    assert (flat - fine[[0, 3]]).abs().max() > 0.1  # one gamma per decision, whatever it lasted, is wrong


def test_lambda_zero_is_the_td_error():
    rewards, values, next_values, discounts, terminated, _truncated = args = case(3)
    advantages, _ = gae(*args, 0.0)
    torch.testing.assert_close(advantages, rewards + discounts * ~terminated * next_values - values)


@pytest.mark.parametrize("which", [4, 5])
def test_nothing_leaks_over_an_end(which):
    args = list(case(5))
    args[4], args[5] = torch.zeros(2, 7, 3, dtype=torch.bool)
    args[which][3] = True
    before, _ = gae(*args, 0.95)
    args[0] = args[0].clone()
    args[0][4:] += 100.0
    after, _ = gae(*args, 0.95)
    torch.testing.assert_close(before[:4], after[:4])
    assert (before[4:] != after[4:]).all()


def test_group_advantages_compare_equal_states_only():
    returns = torch.tensor([1.0, 3.0, 10.0, 5.0])
    advantages = group_advantages(returns, torch.tensor([7, 7, 2, 2]))
    assert advantages.tolist() == [-1.0, 1.0, 2.5, -2.5]
    assert math.isclose(group_advantages(returns, torch.tensor([0, 1, 2, 3])).abs().sum(), 0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_gae_over_a_session_is_the_papers_proxy_reward(seed):
    """AGILE (arXiv 2405.14751) gives question i of a session the proxy reward r_i + V(S_{i+1}) - V(S_i), and learns it
    as an episode of its own: the same as GAE over the session with lambda 1 inside a question and 0 across its answer.
    """
    g = torch.Generator().manual_seed(seed)
    steps = 12
    rewards, values = torch.randn(2, steps, 1, generator=g)
    closes = torch.rand(steps, 1, generator=g) < 0.3
    closes[[4, -1]] = True  # two questions at least: with one there is nothing to cut
    next_values = torch.cat([values[1:], torch.zeros(1, 1)])
    never = torch.zeros(steps, 1, dtype=torch.bool)
    advantages, _ = gae(rewards, values, next_values, torch.ones(steps, 1), never, never, (~closes).float())
    proxy, start = torch.zeros(steps, 1), 0
    for end in closes[:, 0].nonzero()[:, 0].tolist():
        own = rewards[start : end + 1].clone()
        own[-1] += next_values[end]  # V(S_{i+1}); V(S_i) is the baseline of the first decision
        for t in range(start, end + 1):
            proxy[t] = own[t - start :].sum() - values[t]
        start = end + 1
    torch.testing.assert_close(advantages, proxy, atol=1e-5, rtol=1e-5)
    cut, _ = gae(rewards, values, next_values, torch.ones(steps, 1), closes, never, 1.0)  # credit per question
    assert not torch.allclose(cut, proxy)
