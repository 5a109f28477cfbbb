"""Several ranks are one: the same log-probabilities, features and gradients, whoever computes which share."""

import json
import os
import random
import signal
import socket
import subprocess
import sys

import pytest
import torch
import zoo
from zoo import OutOfMemory, decisions, learner_and_rollout, learnt, relative
from zoo import policy as make

from tests.house import ROOT
from tests.lm import served
from twosome.agents.frozen import frozen_log_probs
from twosome.errors import ConfigError, ContextLengthError, RankError
from twosome.lm import ranks
from twosome.lm.link import Link, Message, packed, unpacked
from twosome.lm.ranks import Peer, Server, share, shares

CLOSE = 1e-6  # relative: the order of sums


class Beside:
    """A link to servers in this process; what crosses is packed as between processes."""

    def __init__(self, size):
        self.servers = {rank: Server(served.engine, rank) for rank in range(1, size)}
        self.owed = {}

    def send(self, rank, message):
        assert rank not in self.owed, "a rank that still sends is not listening"
        self.owed[rank] = bytes(packed(self.servers[rank](unpacked(bytes(packed(message))))))

    def receive(self, rank):
        return unpacked(self.owed.pop(rank))


def shared(size, link=None, theirs=None, **settings):
    """A policy of the zoo whose passes `size` ranks share, and the link. `theirs`: what the others are given."""
    link, policy = link or Beside(size), make(**settings)
    peers = [Peer(link, rank) for rank in range(1, size)]
    for peer in peers:
        peer.ask(Message({"do": "build", "settings": json.dumps(settings | (theirs or {}))}))
    policy.engine = share(policy.engine, peers)
    return policy, link


def flat(rows):
    return torch.cat([row.flatten() for row in rows])


def gradients(policy):
    """What the optimiser of the actor steps along in one PPO update, step by step."""
    learner, rollout = learner_and_rollout(policy)
    found = []
    learner.actor.register_step_pre_hook(lambda *_: found.append(flat([p.grad for p in policy.actor_parameters()])))
    learner.update(rollout, 0.0)
    assert found
    return found


def assert_equal(policy, alone):
    some, pairs = decisions(size=10), [("w4 w5", "w6 w7"), ("w5", "w8"), ("w4 w5", "w9")]
    states = [d.state for d in some]
    assert relative(flat(policy.log_probs(some)), flat(alone.log_probs(some))) < CLOSE
    assert relative(policy.features(states), alone.features(states)) < CLOSE
    both = [p.engine.complete(pairs, p.engine.continuation_passes) for p in (policy, alone)]
    assert relative(*map(torch.stack, both)) < CLOSE
    for here, there in zip(gradients(policy), gradients(alone), strict=True):
        assert relative(here, there) < CLOSE
    assert relative(flat(policy.actor_parameters()), flat(alone.actor_parameters())) < 1e-5
    assert relative(flat(policy.log_probs(some)), flat(alone.log_probs(some))) < 1e-5, "by the weights that it has now"


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("budget", [64, 512])  # many passes for every rank, or one
def test_ranks_give_what_one_process_gives(size, budget):
    policy, link = shared(size, budget=budget)
    assert_equal(policy, make(budget=budget))
    assert policy.describe_scorer()["scorer"] == "trie"
    assert all(server.engine.counts["passes"] for server in link.servers.values())


def test_a_share_whose_gradient_is_forgotten_would_be_seen(monkeypatch):
    monkeypatch.setattr(ranks, "add_gradients", lambda *_: None)
    assert relative(gradients(shared(2)[0])[0], gradients(make())[0]) > 0.1


def test_fewer_decisions_than_ranks_and_none():
    policy, link = shared(3)
    assert policy.log_probs([]) == []
    for n in (1, 2):
        some = decisions(size=3)[:n]
        rows, slope = learnt(policy, some)
        expected = learnt(make(), some)
        assert relative(flat(rows), flat(expected[0])) < CLOSE
        assert relative(slope, expected[1]) < CLOSE
    assert link.servers[2].engine.counts["passes"] == 0


@pytest.mark.parametrize("who", ["first", "other"])
@pytest.mark.parametrize("times", [1, 2])
def test_nothing_is_lost_when_one_rank_runs_out_of_memory(who, times):
    some = decisions(size=40)
    expected, (_, slope) = make().log_probs(some), learnt(make(), some)
    policy, link = shared(2, budget=4096)
    policy.log_probs(some[:1])
    short = policy if who == "first" else link.servers[1].engine
    OutOfMemory(short, times, above=30)
    assert relative(flat(policy.log_probs(some)), flat(expected)) < 1e-5
    assert policy.token_budget == 4096 // 2**times
    assert policy.counts["out_of_memory"] == times
    policy.log_probs(decisions(1))
    assert link.servers[1].engine.token_budget == policy.token_budget
    OutOfMemory(short, 1, above=30)
    with pytest.raises(MemoryError) if who == "other" else pytest.raises(torch.OutOfMemoryError) as ran_out:
        learnt(policy, some)
    policy.halve_budget(ran_out.value)
    assert relative(learnt(policy, some)[1], slope) < 1e-5


