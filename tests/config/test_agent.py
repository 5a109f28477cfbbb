"""`agent=advised` becomes part of the world, so that whatever reads the settings of a world needs nothing new."""

import gymnasium
import pytest

from twosome.config.compose import compose, compose_command
from twosome.config.saved import must_agree, saved_settings, to_yaml
from twosome.errors import CheckpointError, ConfigError

ADVISED = ["env=tomato_salad", "agent=advised", "agent.cost=0.02"]
TOMATO = compose(["env=tomato_salad"])
MADE = compose(ADVISED)


@pytest.fixture
def folder(tmp_path):
    """The folder of a run with an adviser."""
    (tmp_path / "config.yaml").write_text(to_yaml(MADE))
    return tmp_path


@pytest.mark.parametrize("command", ["train", "play", "inspect"])
def test_the_world_is_one(command):
    """Discount, optimum and time limit are the inner world's; the numbers are those of the agent."""
    alone, made = (
        TOMATO.env,
        compose_command([*ADVISED, "env.step_timeout=9", "env.kwargs.wish=1"], command),
    )
    assert made.agent is None
    assert (made.env.gamma, made.env.optimum, made.env.step_timeout) == (alone.gamma, alone.optimum, 9)
    assert made.env.id == "twosome_envs:twosome/Advised-v0"
    world = {"id": alone.id, "kwargs": {"wish": 1}}
    assert made.env.kwargs == {"world": world, "gamma": 0.99, "cost": 0.02, "max_internal": 100, "states": 50_000}


def test_the_optimum_is_that_of_the_world():
    env = compose(["env=tomato_lettuce_salad", "agent=advised", "agent.cost=0.3"]).env
    inside = gymnasium.make(env.id, **env.kwargs).unwrapped
    assert [end.never for end in inside.ends([0.3])] == pytest.approx([env.optimum], abs=1e-12)


def test_without_an_agent_nothing_is_changed():
    assert compose(["env=tomato_salad", "agent=none"]) == TOMATO


def test_saved_settings_come_back(folder):
    assert saved_settings(folder / "config.yaml") == MADE
    must_agree(folder, MADE)
    with pytest.raises(ConfigError, match=r"env\.kwargs\.cost: 0\.02 -> 0\.05"):
        must_agree(folder, compose(ADVISED[:2]))
    changed = saved_settings(folder / "config.yaml", ["env.kwargs.cost=0.5"])
    assert changed.env.kwargs["cost"] == 0.5


def test_a_run_is_continued_with_its_agent(folder):
    for asked in ([], ADVISED):
        again = compose([f"resume={folder}", *asked])
        assert again.env == MADE.env
    with pytest.raises(ConfigError, match=r"continues a run with its own settings.*cost: 0\.02 -> 0\.1"):
        compose([f"resume={folder}", *ADVISED[:2], "agent.cost=0.1"])


def test_saved_settings_hold_no_agent_beside_the_world(folder):
    text = (folder / "config.yaml").read_text()
    assert "agent: null" in text
    agent = "agent: {id: 'x:Y-v0', cost: 1, max_internal: 1, states: 1}"
    (folder / "config.yaml").write_text(text.replace("agent: null", agent))
    with pytest.raises(CheckpointError, match="agent belongs to a command line"):
        saved_settings(folder / "config.yaml")


def test_older_settings_have_none(folder):
    text = to_yaml(TOMATO).replace("agent: null\n", "")
    (folder / "config.yaml").write_text(text)
    assert saved_settings(folder / "config.yaml") == TOMATO


@pytest.mark.parametrize(
    ("command", "overrides", "message"),
    [
        ("train", ["agent.cost=0.1"], r"agent\.cost=0\.1 does nothing without an agent\. Add agent=advised"),
        ("train", ["agent=none", "agent.cost=0.1"], "does nothing without an agent"),
        ("train", ["agent=none,advised", "agent.cost=0.1"], "does nothing without an agent"),
        ("train", ["agent=advised", "agent.cots=0.1"], r"Unknown setting 'agent\.cots'\. Did you mean 'agent\.cost'"),
        ("train", ["agent=advised", "agent.cost=-1"], r"agent\.cost=-1\.0 cannot work: expected a finite number, 0 or"),
        ("train", ["agent=advise"], r"Unknown agent 'advise'\. Did you mean 'advised'"),
        ("inspect", ["agent=advised"], r"An agent is put around a world that is chosen too: add env=NAME"),
        (
            "eval",
            ["checkpoint=tiny", "agent=advised"],
            r"agent=advised is for a world that is chosen too: add env=NAME",
        ),
    ],
)
def test_what_cannot_work_is_told(command, overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose_command(overrides, command)


def test_an_evaluation_puts_it_around_every_world(tmp_path, monkeypatch):
    """`twosome-eval env=[a,b] agent=advised agent.cost=...`."""
    from twosome.cli import evaluate

    cfg = compose_command(["checkpoint=tiny", "env=[tomato_salad,food_preparation]", *ADVISED[1:]], "eval")
    worlds = {}
    monkeypatch.setattr(
        evaluate, "_sources", lambda cfg, trains_own: (_ for _ in ()).throw(KeyError(str(cfg.overrides)))
    )
    named = evaluate._worlds
    monkeypatch.setattr(evaluate, "_worlds", lambda *given: worlds.update(named(*given)))
    with pytest.raises(KeyError, match=r"\[\]"):  # none of it is left for the checkpoint's own settings
        evaluate.job(cfg)
    assert worlds == {name: compose([f"env={name}", *ADVISED[1:]]).env for name in ("tomato_salad", "food_preparation")}
