"""One loop steps the worlds: rollout, evaluation and report see the same episode; a search chooses in all of them."""

import gymnasium
import pytest
import torch

from tests.rollout.example_worlds import Corridor, Preferring, Recipe, agent, settings
from twosome.config.compose import compose
from twosome.errors import EnvironmentFault, NumericsError
from twosome.protocols import Choice
from twosome.report.record import STREAM, record
from twosome.rollout.collect import Worlds, collect
from twosome.rollout.driver import Tolerance, choose, drive
from twosome.rollout.evaluate import EVALUATION_STREAM, run_episodes
from twosome.systems.baselines.random import RandomPolicy

KINDS = {
    "kitchen": lambda: compose(["env=tomato_salad"]).env,
    "home": lambda: compose(["env=food_preparation"]).env,
    "one of several by the seed": lambda: compose(["env=salads"]).env,
    "third party": lambda: settings(Corridor, width=20),
    "agent": lambda: agent(actions=(Recipe(is_external=False),)),
}


@pytest.fixture(params=list(KINDS))
def env(request):
    return KINDS[request.param]()


class Watched(gymnasium.Wrapper):
    """Notes what passes between a world and its environment."""

    def __init__(self, env, told):
        super().__init__(env)
        self.told = told

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        self.scene, self.phrases = observation["scene"], info["actions"]
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.told.append((self.scene, self.phrases[action], pytest.approx(reward, abs=1e-6)))
        self.scene, self.phrases = observation["scene"], info["actions"]
        return observation, reward, terminated, truncated, info


def evaluated(env, policy, seed):
    """A greedy episode as an evaluation plays it in the world of this seed."""
    told = []
    [episode] = run_episodes(
        policy, env, 1, greedy=True, seed=seed - EVALUATION_STREAM, wrap=lambda inner: Watched(inner, told)
    )
    return told, episode


def recorded(env, policy, seed):
    """The same as a report records it."""
    [recording] = record(policy, env, 1, seed=seed - STREAM)
    return [(step.scene, step.menu[step.chosen], step.reward) for step in recording.steps], recording


def collected(env, policy, seed, generator=None):
    """The same as training collects it."""
    worlds = Worlds(env, policy, seed, 1)
    told = []
    for _ in range(300):
        scene = worlds.worlds[0].observation["scene"]
        rollout = collect(worlds, 1, generator)
        decision, action = rollout.decisions[0][0], int(rollout.actions[0, 0])
        told.append((scene, decision.menu[action], rollout.rewards[0, 0].item()))
        if rollout.episodes:
            return told, rollout.episodes[0]
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize("seed", [STREAM, STREAM + 1, STREAM + 7])
def test_evaluation_rollout_and_report_see_the_same_episode(env, seed):
    """For a greedy policy in a world of the same seed: the same scenes, actions, rewards and return."""
    policy = Preferring(str(seed))
    told, episode = evaluated(env, policy, seed)
    steps, recording = recorded(env, policy, seed)
    samples, collected_episode = collected(env, policy, seed)
    sampled, _ = collected(env, policy, seed, torch.Generator().manual_seed(0))
    assert len(told) == episode.decisions > 2
    assert [(scene, phrase, reward) for scene, phrase, reward in steps] == told
    assert samples == told
    assert sampled == told  # it is sure of every action, so drawing one is choosing it
    assert collected_episode == episode
    assert (recording.discounted_return, recording.length, recording.success, recording.truncated) == (
        pytest.approx(episode.discounted_return),
        episode.length,
        episode.success,
        not episode.success,
    )


def test_another_seed_or_policy_is_another_episode():
    """What the agreement above is worth."""
    env = compose(["env=salads"]).env
    episodes = [evaluated(env, Preferring(salt), STREAM + seed)[0] for salt in "ab" for seed in range(3)]
    assert len({str(episode) for episode in episodes}) > 3


def test_every_episode_has_a_seed_of_its_own_and_the_same_in_every_use():
    env = settings(Corridor, width=50)
    told = []
    run_episodes(RandomPolicy(), env, 6, greedy=True, seed=3, wrap=lambda inner: Watched(inner, told))
    again = []
    run_episodes(RandomPolicy(), env, 6, greedy=True, seed=3, wrap=lambda inner: Watched(inner, again))
    assert again == told
    starts = {scene for scene, *_ in told if "minute 0" in scene}
    assert len(starts) > 3


# A search ----------------------------------------------------------------------------------------------------------


class Swapping:
    """Plays the least probable action for certain, and proposes to learn the policy's distribution turned round."""

    def __init__(self, proposes=True):
        self.proposes, self.seen = proposes, []

    def __call__(self, worlds, decisions, log_probs):
        self.seen.append((worlds, decisions, [row.clone() for row in log_probs]))
        return [self.choice(row) for row in log_probs]

    def choice(self, row):
        played = torch.full_like(row, -torch.inf)
        played[row.argmin()] = 0.0
        return Choice(played, row.exp().flip(0) if self.proposes else None)


class Graded(Preferring):
    """Prefers the first of the menu, then the second, and so on: every action has another probability."""

    def log_probs(self, decisions):
        return [torch.arange(len(d.menu), 0, -1).float().log_softmax(0) for d in decisions]


