"""Laws of branches: which pairs are told apart, what chance may not tell, what is counted, what is left as it was."""

import copy
import json

import gymnasium
import pytest
import torch

from tests.rl.tasks import Identity, setup
from twosome.agents.branches import Branches, between, drawn
from twosome.agents.simulator import Simulator
from twosome.config.compose import compose
from twosome.errors import ConfigError
from twosome.rollout.checked_env import World
from twosome.rollout.collect import collect
from twosome.rollout.evaluate import evaluate
from twosome.rollout.first_look import first_look
from twosome.systems.baselines.random import RandomPolicy
from twosome.types import Decision

CFG = compose(["env=toolbox", "env.kwargs.questions=3"])
N = 12


class Returning(Identity):
    """The same, and it can go back."""

    def snapshot(self):
        return self.colour

    def restore(self, snapshot):
        self.colour = snapshot
        return self._answer()


gymnasium.register("TwosomeTest/Returning-v0", Returning)


def branches(seed=0, **changes):
    settings = copy.deepcopy(CFG.preference)
    for name, value in {"share": 1.0, **changes}.items():
        setattr(settings, name, value)
    return Branches(RandomPolicy(), settings, seed)


@pytest.fixture
def worlds():
    made = [World(CFG.env, RandomPolicy(), 0, b) for b in range(N)]
    for world in made:
        world.reset()
    return made


def differences(made, worlds, actions, seeds):
    """Of the returns of two actions in every world, each with its random numbers."""
    simulators = {k: Simulator(world) for k, world in enumerate(worlds)}
    one, other = (
        made._returns(simulators, dict.fromkeys(simulators, a), s) for a, s in zip(actions, seeds, strict=True)
    )
    for simulator in simulators.values():
        simulator.close()
    return [one[k] - other[k] for k in simulators]


def test_chance_after_two_actions_that_lead_to_the_same_tells_nothing(worlds):
    """Two answers differ by whether they are right, and not by what the same questions after them come to."""
    made, seeds = branches(), {k: k for k in range(N)}
    answers = differences(made, worlds, (0, 1), (seeds, seeds))
    assert set(map(round, answers)) <= {-1, 0, 1}
    assert all(abs(d - round(d)) < 1e-9 for d in answers)
    other = {k: 100 + k for k in range(N)}  # the wrong variant: each branch has chances of its own
    assert any(abs(d - round(d)) > 1e-9 or abs(d) > 1 for d in differences(made, worlds, (0, 1), (seeds, other)))


def test_a_question_credited_alone_ends_its_branch(worlds):
    seeds, other = ({k: first + k for k in range(N)} for first in (0, 100))
    alone = branches(credit="question")
    answers = differences(alone, worlds, (0, 1), (seeds, other))
    assert all(abs(d - round(d)) < 1e-9 and abs(d) <= 1 for d in answers), "nothing of the other questions"
    whole = branches()
    assert any(abs(d) > 1 for d in differences(whole, worlds, (0, 1), (seeds, other)))  # the wrong variant
    tools = [next(k for k, p in enumerate(w.menu.phrases) if not p.startswith("say ")) for w in worlds]
    simulators = {k: Simulator(world) for k, world in enumerate(worlds)}
    returned = alone._returns(simulators, dict(enumerate(tools)), seeds)
    assert all(s.world.decision != s.start.payload.decision and not s.world.is_over for s in simulators.values())
    assert all(r < 1 for r in returned.values()), "one answer at most, and the tool's price"
    for simulator in simulators.values():
        simulator.close()


