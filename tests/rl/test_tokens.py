"""Laws of credit per token (ppo.decompose=token): the tokens of an action telescope to it, and a loop judges."""

import copy
import dataclasses
import functools

import pytest
import torch

from tests.rl.tasks import ByLength, all_equal, play, rollout_to, setup
from twosome.config.compose import compose
from twosome.lm.branches import END, forks
from twosome.rl.batch import make_batch
from twosome.rl.tokens import Chosen
from twosome.types import Branch, Decision

PHRASES = ("walk to the fridge", "walk to the table", "walk", "open the fridge", "take the tomato and walk")


class Spelling(ByLength):
    """A policy whose tokens are the words of a phrase, and a critic that reads the length of what was said so far."""

    def branches(self, decision, action):
        paths = [tuple(phrase.split()) for phrase in decision.menu]
        found = forks(paths, action)
        begun = ["", *(" " + " ".join(paths[action][: fork.depth]) for fork in found[1:])]
        return [Branch(decision.state + text, f.open, f.kept) for text, f in zip(begun, found, strict=False)]


def spelled(steps=6, worlds=3, seed=0):
    """A rollout of random actions, rewards, ends and durations over a menu whose phrases have 1 to 3 forks."""
    g = torch.Generator().manual_seed(seed)
    decisions = [Decision.plain("s" * (3 + b), PHRASES) for b in range(worlds)]
    rollout = rollout_to([f"next {'x' * b}" for b in range(worlds)], steps=steps, decisions=decisions)
    shape = (steps, worlds)
    dists = torch.randn(*shape, len(PHRASES), generator=g).log_softmax(-1)
    actions = torch.randint(len(PHRASES), shape, generator=g)
    return dataclasses.replace(
        rollout,
        distributions=[list(row) for row in dists],
        actions=actions,
        log_probs=dists.gather(2, actions[..., None]).squeeze(2),
        rewards=torch.randn(shape, generator=g),
        discounts=0.9 ** torch.randint(1, 4, shape, generator=g),
        terminated=torch.rand(shape, generator=g) < 0.2,
        truncated=torch.rand(shape, generator=g) < 0.2,
    )


def settings(lam=0.8, **changes):
    return dataclasses.replace(_usual(), gae_lambda=lam, decompose="token", **changes)


@functools.cache
def _usual():
    return compose([]).ppo


def slow(rollout, policy, lam, bonus=None):
    """Token by token and world by world, backwards: {(t, b): [(value, advantage, feature's text)]}."""
    found = {}
    for b in range(rollout.rewards.shape[1]):
        following = 0.0
        for t in reversed(range(len(rollout.rewards))):
            branches = policy.branches(rollout.decisions[t][b], int(rollout.actions[t, b]))
            values = policy.values([branch.state for branch in branches]).tolist()
            ends = bool(rollout.terminated[t, b] or rollout.truncated[t, b])
            after = float(policy.values([rollout.next_states[t][b]])) * (not rollout.terminated[t, b])
            discount = float(rollout.discounts[t, b])
            advantage = float(rollout.rewards[t, b]) + discount * after - values[-1]
            advantage += 0.0 if ends else discount * lam * following
            advantages = [advantage]
            for j in reversed(range(len(values) - 1)):  # no reward and no discount inside an action
                advantages.insert(0, values[j + 1] - values[j] + lam * advantages[0])
            following = advantages[0]
            found[t, b] = list(zip(values, advantages, strict=True))
    return found


