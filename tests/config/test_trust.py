"""What a stranger's settings ask for is done only after the user has named it, or in a run of the user's own."""

import dataclasses
import json
import os
import shutil
import sys
import textwrap

import pytest

from tests.faults import paragraph
from tests.training.small_run import SMALL
from twosome.cli.play import main as play
from twosome.config import trust
from twosome.config.compose import compose, compose_command
from twosome.config.python import quoted_entries
from twosome.config.saved import saved_settings, to_yaml
from twosome.config.schema import EnvSettings
from twosome.errors import CheckpointError, ConfigError
from twosome.rollout.contract import make_env
from twosome.rollout.session import replay
from twosome.training.run_folder import open_run

EVIL = "antigravity_of_a_stranger"
MIXTURE = "twosome_envs:twosome/Mixture-v0"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A home of its own, so that no test reads or writes the user's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A module of a stranger beside the user; the file that its import makes."""
    path = tmp_path / "canary"
    code = f"""
        import pathlib, gymnasium, twosome_envs
        pathlib.Path({str(path)!r}).touch()
        gymnasium.register("World-of-a-Stranger-v0", entry_point=lambda **k: gymnasium.make("twosome/TomatoSalad-v0"))
    """
    (tmp_path / f"{EVIL}.py").write_text(textwrap.dedent(code))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop(EVIL, None)


def saved(tmp_path, **env):
    """The config of a run as a stranger could write it."""
    cfg = compose(["method=tabular"])
    cfg.env = dataclasses.replace(cfg.env, **env)
    (tmp_path / "config.yaml").write_text(to_yaml(cfg))
    return tmp_path / "config.yaml"


NESTED = [
    {"id": f"{EVIL}:World-v0"},
    {"id": MIXTURE, "kwargs": {"worlds": [f"{EVIL}:World-v0"]}},
    {"id": MIXTURE, "kwargs": {"worlds": [{"id": f"{EVIL}:World-v0"}]}},
    {
        "id": "twosome_envs:twosome/Agent-v0",
        "kwargs": {"world": {"id": MIXTURE, "kwargs": {"worlds": [f"{EVIL}:W-v0"]}}},
    },
    {"id": "GymV26Environment-v0", "kwargs": {"env_id": f"{EVIL}:World-v0"}},
    {"id": MIXTURE, "kwargs": {f"{EVIL}:x": 1}},
]


@pytest.mark.parametrize("env", NESTED)
def test_a_module_anywhere_in_the_settings_of_an_environment_needs_the_users_word(tmp_path, env):
    path = saved(tmp_path, **env)
    with pytest.raises(CheckpointError, match=f"to import the Python module '{EVIL}'") as caught:
        saved_settings(path, runs_environment=True)
    assert paragraph(str(caught.value)) is None
    other = ["env.id=twosome_envs:twosome/Mixture-v0", f"env.kwargs.note='the_{EVIL}:x'"]
    with pytest.raises(CheckpointError, match="to import"):  # a word about something else is none about this
        saved_settings(path, other[1:], runs_environment=True)
    saved_settings(path, [f"env.kwargs.note={EVIL}:x"], runs_environment=True)
    saved_settings(path)  # makes no environment


def test_a_folder_that_an_environment_would_write_needs_the_users_word(tmp_path):
    path = saved(tmp_path, id="twosome_envs:twosome/TextWorld-v0", kwargs={"folder": "/somewhere/else"})
    with pytest.raises(CheckpointError, match="to write into the folder '/somewhere/else'"):
        saved_settings(path, runs_environment=True)
    saved_settings(path, ["env.kwargs.folder=/somewhere/else"], runs_environment=True)


def test_an_address_and_the_secret_that_goes_there_need_the_users_word(tmp_path):
    """Each of its own: who names the one has not named the other, nor an address that begins alike."""
    url, secret = "http://host:80/v1", "env.kwargs.adviser.key_env=SECRET"
    adviser = {"kind": "endpoint", "url": url, "model": "m", "key_env": "SECRET"}
    path = saved(tmp_path, id="twosome_envs:twosome/Desk-v0", kwargs={"adviser": adviser})
    for said in ("http://host:80", "http://host:80/v10", "'http://host:80/v1/..'"):
        with pytest.raises(CheckpointError, match="to ask the address 'http://host:80/v1'") as caught:
            saved_settings(path, [secret, f"env.kwargs.note={said}"], runs_environment=True)
    assert paragraph(str(caught.value)) is None
    with pytest.raises(CheckpointError, match="to send what the environment variable 'SECRET' holds"):
        saved_settings(path, [f"env.kwargs.adviser.url={url}"], runs_environment=True)
    saved_settings(path, [secret, f"env.kwargs.adviser.url={url}"], runs_environment=True)
    saved_settings(path, [f"env.kwargs.adviser={{url: {url}, key_env: SECRET}}"], runs_environment=True)


