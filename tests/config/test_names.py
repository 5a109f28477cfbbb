"""Names that were changed are read for one version, with one warning each time; near misses are suggested."""

import doctest
import logging

import pytest
import yaml

from twosome.cli import command
from twosome.config import names
from twosome.config.compose import compose
from twosome.config.names import RENAMED_KEYS, near, renamed_overrides, renamed_settings
from twosome.config.saved import saved_settings
from twosome.errors import ConfigError

# (old override, new name, value in the settings, in a saved file: group, old name, value)
OLD = [
    ("ppo.imitation.weight=0.25", "ppo.self_imitation.weight", 0.25),
    ("ppo.imitation={rollouts: 3, samples: 7}", "ppo.self_imitation.samples", 7),
    ("ppo.novelty=0.125", "ppo.count_bonus", 0.125),
    ("log.probe_states=3", "log.tracked_states", 3),
    ("log.probe_interval=7", "log.tracked_interval", 7),
    ("env.step_seconds=9", "env.step_timeout", 9),
    ("policy.scorer=forest", "policy.scorer", "trie"),
    ("policy.scorer='forest'", "policy.scorer", "trie"),
]
OLD_FILE = {
    "ppo": {"imitation": {"weight": 0.25, "rollouts": 3, "samples": 7}, "novelty": 0.125},
    "log": {"probe_states": 3, "probe_interval": 7},
    "env": {"step_seconds": 9},
    "policy": {"scorer": "forest"},
}


def value_of(cfg, key: str):
    for part in key.split("."):
        cfg = getattr(cfg, part)
    return cfg