# The trie of a menu ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_tokens_of_every_action_sum_to_its_log_probability(seed):
    g = torch.Generator().manual_seed(seed)
    paths = list({tuple(torch.randint(3, (int(n),), generator=g).tolist()) for n in torch.randint(1, 6, (12,))})
    menu = torch.randn(len(paths), generator=g).log_softmax(0)

    def below(prefix):  # the probability of all actions that begin so
        ends = [(*path, END) for path in paths]
        return sum(float(p.exp()) for path, p in zip(ends, menu, strict=True) if path[: len(prefix)] == prefix)

    for a, path in enumerate(paths):
        found = forks(paths, a)
        branches = [Branch("", f.open, f.kept) for f in found]
        tokens = Chosen.of(branches, len(paths) + 2)
        rows = torch.nn.functional.pad(menu, (0, 2), value=-torch.inf).expand(len(found), -1)
        log_probs = tokens.log_probs(rows)
        torch.testing.assert_close(log_probs.sum(), menu[a], atol=1e-5, rtol=1e-5)
        for fork, found_one in zip(found, log_probs, strict=True):
            whole = (*path, END)
            slow_one = below(whole[: fork.depth + 1]) / below(whole[: fork.depth])
            assert found_one.exp().item() == pytest.approx(slow_one, abs=1e-5)
            assert slow_one < 1 - 1e-6  # a token that is certain is no fork


def test_a_language_model_tells_its_critic_how_far_the_action_was_told():
    policy = setup().policy
    menu = ("walk to the fridge", "walk to the table", "walk", "open the fridge")
    decision = Decision("You see.", "Advice. You see.", menu)
    found = policy.branches(decision, 1)
    assert found[0] == Branch("You see.", (0, 1, 2, 3), (0, 1, 2))
    assert [branch.kept for branch in found[1:]] == [(0, 1), (1,)]
    assert [branch.state for branch in found[1:]] == ["You see. walk", "You see. walk to the"]
    assert [branch.kept for branch in policy.branches(decision, 2)] == [(0, 1, 2), (2,)]
    assert policy.branches(decision._replace(menu=("wait",)), 0) == []


# Values and advantages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.8, 1.0])
def test_a_loop_over_tokens_judges(lam):
    rollout, policy = spelled(), Spelling()
    batch = make_batch(rollout, policy, settings(lam))
    tokens, judge = batch.tokens, slow(rollout, policy, lam)
    places = [divmod(s, rollout.rewards.shape[1]) for s in range(len(batch))]
    for s, place in enumerate(places):
        rows = (tokens.sample == s).nonzero().squeeze(1)
        values, advantages = zip(*judge[place], strict=True)
        assert tokens.rows.values[rows].tolist() == pytest.approx(values, abs=1e-5)
        assert tokens.rows.advantages[rows].tolist() == pytest.approx(advantages, abs=1e-5)
    assert batch.decisions == [rollout.decisions[t][b] for t, b in places]
    assert torch.equal(batch.log_probs, rollout.log_probs.flatten())
    assert torch.equal(batch.actions, rollout.actions.flatten())


def test_whole_returns_are_those_of_the_actions_and_one_step_errors_sum_to_theirs():
    rollout, policy = spelled(), Spelling()
    for lam in (0.0, 1.0):
        tokens = make_batch(rollout, policy, settings(lam)).tokens
        actions = make_batch(rollout, policy, dataclasses.replace(settings(lam), decompose="action"))
        if lam == 1.0:
            torch.testing.assert_close(tokens.rows.targets, actions.targets[tokens.sample])
        else:
            sums = torch.zeros(len(actions)).index_add(0, tokens.sample, tokens.rows.advantages)
            torch.testing.assert_close(sums, actions.advantages)
            apart = tokens.rows.targets - actions.targets[tokens.sample]
            assert apart.abs().max() > 0.1  # the wrong variant: every token is told the action's own target


def test_the_bonus_reaches_every_token_of_the_action_that_earned_it():
    rollout, policy = spelled(), Spelling()
    bonus = torch.zeros_like(rollout.rewards)
    bonus[2, 1] = 1.0
    felt = make_batch(rollout, policy, settings(1.0), bonus).tokens
    moved = felt.rows.advantages - make_batch(rollout, policy, settings(1.0)).tokens.rows.advantages
    assert torch.allclose(moved[felt.sample == 2 * 3 + 1], torch.tensor(1.0))
    assert moved[felt.sample > 2 * 3 + 1].abs().max() < 1e-6