@pytest.mark.parametrize("env", [{"render_mode": "human"}, {"worlds": [{"kwargs": {"render_mode": "human"}}]}])
def test_a_window_that_an_environment_would_open_needs_the_users_word(tmp_path, capsys, env):
    """Of a transcript too; pictures in memory and in characters need none."""
    path = saved(tmp_path, id=MIXTURE, kwargs=env)
    with pytest.raises(CheckpointError, match="to draw in the mode 'human'"):
        saved_settings(path, runs_environment=True)
    saved_settings(path, ["env.kwargs.render_mode=human"], runs_environment=True)
    told = {"id": MIXTURE, "kwargs": env, "gamma": 0.9, "optimum": None}
    (tmp_path / "game.txt").write_text(f"env: {json.dumps(told)}\nseed: 0\n")
    with pytest.raises(CheckpointError, match="to draw in the mode 'human'"):
        replay(tmp_path / "game.txt")
    for mode in ("ansi", "rgb_array"):
        saved_settings(saved(tmp_path, id=MIXTURE, kwargs={"render_mode": mode}), runs_environment=True)


def test_the_shipped_environments_ask_for_nothing():
    from omegaconf import OmegaConf

    from twosome.config.schema import EnvSettings, conf_dir

    files = [path for path in (conf_dir() / "env").glob("*.yaml") if path.stem != "own"]
    assert len(files) > 20
    worlds = {path.stem: OmegaConf.merge(OmegaConf.structured(EnvSettings), OmegaConf.load(path)) for path in files}
    assert not [name for name, env in worlds.items() if trust.requests(OmegaConf.to_object(env))]


# What the refusal tells to write, works -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("overrides=[env.id=a:B]", "overrides=['env.id=a:B']"),
        ("overrides=['env.id=a:B']", "overrides=['env.id=a:B']"),
        ("overrides=[env.id=a:B, model.device=cpu]", "overrides=['env.id=a:B','model.device=cpu']"),
        (
            "overrides=[policy.reuse=[features,decisions],'a=b,c']",
            "overrides=['policy.reuse=[features,decisions]','a=b,c']",
        ),
        ("overrides=[env.kwargs={a: 1, b: [2]}]", "overrides=['env.kwargs={a: 1, b: [2]}']"),
        ("overrides=[]", "overrides=[]"),
        ("overrides=3", "overrides=3"),
    ],
)
def test_overrides_need_no_quotes(given, meant):
    assert quoted_entries(given) == meant


@pytest.mark.parametrize("command", ["eval", "inspect"])
def test_the_remedy_of_a_refusal_parses(tmp_path, command):
    path = saved(tmp_path, id=f"{EVIL}:World-v0", kwargs={})
    with pytest.raises(CheckpointError) as caught:
        saved_settings(path, runs_environment=True)
    remedy = str(caught.value).rpartition("(in twosome-eval and twosome-inspect: ")[2].rpartition(")")[0]
    assert remedy == f"overrides=[env.id={EVIL}:World-v0]"
    cfg = compose_command([f"checkpoint={tmp_path}", remedy], command)
    assert saved_settings(path, cfg.overrides, runs_environment=True).env.id == f"{EVIL}:World-v0"


# A run of one's own ---------------------------------------------------------------------------------------------------

OWN = [*SMALL, "env=own", f"env.id={EVIL}:World-of-a-Stranger-v0", "method=tabular"]