@pytest.fixture
def warned(caplog):
    """The warnings so far, one text each."""
    caplog.set_level(logging.INFO)
    return lambda: [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def old_file(folder) -> str:
    """A saved config.yaml in which every changed name is the old one."""
    from twosome.config.saved import to_yaml

    data = yaml.safe_load(to_yaml(compose([])))
    for group, old in OLD_FILE.items():
        for new in ("self_imitation", "count_bonus", "tracked_states", "tracked_interval", "step_timeout"):
            data[group].pop(new, None)
        data[group] |= old
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_the_tables_cover_every_name_that_was_changed():
    keys = {old.split("=")[0].removesuffix(".weight") for old, *_ in OLD} - {"policy.scorer"}
    assert keys == RENAMED_KEYS.keys()


@pytest.mark.parametrize(("old", "new", "value"), OLD)
def test_an_old_name_on_the_command_line_lands_in_the_new_field_with_one_warning(old, new, value, warned):
    assert value_of(compose([old]), new) == value
    [said] = warned()
    assert "the command line" in said
    assert new.rpartition(".")[0] in said


def test_several_old_names_on_one_command_line_are_one_warning(warned):
    cfg = compose([old for old, *_ in OLD])
    assert {new: value_of(cfg, new) for _, new, _ in OLD} == {new: value for _, new, value in OLD}
    [said] = warned()
    assert all(old in said and new in said for old, new, _ in OLD if "{" not in old and ".weight" not in old)


def test_hydras_own_command_line_reads_them_with_one_warning_too(warned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen: list = []
    command.run("train", seen.append, ["-m", "seed=1,2", "ppo.novelty=0.125", "++log.probe_states=3"])
    assert [(cfg.ppo.count_bonus, cfg.log.tracked_states) for cfg in seen] == [(0.125, 3)] * 2
    assert len(warned()) == 1


def test_a_saved_file_is_read_with_one_warning(warned, tmp_path):
    cfg = saved_settings(old_file(tmp_path))
    assert {new: value_of(cfg, new) for _, new, _ in OLD} == {new: value for _, new, value in OLD}
    [said] = warned()
    assert str(tmp_path) in said
    assert all(f"{old} is now {new}" in said for old, new in RENAMED_KEYS.items())


def test_each_source_warns_once(warned, tmp_path):
    cfg = saved_settings(old_file(tmp_path), ["ppo.novelty=0.5", "log.tracked_states=9"])
    assert (cfg.ppo.count_bonus, cfg.log.tracked_states, cfg.log.tracked_interval) == (0.5, 9, 7)
    assert len(warned()) == 2


def test_a_run_is_continued_with_one_warning_for_its_file(warned, tmp_path):
    old_file(tmp_path)
    cfg = compose([f"resume={tmp_path}"])
    assert (cfg.ppo.count_bonus, cfg.policy.scorer) == (0.125, "trie")
    assert len(warned()) == 1


def test_names_of_today_give_no_warning(warned, tmp_path):
    from twosome.config.saved import to_yaml

    (tmp_path / "config.yaml").write_text(to_yaml(compose(["ppo.count_bonus=0.1", "policy.scorer=trie"])))
    saved_settings(tmp_path / "config.yaml", ["log.tracked_states=2"])
    assert warned() == []


def test_where_both_names_are_given_todays_counts(warned):
    data = renamed_settings({"ppo": {"novelty": 0.5, "count_bonus": 0.1}}, "here")
    assert data == {"ppo": {"count_bonus": 0.1}}


def test_other_names_that_begin_alike_stay():
    assert renamed_overrides(
        ["ppo.novelty_scale=1", "log.probe_statesx=2", "policy.scorer=forestry", "name=forest"]
    ) == [
        "ppo.novelty_scale=1",
        "log.probe_statesx=2",
        "policy.scorer=forestry",
        "name=forest",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ppo:\n  imitation: {weight: 0.5}\n", "ppo.self_imitation"),
        ("ppo:\n  novelty: 0.5\n", "ppo.count_bonus"),
        ("log:\n  probe_states: 3\n", "log.tracked_states"),
        ("log: {probe_interval: 3}\n", "log.tracked_interval"),
        ("policy: {scorer: forest}\n", "trie"),
    ],
)
def test_in_a_file_of_the_users_own_the_error_names_the_new_one(old: str, new: str, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "own/experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(f"# @package _global_\n{old}")
    with pytest.raises(SystemExit) as stop:
        command.run("train", print, ["--config-dir", str(tmp_path / "own"), "experiment=mine"])
    assert stop.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"is now {new!r}: rename it in your file." in said


def test_a_group_of_the_users_own_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ppo").mkdir()
    (tmp_path / "ppo/mine.yaml").write_text("defaults: [default]\nnovelty: 0.5\n")
    with pytest.raises(SystemExit):
        command.run("train", print, ["--config-dir", str(tmp_path), "ppo=mine"])
    assert "'ppo.novelty' is now 'ppo.count_bonus'" in capsys.readouterr().err


# Near misses ----------------------------------------------------------------------------------------------------------


def test_the_examples_run():
    found = doctest.testmod(names)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("seeed", "seed"), ("ppo.clipp", "ppo.clip"), ("clip", "ppo.clip"), ("lora.rank", "model.lora.rank")],
)
def test_a_key_is_compared_whole_then_by_its_last_part(wrong: str, hint: str):
    known = ["seed", "ppo.clip", "ppo.value_clip", "model.lora.rank", "model.name"]
    assert near(wrong, known) == f" Did you mean {hint!r}?"
    assert near("zzz", known) == ""


def test_an_old_name_with_a_mistake_in_it_is_told_by_todays_name():
    with pytest.raises(ConfigError, match=r"ppo\.self_imitation\.wieght'\. Did you mean 'ppo\.self_imitation\.weight'"):
        compose(["ppo.imitation.wieght=2"])


def test_how_a_q_head_acted_is_read_as_temperature_and_share_of_chance():
    old = {"tau": 0.1, "tau_end": 0.005, "epsilon": 0.2, "epsilon_end": 0.02}
    softmax = renamed_settings({"q_head": {**old, "acting": "softmax"}}, "here")["q_head"]
    assert softmax == {"tau": 0.1, "tau_end": 0.005, "epsilon": 0.0, "epsilon_end": 0.0}
    greedy = renamed_settings({"q_head": {**old, "acting": "epsilon"}}, "here")["q_head"]
    assert greedy == {"tau": 1e-6, "tau_end": 1e-6, "epsilon": 0.2, "epsilon_end": 0.02}
    assert renamed_settings({"q_head": {**old}}, "here") == {"q_head": old}