def test_others_know_when_the_adapter_is_off_and_that_it_has_changed():
    policy, alone, some = shared(3)[0], make(), decisions()
    fresh = flat(alone.log_probs(some))
    for p in (policy, alone):
        zoo.shake(p.lm)
    assert relative(flat(policy.log_probs(some)), flat(alone.log_probs(some))) < CLOSE
    assert relative(flat(alone.log_probs(some)), fresh) > 1e-2
    assert relative(flat(frozen_log_probs(policy, some)), fresh) < CLOSE
    assert relative(flat(policy.log_probs(some)), flat(alone.log_probs(some))) < CLOSE


def test_dropout_is_on_while_learning_alone_and_differs_from_rank_to_rank():
    policy, some = shared(3, dropout=0.5)[0], [decisions()[0]] * 3
    policy.settings.reuse = []
    zoo.shake(policy.lm)
    state = torch.get_rng_state()
    rows, slope = learnt(policy, some)
    assert min(relative(a, b) for a, b in zip(rows, rows[1:] + rows[:1], strict=True)) > 1e-4
    still = policy.engine.complete(some, policy.engine.menu_passes)
    assert max(relative(row, still[0]) for row in still[1:]) < CLOSE
    assert relative(rows[2], still[0]) > 1e-4
    torch.set_rng_state(state)
    again, same = learnt(policy, some)
    assert torch.equal(slope, same)
    assert all(map(torch.equal, rows, again))


def test_a_question_that_was_given_up_does_not_answer_the_next():
    policy, some = shared(2, budget=64)[0], decisions(size=10)
    for _ in policy.evaluate_actions(some):
        break
    assert relative(learnt(policy, some)[1], learnt(make(), some)[1]) < 1e-5


def test_what_is_raised_elsewhere_is_raised_here():
    policy, link = shared(2, theirs={"budget": 512})
    some = decisions(size=4)
    policy.log_probs(some[:1])
    link.servers[1].engine.encoder.max_tokens = 3
    with pytest.raises(ContextLengthError, match="On rank 1"):
        policy.log_probs(some)
    link.servers[1].engine.tokenizer = None
    with pytest.raises(RankError, match="On rank 1"):
        policy.features([d.state for d in some])


def test_another_model_elsewhere_is_refused():
    with pytest.raises(ConfigError, match="Rank 1 has loaded other weights"):
        shared(2, theirs={"family": "qwen3"})


def test_every_item_is_in_one_share_beside_its_like():
    rng = random.Random(0)
    for n in range(1, 5):
        texts = ["".join(rng.choices("abc", k=rng.randint(1, 9))) for _ in range(rng.randint(0, 40))]
        parts = shares(texts, n)
        assert [texts[i] for part in parts for i in part] == sorted(texts)
        assert sorted(i for part in parts for i in part) == list(range(len(texts)))
        lengths = [sum(len(texts[i]) + 1 for i in part) for part in parts]
        assert max(lengths) - min(lengths) <= 2 * 10 or len(texts) < n
        assert parts[0] or not texts


# Processes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def processes(monkeypatch):
    """A link of 2 by gloo, and the process of rank 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    names = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-m", "tests.lm.served"]
    other = subprocess.Popen(command, env=os.environ | place | names | {"RANK": "1"}, cwd=ROOT)
    for name, value in (place | {"RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    link = Link()
    link.seconds = 300.0
    yield link, other
    other.kill()
    link.close()
    other.wait()


def test_processes_give_what_one_gives_and_the_first_tells_that_another_died(processes):
    link, other = processes
    policy, _ = shared(2, link, budget=64)
    assert_equal(policy, make(budget=64))
    policy.log_probs(decisions(7))
    os.kill(other.pid, signal.SIGKILL)
    with pytest.raises(RankError, match="Rank 1 of the 2 processes has died"):
        policy.log_probs(decisions(8, size=20))


@pytest.mark.slow
def test_the_first_waits_so_long_and_no_longer(processes):
    link, other = processes
    policy, _ = shared(2, link)
    policy.log_probs(decisions())
    os.kill(other.pid, signal.SIGSTOP)
    link.seconds = 1.0
    with pytest.raises(RankError, match=r"Rank 1 of the 2 processes did not answer within 1 s.*rank_timeout"):
        policy.log_probs(decisions(8, size=20))


@pytest.mark.slow
def test_others_end_in_good_order_with_the_first(processes):
    link, other = processes
    policy, _ = shared(2, link)
    policy.log_probs(decisions())
    link.close()
    assert other.wait(60) == 0