def test_a_run_that_the_user_began_here_needs_no_second_word(tmp_path, home):
    open_run(compose([*OWN, f"run_dir={tmp_path / 'run'}"])).close()
    assert saved_settings(tmp_path / "run" / "config.yaml", runs_environment=True).env.id.startswith(EVIL)
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "run", moved)
    saved_settings(moved / "config.yaml", runs_environment=True)
    assert (home / "twosome" / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", ["other settings", "other user", "open key", "no key", "no signature", "a link"])
def test_a_signature_that_is_not_the_users_is_none(tmp_path, home, change):
    run, key = tmp_path / "run", home / "twosome" / "key"
    open_run(compose([*OWN, f"run_dir={run}"])).close()
    config = run / "config.yaml"
    if change == "other settings":
        config.write_text(config.read_text().replace("World-of-a-Stranger", "Another-World"))
    elif change == "other user":
        key.write_bytes(bytes(32))
    elif change == "open key":
        key.chmod(0o644)
    elif change == "no key":
        key.unlink()
    elif change == "no signature":
        (run / "made_here").unlink()
    else:
        key.rename(tmp_path / "key")
        key.symlink_to(tmp_path / "key")
    with pytest.raises(CheckpointError, match="to import"):
        saved_settings(config, runs_environment=True)


def test_a_home_that_cannot_be_written_costs_the_signature_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    open_run(compose([*OWN, f"run_dir={tmp_path / 'run'}"])).close()
    with pytest.raises(CheckpointError, match="to import"):
        saved_settings(tmp_path / "run" / "config.yaml", runs_environment=True)


def test_a_run_of_the_shipped_environments_writes_no_key(tmp_path, home):
    open_run(compose([*SMALL, f"run_dir={tmp_path / 'run'}"])).close()
    assert not home.exists()
    assert not (tmp_path / "run" / "made_here").exists()


# Transcripts ----------------------------------------------------------------------------------------------------------


def test_a_transcript_of_a_stranger_imports_nothing(tmp_path, canary, capsys):
    kwargs = '{"id": "%s", "kwargs": %s, "gamma": 0.99, "optimum": null}'
    path = tmp_path / "game.txt"
    for line in (
        kwargs % (f"{EVIL}:World-of-a-Stranger-v0", "{}"),
        kwargs % (MIXTURE, f'{{"worlds": ["{EVIL}:W-v0"]}}'),
    ):
        path.write_text(f"env: {line}\nseed: 3\n")
        with pytest.raises(SystemExit) as left:
            play([f"replay={path}"])
        said = capsys.readouterr().err
        assert left.value.code == 1
        assert f"to import the Python module '{EVIL}'" in said
        assert paragraph(said) is None
        assert not canary.exists()
    with pytest.raises(CheckpointError):
        replay(path, EnvSettings(id="other:x", kwargs={}, gamma=0.99, optimum=None))
    path.write_text(f"env: {kwargs % (f'{EVIL}:World-of-a-Stranger-v0', '{}')}\nseed: 3\n")
    with pytest.raises(SystemExit):  # the user names it
        play([f"replay={path}", "env=own", f"env.id={EVIL}:World-of-a-Stranger-v0"])
    assert canary.exists()


def test_no_environment_variable_of_a_test_reaches_the_user():
    assert "pytest" in os.environ["XDG_STATE_HOME"]


def test_the_folder_where_one_stands_is_searched_for_named_modules_alone(tmp_path, monkeypatch):
    """A stranger's folder may hold modules with names that libraries try to import where they are not installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    compose_command([], "play")
    make_env(compose(["env=food_preparation"]).env).close()
    with pytest.raises(SystemExit):
        play(["replay=nothing.txt"])
    assert str(tmp_path) not in sys.path
    with pytest.raises(ConfigError, match="cannot be imported"):
        make_env(compose(["env=own", f"env.id={EVIL}:World-v0"]).env)
    assert str(tmp_path) in sys.path


@pytest.mark.parametrize("folder", ["", "env", "twosome", "seed", "kwargs", "e", "here"])
def test_a_folder_is_named_as_a_whole_and_not_by_chance(folder):
    env = EnvSettings(id="twosome_envs:twosome/TextWorld-v0", kwargs={"folder": folder}, gamma=0.9, optimum=None)
    by_chance = ["env.id=twosome_envs:twosome/TomatoSalad-v0", "env.kwargs={'seed': 3, env: 4}", "env.kwargs.here=5"]
    with pytest.raises(CheckpointError, match="to write into the folder"):
        trust.must_be_named(env, by_chance, "They", "add {0}")
    if folder:
        for said in (
            f"env.kwargs.folder={folder}",
            f"env.kwargs={{folder: {folder}}}",
            f"env.kwargs={{'folder': '{folder}'}}",
        ):
            trust.must_be_named(env, [said], "They", "add {0}")