def test_pairs_are_those_told_apart_and_the_worlds_are_left_as_they_were(worlds):
    made = branches()
    before = [(w.snapshot(), w.decision) for w in worlds]
    rows = RandomPolicy().log_probs([w.decision for w in worlds])
    choices = made(worlds, [w.decision for w in worlds], rows)
    assert [(w.snapshot(), w.decision) for w in worlds] == before
    assert all(choice.log_probs is row and choice.target is None for choice, row in zip(choices, rows, strict=True))
    found, metrics = made.take(), made.metrics()
    assert made.take() == []
    assert metrics["branches/pairs"] == N
    assert metrics["branches/told_apart"] == pytest.approx(len(found) / N)
    assert 0 < len(found) < N  # two wrong answers tell nothing
    assert metrics["branches/simulated_steps"] >= 2 * 3 * N
    for pair, gap in found:
        assert gap > CFG.preference.delta
        [world] = [w for w in worlds if w.decision.prompt == pair.prompt]
        question = world.env.unwrapped.view.question
        said = [phrase.removeprefix("say ") == question.answers[question.right] for phrase in pair.menu]
        if all(phrase.startswith("say ") for phrase in pair.menu):
            assert said == [True, False]  # the better first
    gaps = {pair.prompt: gap for pair, gap in found}
    slow = branches()
    simulators = {k: Simulator(world) for k, world in enumerate(worlds)}
    slow.rng.random(N)  # whether to play: always
    two = {k: slow._two(rows[k]) for k in simulators}
    seeds = {k: int(slow.rng.integers(2**63)) for k in simulators}
    one, other = (slow._returns(simulators, {k: pair[i] for k, pair in two.items()}, seeds) for i in (0, 1))
    for k, simulator in simulators.items():
        simulator.close()
        assert gaps.get(worlds[k].decision.prompt, 0.0) == abs(one[k] - other[k])
    made = branches(delta=1e6)
    made(worlds, [w.decision for w in worlds], rows)
    assert made.take() == []


def test_a_share_of_the_decisions_and_so_many_steps(worlds):
    made, decisions = branches(share=0.25, horizon=1), [w.decision for w in worlds]
    for _ in range(4):
        made(worlds, decisions, RandomPolicy().log_probs(decisions))
    assert 4 <= made.counts["pairs"] <= 22  # of 48 drawn with 1/4
    assert made.counts["steps"] == 2 * made.counts["pairs"]


def test_it_goes_on_from_a_saved_state(worlds):
    decisions = [w.decision for w in worlds]
    rows = RandomPolicy().log_probs(decisions)
    one, other = branches(share=0.5), branches(share=0.5, seed=9)
    one(worlds, decisions, rows)
    one.take()
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    one(worlds, decisions, rows)
    other(worlds, decisions, rows)
    assert one.take() == other.take()
    assert one.metrics() == other.metrics()


def test_actions_are_drawn_in_their_proportion():
    row = torch.tensor([0.5, 0.25, 0.25]).log()
    assert [drawn(row, chance) for chance in (0.0, 0.49, 0.51, 0.74, 0.76, 0.999999)] == [0, 0, 1, 1, 2, 2]
    assert drawn(torch.full((4,), torch.nan), 0.3) == 1
    assert between(Decision("s", "p", ("a", "b", "c"), (1.0, 2.0, 3.0)), 2, 0) == Decision(
        "s", "p", ("c", "a"), (3.0, 1.0)
    )


def test_a_world_that_cannot_go_back_is_refused_with_the_remedy():
    own = compose(["env=own", "env.id=TwosomeTest/Identity-v0"]).env
    first_look(own, 0)
    with pytest.raises(ConfigError, match=r"method=preference plays two branches.*cannot go back.*method=twosome"):
        first_look(own, 0, branches=True)
    world = World(own, RandomPolicy(), 0, 0)
    world.reset()
    with pytest.raises(ConfigError, match="method=preference plays two branches"):
        branches()([world], [world.decision], RandomPolicy().log_probs([world.decision]))


@pytest.mark.slow  # a run of seconds
def test_an_identity_task_is_learnt_from_branches():
    made = setup("method=preference", "env.id=TwosomeTest/Returning-v0", "preference.share=1.0")
    beside = Branches(made.policy, made.cfg.preference, 0)
    made.learner.take = beside.take
    for update in range(10):
        rollout = collect(made.worlds, 8, torch.Generator().manual_seed(update), beside)
        metrics = made.learner.update(rollout, 0.0)
    result = evaluate(made.policy, made.cfg.env, 40, seed=1)
    assert result["greedy"]["return_mean"] == 1.0
    assert metrics["preference/accuracy"] > 0.9
