"""Laws of policies that value actions: what Q reads, that it is computed once, how it decides, how it comes back."""

import logging

import pytest
import torch
import zoo
from safetensors.torch import load_file, save_file

from twosome.agents.action_values import ActionValuePolicy, QPolicy
from twosome.config.compose import compose
from twosome.errors import CheckpointError, NumericsError
from twosome.lm.value_head import ActionValueHead
from twosome.rollout.situation import AFTER_THE_END
from twosome.types import Menu


def made(kind=QPolicy, tau=0.5, epsilon=0.0, tau_end=0.005, epsilon_end=0.01, **options):
    plain = zoo.policy(**options)
    torch.manual_seed(3)
    head = ActionValueHead(32, compose([]).model.value_head)
    torch.nn.init.normal_(head.layers[-1].weight)
    schedule = {"tau": tau, "epsilon": epsilon, "tau_end": tau_end, "epsilon_end": epsilon_end}
    settings = compose([f"q_head.{name}={value}" for name, value in schedule.items()]).q_head
    extra = {"q_head": settings} if kind is QPolicy else {}
    return kind(plain.lm, plain.tokenizer, head, plain.settings, **extra)


@pytest.fixture(scope="module")
def policy():
    return made()


ROUNDING = 1e-4  # of log-probabilities of some -50 in float32, where what was asked beside a decision differs
DECISIONS = list(dict.fromkeys(zoo.decisions(3)))


def pairs_of(decisions):
    return [(d.state, action) for d in decisions for action in d.menu]


def slow_features(policy, pairs):
    """One sequence at a time, adapter off: the hidden state at the last token of the state and the action."""
    rows = []
    with policy.lm.disable_adapter(), torch.no_grad():
        for state, action in pairs:
            ids = torch.tensor([policy.tokenizer(f"{state} {action}")["input_ids"]])
            rows.append(policy.lm(input_ids=ids, output_hidden_states=True).hidden_states[-1][0, -1])
    return torch.stack(rows)


def test_what_is_kept_is_what_a_pass_of_its_own_gives(policy):
    pairs = pairs_of(DECISIONS)
    slow = slow_features(policy, pairs)
    assert policy.engine.describe()["scorer"] in ("trie", "not checked yet")
    for _ in range(2):  # computed, then kept
        assert torch.allclose(policy.action_features(pairs), slow, atol=1e-5)
    assert policy.engine.describe()["scorer"] == "trie", "states are shared by their actions"
    forgetful = made(reuse=())
    assert torch.allclose(forgetful.action_features(pairs), slow, atol=1e-5)
    states_alone = policy.features([state for state, _ in pairs])  # the wrong variant: every action alike
    assert not torch.allclose(states_alone, slow, atol=0.1)


def test_a_state_met_again_costs_no_pass_and_the_adapter_none_of_its_values(policy):
    before = policy.log_probs(DECISIONS)
    passes = policy.counts["passes"]
    computed = policy.counts["states_computed"]
    zoo.shake(policy.lm)
    policy.clear_cache()
    assert zoo.worst(policy.log_probs(DECISIONS[::-1]), before[::-1]) < ROUNDING
    assert (policy.counts["passes"], policy.counts["states_computed"]) == (passes, computed)
    fresh = made()
    zoo.shake(fresh.lm)
    assert zoo.worst(fresh.log_probs(DECISIONS), before) < ROUNDING
    assert zoo.worst(ActionValuePolicy.__mro__[1].log_probs(fresh, DECISIONS), before) > 0.01, "the actor is another"


def test_the_cache_is_bounded():
    small = made(capacity=5)
    small.log_probs(DECISIONS)
    assert len(small._features) == 5


def test_it_plays_softmax_of_q_and_of_what_is_recalled(policy):
    values = policy.action_values(DECISIONS)
    assert zoo.worst(policy.log_probs(DECISIONS), [(q / 0.5).log_softmax(0) for q in values]) < 1e-6
    bias = [tuple(0.1 * k for k in range(len(d.menu))) for d in DECISIONS]
    advised = [d._replace(bias=b, prompt="It was told. " + d.prompt) for d, b in zip(DECISIONS, bias, strict=True)]
    expected = [(q / 0.5 + torch.tensor(b)).log_softmax(0) for q, b in zip(values, bias, strict=True)]
    assert zoo.worst(policy.log_probs(advised), expected) < 1e-6, "Q reads the plain state"


def test_and_sometimes_any_of_the_menu(policy):
    mixed = made(epsilon=0.3)
    for exact, row in zip(policy.log_probs(DECISIONS), mixed.log_probs(DECISIONS), strict=True):
        assert torch.allclose(row.exp(), 0.7 * exact.exp() + 0.3 / len(row), atol=1e-6)


def test_without_a_temperature_it_is_epsilon_greedy():
    policy = made(tau=1e-6, epsilon=0.3)
    for q, row in zip(policy.action_values(DECISIONS), policy.log_probs(DECISIONS), strict=True):
        share = torch.full_like(q, 0.3 / len(q))
        share[q.argmax()] += 0.7
        assert torch.allclose(row.exp(), share, atol=1e-6)
    policy.epsilon = 0.0
    assert all(torch.isfinite(row).all() for row in policy.log_probs(DECISIONS)), "no probability is without logarithm"
    assert policy._of(torch.tensor([1.0, 1.0, 0.0]), ()).exp().tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_the_order_of_a_menu_changes_nothing(policy):
    turned = [d._replace(menu=d.menu[::-1]) for d in DECISIONS]
    assert zoo.worst([row.flip(0) for row in policy.log_probs(turned)], policy.log_probs(DECISIONS)) < ROUNDING