def test_what_a_search_chooses_is_played_and_what_it_proposes_is_kept(env):
    search, policy = Swapping(), Graded()
    worlds = Worlds(env, policy, 0, 3)
    rollout = collect(worlds, 8, torch.Generator().manual_seed(0), search)
    assert len(search.seen) == 8
    assert all(seen[0] == worlds.worlds for seen in search.seen)
    assert [seen[1] for seen in search.seen] == rollout.decisions
    for t, row in enumerate(rollout.decisions):
        for b, decision in enumerate(row):
            own = policy.log_probs([decision])[0]
            assert rollout.actions[t, b] == len(decision.menu) - 1 == own.argmin()
            assert rollout.log_probs[t, b] == 0.0  # of what was played, not of the policy
            torch.testing.assert_close(rollout.targets[t][b], own.exp().flip(0), rtol=0, atol=0)
    assert len(rollout.targets) == 8


def test_a_search_that_proposes_nothing_still_chooses():
    rollout = collect(Worlds(KINDS["home"](), Graded(), 0, 2), 4, None, Swapping(proposes=False))
    assert rollout.targets == [[None, None]] * 4
    assert all(rollout.actions[t, b] == len(rollout.decisions[t][b].menu) - 1 for t in range(4) for b in range(2))


def test_without_a_search_there_are_no_targets():
    worlds = Worlds(KINDS["home"](), Graded(), 0, 2)
    rollout = collect(worlds, 4, None)
    assert rollout.targets is None
    assert (rollout.actions == 0).all()
    expected = torch.stack([torch.stack([Graded().log_probs([d])[0][0] for d in row]) for row in rollout.decisions])
    torch.testing.assert_close(rollout.log_probs, expected)


def test_evaluation_is_played_by_the_search_too():
    """Its choice and the policy's lead to different episodes, which are those of the reversed policy and its own."""

    class Reversed(Graded):
        def log_probs(self, decisions):
            return [row.flip(0) for row in super().log_probs(decisions)]

    def played(policy, search):
        told = []
        run_episodes(
            policy, KINDS["home"](), 2, greedy=True, seed=0, wrap=lambda e: Watched(e, told), deliberate=search
        )
        return told

    assert played(Graded(), Swapping()) == played(Reversed(), None) != played(Graded(), None)


# The driver itself --------------------------------------------------------------------------------------------------


def test_a_step_tells_what_was_asked_chosen_and_done(env):
    worlds = Worlds(env, Graded(), 0, 2).worlds
    decisions, before = [w.decision for w in worlds], [w.menu for w in worlds]
    transitions = drive(worlds, Graded(), None, Tolerance())
    assert [t.world for t in transitions] == worlds
    assert [t.decision for t in transitions] == decisions
    for transition, world, menu in zip(transitions, worlds, before, strict=True):
        assert transition.action == 0
        assert transition.target is None
        assert transition.step.state == world.state
        assert world.actions == [menu.indices[0]]


def test_all_worlds_are_asked_at_once():
    calls = []

    class Counting(Graded):
        def log_probs(self, decisions):
            calls.append(len(decisions))
            return super().log_probs(decisions)

    collect(Worlds(KINDS["home"](), Counting(), 0, 5), 3, None)
    assert calls == [5, 5, 5]


def test_where_a_policy_gives_no_probabilities_the_action_is_drawn_evenly():
    """Only for the decision that has none; an update sees the NaN and skips it."""

    class Sometimes(Graded):
        def log_probs(self, decisions):
            if any("kitchen" in d.state for d in decisions):
                raise NumericsError("overflow")
            return super().log_probs(decisions)

    rollout = collect(Worlds(KINDS["home"](), Sometimes(), 0, 3), 40, torch.Generator().manual_seed(0))
    is_odd = torch.tensor([["kitchen" in d.state for d in row] for row in rollout.decisions])
    assert (rollout.log_probs.isnan() == is_odd).all()
    assert is_odd.any()


def test_actions_are_drawn_in_proportion_and_without_a_generator_the_first_of_the_best_is_taken():
    row = torch.tensor([0.1, 0.6, 0.3]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([choose([row], generator)[0] for _ in range(4000)]).bincount(minlength=3) / 4000
    torch.testing.assert_close(drawn, row.exp(), atol=0.03, rtol=0)
    assert choose([row, torch.tensor([0.5, 0.5]).log()], None) == [1, 0]


def test_a_fault_drops_the_episode_of_its_world_alone():
    class Failing(gymnasium.Wrapper):
        def step(self, action):
            raise ValueError("broken")

    worlds = Worlds(settings(Corridor), Graded(), 0, 2, Tolerance(1.0))
    worlds.worlds[1].env = Failing(worlds.worlds[1].env)
    first, second = drive(worlds.worlds, Graded(), None, worlds.tolerance)
    assert first.step is not None
    assert second.step is None
    assert (worlds.tolerance.failed, worlds.worlds[0].episode, worlds.worlds[1].episode) == (1, 0, 1)
    assert worlds.worlds[1].actions == []
    worlds.worlds[1].env = Failing(worlds.worlds[1].env)
    with pytest.raises(EnvironmentFault, match=r"raised ValueError: broken"):
        drive(worlds.worlds, Graded(), None, Tolerance())
