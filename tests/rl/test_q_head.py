"""Laws of the Q head: on distinct features it is the table's Q, its targets are the definition's, and it can stop."""

import copy
import dataclasses
import functools
import json
import types

import pytest
import torch

from tests.rl.tasks import play, setup
from twosome.config.compose import compose
from twosome.errors import INVALID_CONTENT, NumericsError
from twosome.lm.value_head import ValueHead
from twosome.rl.q_head import QCritic, QHead, best_ahead
from twosome.rl.replay import Transition, transitions
from twosome.types import Decision, Rollout

STATES, MENU, GAMMA = 5, ("a", "b"), 0.9
PAIRS = [(f"s{s}", a) for s in range(STATES) for a in MENU]


class Distinct:
    """Every state and action has a feature of its own; the policy takes the first action with probability .8."""

    def __init__(self):
        self.value_head = ValueHead(len(PAIRS), types.SimpleNamespace(kind="linear", widths=[], layer_norm=False))
        self.tau = self.epsilon = 0.0

    def action_features(self, pairs):
        return torch.eye(len(PAIRS))[[PAIRS.index(pair) for pair in pairs]]

    def scale_features(self, pairs):
        """They have one scale already."""

    def log_probs(self, decisions):
        return [torch.tensor([0.8, 0.2]).log() for _ in decisions]

    def q(self):
        with torch.no_grad():
            return self.value_head(torch.eye(len(PAIRS))).view(STATES, 2)


@functools.cache
def composed(*changes):
    return compose(list(changes)).q_head


def settings(**changes):
    usual = {"critic.minibatch": 16, "critic.epochs": 1, "critic.learning_rate": 0.02, "n": 1, "max_gradient_norm": 9,
             "count_bonus": 0, "target_rate": 1, "target_interval": 16}  # fmt: skip
    return copy.deepcopy(composed(*(f"q_head.{name}={value}" for name, value in (usual | changes).items())))


def critic(policy=None, seed=0, expects=False, **changes):
    return QCritic(policy or Distinct(), settings(**changes), torch.Generator().manual_seed(seed), expects=expects)