@pytest.mark.parametrize("kind", [QPolicy, ActionValuePolicy])
def test_a_state_is_worth_what_the_policy_expects_of_its_menu(kind):
    policy = made(kind)
    observation = {"goal": "w5 w6", "scene": "w7 w8"}
    decision = policy.decide(observation, Menu(("w9", "w10 w11"), (0, 1)))
    policy.decide(observation, AFTER_THE_END)  # where an episode was cut off: no menu to value it by
    [row], [q] = policy.log_probs([decision]), policy.action_values([decision])
    found = policy.values(["w0 never met", decision.state])
    assert found.tolist() == pytest.approx([0.0, float((row.exp() * q).sum())])


def test_a_head_that_gives_no_number_is_told():
    policy = made()
    torch.nn.init.constant_(policy.value_head.layers[-1].bias, torch.nan)
    with pytest.raises(NumericsError, match="The head gives the values"):
        policy.log_probs(DECISIONS)


def test_features_are_brought_to_one_scale_once():
    head = ActionValueHead(
        4, compose(["model.value_head.kind=linear", "model.value_head.layer_norm=false"]).model.value_head
    )
    features = 5 + torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 1, 0.01, 0])
    head.fit(features)
    scaled = (features - head.mean) / head.deviation
    assert torch.allclose(scaled.mean(0), torch.zeros(4), atol=1e-3)
    assert torch.allclose(scaled.std(0, correction=0), torch.tensor([1.0, 1, 1, 0]), atol=0.01)
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    head.fit(features * 3)
    assert all(torch.equal(before[name], tensor) for name, tensor in head.state_dict().items())


# Shown ----------------------------------------------------------------------------------------------------------------


def test_a_decision_taken_apart_shows_q_and_what_it_decides(policy):
    [decision] = DECISIONS[:1]
    shown = policy.inspect(decision.prompt, decision.menu)
    [row], [q] = policy.log_probs([decision]), policy.action_values([decision])
    assert shown.probs.tolist() == pytest.approx(row.exp().tolist())
    assert shown.log_probs.tolist() == pytest.approx(row.tolist())
    assert shown.value == pytest.approx(float((row.exp() * q).sum()), abs=1e-5)
    told = shown.to_dict()
    assert told["action_values"] == pytest.approx(q.tolist())
    assert told["probs"] == pytest.approx(row.exp().tolist())
    assert list(shown.to_frame()["action_value"]) == pytest.approx(q.tolist())
    for text in (str(shown), shown._repr_html_()):
        assert f"{q.max():.3f}" in text
        assert "chosen by Q" in text
        assert "log p" not in text
    frozen = policy.inspect(decision.prompt, decision.menu, adapter=False)
    assert "log p" in str(frozen), "the language model without what was learnt"
    actor = made(ActionValuePolicy).inspect(decision.prompt, decision.menu)
    assert all(word in str(actor) for word in ("log p", "Q: the discounted return"))
    assert "action_values" not in zoo.policy().inspect(decision.prompt, decision.menu).to_dict()


# Kept -----------------------------------------------------------------------------------------------------------------


def test_weights_come_back_with_how_much_is_explored(tmp_path, policy):
    policy.tau, policy.epsilon = 0.1 / 3, 0.7
    policy.save_weights(tmp_path)
    again = made()
    torch.nn.init.zeros_(again.value_head.layers[-1].weight)
    again.load_weights(tmp_path)
    assert (again.tau, again.epsilon) == (0.1 / 3, 0.7), "in the same bits"
    assert zoo.worst(again.action_values(DECISIONS), policy.action_values(DECISIONS)) < 1e-5
    for forged in ([0.0, 0.1], [1e-320, 0.1], [0.1, 1.0], [0.1, float("nan")], [0.1]):
        save_file({"explores": torch.tensor(forged, dtype=torch.float64)}, tmp_path / "exploration.safetensors")
        with pytest.raises(CheckpointError, match=r"exploration\.safetensors"):
            again.load_weights(tmp_path)


def test_of_a_former_run_what_it_did_not_act_by_is_left_out(tmp_path, policy):
    policy.save_weights(tmp_path)
    (tmp_path / "exploration.safetensors").unlink()
    save_file({"explores": torch.tensor([0.3, 0.2], dtype=torch.float64)}, tmp_path / "acting.safetensors")
    softmax, greedy = made(tau=0.5, epsilon=0.0, tau_end=0.1, epsilon_end=0.0), made(QPolicy, 1e-6, 0.3, tau_end=1e-6)
    for again, expected in ((softmax, (0.3, 0.0)), (greedy, (1e-6, 0.2))):
        again.load_weights(tmp_path)
        assert (again.tau, again.epsilon) == expected


def test_of_a_run_that_values_states_the_adapter_alone_is_taken(tmp_path, caplog):
    plain = zoo.policy()
    zoo.shake(plain.lm)
    plain.save_weights(tmp_path)
    policy = made(ActionValuePolicy)
    head = {name: tensor.clone() for name, tensor in policy.value_head.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        policy.load_weights(tmp_path)
    assert "values states and no actions" in caplog.text
    assert zoo.worst(policy.log_probs(DECISIONS), plain.log_probs(DECISIONS)) == 0
    assert all(torch.equal(head[name], tensor) for name, tensor in policy.value_head.state_dict().items())
    assert "value_head" not in {p.stem for p in tmp_path.iterdir()} or load_file(tmp_path / "value_head.safetensors")
    (tmp_path / "value_head.safetensors").unlink()
    with pytest.raises(CheckpointError):
        policy.load_weights(tmp_path)