def test_a_dropped_step_has_no_tokens_and_leaks_nothing():
    rollout, policy = spelled(), Spelling()
    rollout.is_real[3, 1], rollout.truncated[3, 1], rollout.discounts[3, 1], rollout.rewards[3, 1] = False, True, 0, 0
    dropped = make_batch(rollout, policy, settings())
    earlier = dataclasses.replace(rollout, truncated=rollout.truncated.clone())
    earlier.truncated[2, 1] = True
    reference = make_batch(earlier, policy, settings())
    assert len(dropped) == rollout.rewards.numel() - 1 == int(dropped.tokens.sample.max()) + 1
    torch.testing.assert_close(dropped.tokens.rows.advantages, reference.tokens.rows.advantages)
    rollout.is_real[:] = False
    assert len(make_batch(rollout, policy, settings())) == 0


def test_without_a_critic_a_token_is_compared_with_those_after_the_same_words():
    rollout, policy = spelled(steps=40, worlds=1), Spelling()
    batch = make_batch(rollout, policy, settings(advantage="group"))
    rows = batch.tokens.rows
    for state in {d.state for d in rows.decisions}:
        same = torch.tensor([d.state == state for d in rows.decisions])
        assert rows.advantages[same].mean().abs() < 1e-5
    assert len({d.state for d in rows.decisions}) > 1


# Updates --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["mlp", "twosome"])
def test_menus_of_one_token_phrases_learn_the_same_bits(method):
    """`say red`, `say green`, ...: one fork. All of the update, self-imitation and bonus too, is as per action."""
    made = [
        setup(f"method={method}", "ppo=default", f"ppo.decompose={what}", "ppo.actor.warmup_updates=0")
        for what in ("action", "token")
    ]
    for seed in range(2):
        first, second = (m.learner.update(play(m, seed), 0.0) for m in made)
        assert first == second
    assert all_equal(*(m.policy.actor_parameters() for m in made))
    assert all_equal(*(m.policy.value_head.parameters() for m in made))


def test_equal_advantages_give_the_gradient_of_the_action():
    """Per token the ratio is clipped on its own, but the tokens' gradients sum to that of log pi(a)."""
    rollout, policy = spelled(), Spelling()
    batch = make_batch(rollout, policy, settings())
    whole = torch.cat([torch.stack(row) for row in rollout.distributions])
    logits = [whole.clone().requires_grad_() for _ in range(2)]
    index = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    batch.chosen(index, logits[0].log_softmax(1)[index]).sum().backward()
    logits[1].log_softmax(1).gather(1, batch.actions[:, None]).sum().backward()
    torch.testing.assert_close(logits[0].grad, logits[1].grad)
    old = batch.learnt.log_probs[batch.rows_of(index)]
    torch.testing.assert_close(batch.chosen(index, whole[index]), old)  # the first ratio is 1, whatever the order


def test_a_resumed_learner_repeats_the_bits_of_one_that_went_on():
    made = [setup("ppo=default", "ppo.decompose=token", "ppo.actor.warmup_updates=0") for _ in range(2)]
    for m in made:
        m.policy.engine.encoder.keep = False
    rollouts = [play(made[0], seed) for seed in range(2)]
    say = tuple(f"{verb} {colour}" for verb in ("say", "name") for colour in ("red", "green"))
    for rollout in rollouts:
        rollout.decisions[:] = [[d._replace(menu=say) for d in row] for row in rollout.decisions]
    made[0].learner.update(rollouts[0], 0.0)
    assert len(made[0].learner.samples.learnt) > len(made[0].learner.samples)
    state = copy.deepcopy((made[0].learner.state_dict(), made[0].policy.state_dict()))
    with torch.no_grad():
        for a, b in zip(made[0].policy.actor_parameters(), made[1].policy.actor_parameters(), strict=True):
            b.copy_(a)
    made[1].policy.value_head.load_state_dict(made[0].policy.value_head.state_dict())
    made[1].learner.load_state_dict(state[0])
    made[1].policy.load_state_dict(state[1])
    made[1].generator.set_state(made[0].generator.get_state())
    first, second = (m.learner.update(rollouts[1], 0.0) for m in made)
    assert first == second
    assert all_equal(*(m.policy.actor_parameters() for m in made))