# A world of five states: the last is terminal, actions take 1 to 3 primitive steps.
LEADS = torch.tensor([[1, 2], [3, 0], [0, 4], [4, 2], [4, 4]])
REWARDS = torch.tensor([[0.0, -0.1], [0.3, 0.0], [0.1, 0.5], [1.0, 0.0], [0.0, 0.0]])
DISCOUNTS = GAMMA ** torch.tensor([[1.0, 2.0], [1.0, 3.0], [2.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
END = 4


def exact(follow):
    """Q by iteration of its equation over the whole table; `follow`: values of the actions [S, 2] -> of the state."""
    q = torch.zeros(STATES, 2)
    for _ in range(200):
        ahead = follow(q)
        ahead[END] = 0.0
        q = REWARDS + DISCOUNTS * ahead[LEADS]
        q[END] = 0.0
    return q


def random_walk(seed, length=64):
    """One world, actions drawn evenly; an episode is cut off after six steps."""
    g = torch.Generator().manual_seed(seed)
    decisions, after, menus, rows, state, steps = [], [], [], [], int(torch.randint(0, 4, (1,), generator=g)), 0
    for _ in range(length):
        action, steps = int(torch.randint(0, 2, (1,), generator=g)), steps + 1
        there = int(LEADS[state, action])
        over, cut = there == END, steps == 6 and there != END
        rows.append((action, float(REWARDS[state, action]), float(DISCOUNTS[state, action]), over, cut))
        decisions.append([Decision.plain(f"s{state}", MENU)])
        after.append([f"s{there}"])
        menus.append([() if over else MENU])
        state, steps = (int(torch.randint(0, 4, (1,), generator=g)), 0) if over or cut else (there, steps)
    actions, rewards, discounts, terminated, truncated = (
        torch.tensor(column)[:, None] for column in zip(*rows, strict=True)
    )
    zeros = torch.zeros(length, 1)
    flags = {"terminated": terminated, "truncated": truncated, "is_real": ~zeros.bool()}
    played = [[torch.zeros(2)]] * length
    return Rollout(decisions, after, played, actions, zeros, rewards, discounts, **flags, episodes=[], next_menus=menus)


def learnt(expects=False, **changes):
    how = {"critic.learning_rate": 0.03, "critic.epochs": 2, "learning_rate_end": 0.05, "target_interval": 4}
    made = critic(expects=expects, **how, **changes)
    for seed in range(40):
        made.learn(random_walk(seed), progress=seed / 40)
    return made.policy.q()[:END]


def test_on_distinct_features_the_head_is_the_tables_q():
    best = exact(lambda q: q.max(1).values)[:END]
    under_policy = exact(lambda q: q @ torch.tensor([0.8, 0.2]))[:END]
    assert (best - under_policy).abs().max() > 0.1
    assert torch.allclose(learnt(), best, atol=0.02)
    assert torch.allclose(learnt(expects=True), under_policy, atol=0.02), "the critic of an actor values that actor"
    assert not torch.allclose(learnt(n=4), best, atol=0.02), "many steps blame an action for random ones after it"


def test_what_a_next_visit_pays_is_learnt_with_the_reward_and_fades():
    rollout = random_walk(0)
    visits = [[0.2 / (1 + sum(row == [f"s{s}"] for row in rollout.next_states)) for s in range(END)] + [0.0]]
    bonus = torch.tensor(visits * STATES)[torch.arange(STATES)[:, None], LEADS]
    plain, curious = critic(), critic(count_bonus=0.2)
    metrics = curious.learn(rollout)
    assert metrics["novelty/scenes"] == len({row[0] for row in rollout.next_states})
    found = [Transition(f"s{s}", MENU, a, 0.1, float(DISCOUNTS[s, a]) * (LEADS[s, a] != END).item(),
                        f"s{LEADS[s, a]}", MENU) for s in range(END) for a in range(2)]  # fmt: skip
    more = curious._as_numbers(found).rewards - plain._as_numbers(found).rewards
    assert torch.allclose(more.view(END, 2), (DISCOUNTS * bonus)[:END], atol=1e-6)
    for seed in range(1, 30):
        curious.learn(random_walk(seed))
    assert (curious._as_numbers(found).rewards - plain._as_numbers(found).rewards < more / 8).view(-1)[more > 0].all()


def test_only_the_state_at_which_a_return_ends_pays():
    rollout = random_walk(0)
    made = critic(count_bonus=0.2, n=3)
    made.learn(rollout)
    kept = made.replay.newest(64)
    more = made._as_numbers(kept).rewards - torch.tensor([t.reward for t in kept])
    assert torch.allclose(more, torch.tensor([t.discount * made.count_bonus.of(t.next_state) for t in kept]), atol=1e-6)
    assert any(t.discount == 0 for t in kept)  # ends pay nothing


def test_a_question_credited_alone_is_kept_alone():
    rollout = random_walk(0)
    closes = torch.zeros_like(rollout.terminated)
    closes[::3] = True
    session = dataclasses.replace(rollout, closes=closes)
    for credit, by_question in (("question", True), ("session", False)):
        made = critic(n=2, credit=credit)
        made.learn(session)
        assert made.replay.newest(64) == transitions(session, 2, by_question=by_question)
    assert transitions(session, 2, by_question=True) != transitions(session, 2)


def test_targets_are_the_definitions():
    made = critic()
    policy = made.policy
    with torch.no_grad():
        policy.value_head.layers[0].weight[0] = torch.tensor([0.0, 0, 1, 2, 0, 0, 0, 0, 0, 0])  # s1: b is better
        made.target.layers[0].weight[0] = torch.tensor([0.0, 0, 9, 4, 0, 0, 0, 0, 0, 0])  # it rates a higher
    found = [Transition("s0", MENU, 0, 0.5, 0.81, "s1", MENU), Transition("s0", MENU, 1, 0.25, 0.0, "", ())]

    def targets(of):
        return of.targets(of._as_numbers(found), torch.arange(2)).tolist()

    assert targets(made) == pytest.approx([0.5 + 0.81 * 4, 0.25])
    made.settings.double = False  # the wrong variant: what is overrated is believed
    assert targets(made) == pytest.approx([0.5 + 0.81 * 9, 0.25])
    made.expects = True
    assert targets(made) == pytest.approx([0.5 + 0.81 * (0.8 * 9 + 0.2 * 4), 0.25])


def test_single_selection_overrates_what_is_noise_and_double_does_not():
    g = torch.Generator().manual_seed(0)
    online, target = torch.randn(2, 4000, 6, generator=g)  # every action is worth 0
    online[:, 4:] = target[:, 4:] = -torch.inf  # menus of four
    assert best_ahead(online, target).mean().abs() < 0.05
    assert best_ahead(online, target, double=False).mean() > 0.9  # E max of four normals: 1.03


def test_the_target_network_follows_as_the_settings_say():
    rollout = random_walk(0, length=32)  # two steps of 16
    for interval, rate, share in ((2, 1.0, 1.0), (2, 0.25, 0.25), (3, 1.0, 0.0)):
        made = critic(target_interval=interval, target_rate=rate)
        made.learn(rollout)
        head, slow = (part.layers[0].weight for part in (made.policy.value_head, made.target))
        assert torch.allclose(slow, share * head.detach())
        assert head.abs().max() > 0


def test_it_begins_from_the_weights_that_it_is_given():
    made = critic(target_interval=1000)
    torch.nn.init.ones_(made.policy.value_head.layers[0].weight)  # as `init` does, after it was built
    made.learn(random_walk(0))
    assert (made.target.layers[0].weight == 1).all()


def test_while_it_warms_up_the_replay_fills_and_nothing_is_learnt():
    made = critic(**{"critic.warmup_updates": 1})
    assert made.learn(random_walk(0)) == {"q/replay": 64.0}
    assert not made.policy.q().any()
    assert made.learn(random_walk(1))["loss/value"] > 0


# What explores, and what goes wrong -----------------------------------------------------------------------------------


def test_exploration_follows_its_schedule():
    policy = Distinct()
    made = QHead(policy, settings(tau=0.5, tau_end=0.1, epsilon=0.3, epsilon_end=0.1), torch.Generator())
    for progress, tau, epsilon in ((0.0, 0.5, 0.3), (0.5, 0.3, 0.2), (1.0, 0.1, 0.1)):
        metrics = made.update(random_walk(0, length=4), progress)
        assert (policy.tau, policy.epsilon) == pytest.approx((tau, epsilon))
        assert (metrics["q/temperature"], metrics["q/epsilon"]) == pytest.approx((tau, epsilon))


def test_steps_that_meet_an_infinity_are_skipped_and_end_the_run_with_the_remedy():
    made = critic(max_bad_updates=3)
    rollout = random_walk(0)
    rollout.rewards[3] = torch.inf
    made.learn(rollout)
    assert (made.take_step.skipped, len(made.replay)) == (1, 0), "it would come back with every draw"
    rollout.rewards[:] = 1e25  # whose squares are none
    before = made.policy.q()
    with pytest.raises(NumericsError, match=r"q_head\.max_bad_updates=3.*rewards are as large as 1e\+25: scale them"):
        made.learn(rollout)
    assert torch.isfinite(before).all()
    assert torch.isfinite(made.policy.q()).all()


# On a language model --------------------------------------------------------------------------------------------------

HOW = ("method=qhead", "q_head.critic.minibatch=32")


@pytest.mark.slow  # a run of many seconds
def test_a_frozen_model_learns_an_identity_task():
    made = setup(*HOW, "q_head.tau=0.05", "model.value_head.widths=[64]")
    adapter = [p.detach().clone() for p in made.policy.actor_parameters()]
    for k in range(8):
        made.learner.update(play(made, k), 0.0)
    seen = list({d for row in play(made, 99).decisions for d in row})
    right = [
        d.menu[int(row.argmax())].split()[1] in d.state
        for d, row in zip(seen, made.policy.log_probs(seen), strict=True)
    ]
    assert len(right) == 4
    assert all(right)
    assert all(torch.equal(a, b) for a, b in zip(adapter, made.policy.actor_parameters(), strict=True))


def endless(rollout):
    """The same without ends, so that what is ahead counts."""
    menus = [[d.menu for d in row] for row in rollout.decisions]
    return dataclasses.replace(rollout, terminated=torch.zeros_like(rollout.terminated), next_menus=menus)


@pytest.mark.parametrize("method", ["qhead", "expected"])
def test_a_learner_brought_back_continues_exactly(method):
    how = (f"method={method}", "expected.actor.warmup_updates=0", "expected.states=32", "rollout_steps=4")
    how += ("q_head.target_interval=3", "q_head.critic.epochs=1", "q_head.critic.minibatch=8")
    made = setup(*how)
    rollouts = [endless(play(made, 0)), endless(play(made, 1))]
    made.learner.update(rollouts[0], 0.25)
    state = {"learner": made.learner.state_dict(), "policy": made.policy.state_dict(), "head": made.policy.value_head}
    state |= {"generator": made.generator.get_state(), "adapter": made.policy.actor_parameters()}
    state = copy.deepcopy(state)
    expected = made.learner.update(rollouts[1], 0.5)

    def again(lost=None):
        other = setup(*how)
        fresh = other.learner.state_dict()
        other.policy.value_head.load_state_dict(state["head"].state_dict())
        with torch.no_grad():
            for mine, saved in zip(other.policy.actor_parameters(), state["adapter"], strict=True):
                mine.copy_(saved)
        other.policy.load_state_dict(copy.deepcopy(state["policy"]))
        kept, new = copy.deepcopy(state["learner"]), fresh
        if lost is not None:
            inner = (kept["critic"], new["critic"]) if method == "expected" else (kept, new)
            inner[0][lost] = inner[1][lost]
        other.learner.load_state_dict(kept)
        other.generator.set_state(state["generator"])
        return other.learner.update(rollouts[1], 0.5)

    assert again() == expected
    for lost in ("target", "replay", "optimizer", "steps", "count_bonus"):  # the wrong variants
        assert again(lost) != expected, lost


def test_a_state_from_before_visits_were_counted_is_read():
    made = critic()
    made.learn(random_walk(0))
    state = made.state_dict()
    del state["count_bonus"]
    again = critic()
    again.load_state_dict(state)
    assert again.replay.newest(64) == made.replay.newest(64)
    assert not again.count_bonus.counts


def test_a_forged_state_is_refused():
    made = critic()
    made.learn(random_walk(0))
    state = made.state_dict()
    json.dumps(state["replay"])
    nan = {name: tensor * torch.nan for name, tensor in state["target"].items()}
    wide = {name: torch.zeros(7, 7) for name in state["target"]}
    for change in ({"target": nan}, {"target": wide}, {"steps": -1}, {"bad_updates": 1.5}, {"replay": {}},
                   {"count_bonus": {"counts": {"a": -1}}}):  # fmt: skip
        with pytest.raises(INVALID_CONTENT):
            critic().load_state_dict(state | change)
