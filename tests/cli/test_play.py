"""twosome-play: answers piped in, a transcript that plays again, one-paragraph errors, a clean folder."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import gymnasium
import pytest
import twosome_envs  # registers the ids  # noqa: F401

from tests.faults import paragraph
from twosome.cli.play import choose, main, picture_of
from twosome.config.schema import EnvSettings
from twosome.errors import ConfigError, EnvironmentFault
from twosome.rollout.session import Session, counted, make_drawing_env

SALAD = EnvSettings(id="twosome_envs:twosome/TomatoSalad-v0", kwargs={}, gamma=0.99, optimum=0.92)


NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def sit(monkeypatch, capsys, tmp_path):
    """Play with these answers in an empty folder; returns what was shown and what was refused."""
    monkeypatch.chdir(tmp_path)

    def _sit(*argv, answers=()):
        import io

        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{a}\n" for a in answers)))
        code = 0
        try:
            main(list(argv))
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return _sit


def best_answers(settings):
    """The phrases of a shortest way to the goal, by search through snapshots."""
    env = gymnasium.make(settings.id).unwrapped
    _, info = env.reset(seed=0)
    front, seen = [(env.snapshot(), ())], set()
    while True:
        reached = []
        for moment, way in front:
            _, info = env.restore(moment)
            for action, phrase in enumerate(info["actions"]):
                env.restore(moment)
                if not info["action_mask"][action]:
                    continue
                _, _, terminated, _, after = env.step(action)
                if terminated and after["success"]:
                    return (*way, phrase)
                state = env.snapshot().state
                if state not in seen:
                    seen.add(state)
                    reached.append((env.snapshot(), (*way, phrase)))
        front = reached


def test_a_game_won_by_words_shows_the_return_beside_the_optimum(sit, tmp_path):
    answers = best_answers(SALAD)
    code, out, err = sit("env=tomato_salad", "transcript=game.txt", answers=answers)
    assert (code, err) == (0, "")
    ending = "oal reached: return 0.920518 of at most 0.920518, 6 actions, 28 primitive steps"
    assert out.count("G" + ending) == 2  # on the board, and as the last word
    told = (tmp_path / "game.txt").read_text()
    assert told.endswith(f"g{ending}\n")
    assert [line.split(" ", 2)[2] for line in told.splitlines() if line.startswith("> ")] == list(answers)
    assert sit("replay=game.txt")[:2] == (0, f"The same again. G{ending}.\n")
    assert [p.name for p in tmp_path.iterdir()] == ["game.txt"]


def test_numbers_undo_restart_help_and_the_end_of_the_input(sit, tmp_path):
    answers = ("0", "u", "u", "0", "r", "?", "99", "fly", "1")
    code, out, _ = sit("env=tomato_salad", "transcript=game.txt", answers=answers)
    assert code == 0
    assert "There is nothing to undo." in out
    assert "99 is not legal here. Legal: 0, 1" in out
    assert "'fly' is no action here." in out
    assert out.count("Serve a bowl") >= 3  # opening, restart, help
    told = (tmp_path / "game.txt").read_text()
    assert len(re.findall(r"^> ", told, flags=re.MULTILINE)) == 1
    assert "> 1 " in told
    assert told.splitlines()[-1].startswith("stopped: return")


def test_after_the_end_one_can_still_go_back(sit):
    answers = [*best_answers(SALAD), "0", "u", "q"]
    _, out, _ = sit("env=tomato_salad", answers=answers)
    assert "The episode is over: u undo, r restart, q quit." in out
    assert out.strip().splitlines()[-1].startswith("Stopped: return")
    assert "5 actions" in out.strip().splitlines()[-1]


def test_undo_restores_exactly_what_was_seen():
    session = Session(make_drawing_env(SALAD), SALAD, seed=0)
    start = (session.scene, session.menu, session.transcript())
    for action in (0, 2, 3):
        session.take(action)
    while session.undo():
        pass
    assert (session.scene, session.menu, session.transcript()) == start
    assert (session.total, session.steps, session.over) == (0.0, 0, False)


def test_the_return_is_the_environments_own():
    session = Session(make_drawing_env(SALAD), SALAD, seed=0)
    env = session.env.unwrapped
    _, info = env.reset()
    session.restart()
    while not session.over:
        session.take(next(iter(session.menu)))
    info = env.restore(env.snapshot())[1]
    assert info["episode"] == {"r": pytest.approx(session.total), "l": session.steps}


def test_a_transcript_that_no_longer_holds_is_shown_as_a_difference(sit, tmp_path):
    sit("env=tomato_salad", "transcript=game.txt", answers=["0", "1"])
    path = tmp_path / "game.txt"
    path.write_text(path.read_text().replace("tomato", "potato"))
    code, out, _ = sit("replay=game.txt")
    assert code == 1
    assert out.startswith("game.txt does not play as it did:")
    assert re.search(r"^-.*potato", out, flags=re.MULTILINE)
    assert re.search(r"^\+.*tomato", out, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["food_preparation", "tomato_lettuce_salad", "laundry"])
def test_other_environments_play(sit, name):
    code, out, err = sit(f"env={name}", answers=["0", "u", "0"])
    assert (code, err) == (0, "")
    assert "1 action," in out


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("babyai", "minigrid"),
        ("textworld", "textworld"),
        pytest.param("scienceworld", "scienceworld", marks=pytest.mark.slow),
    ],
)
def test_third_party_environments_play(sit, name, package, tmp_path):
    pytest.importorskip(package)
    code, out, err = sit(f"env={name}", "seed=4", "transcript=game.txt", answers=["0", "u", "0", "1"])
    assert (code, err) == (0, "")
    assert "2 actions," in out
    assert sit("replay=game.txt")[0] == 0


def test_your_own_environment_plays_from_its_folder(sit, tmp_path):
    text = (NOTEBOOKS / "own_environment.py").read_text()
    (tmp_path / "my_own_balcony.py").write_text(text.replace("Balcony-v0", "MyBalcony-v0"))
    answers = ["fill", "water the rose", "fill", "water the fern", "fill", "water the thyme"]
    code, out, _ = sit("env=own", "env.id=my_own_balcony:MyBalcony-v0", answers=answers)
    assert code == 0
    assert f"Goal reached: return {0.99**5:.6f}, 6 actions" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["env=tomato_sald"], r"Unknown env 'tomato_sald'. Did you mean 'tomato_salad'\? Known: .*food_prep"),
        (["sed=3"], "Unknown setting 'sed'. Did you mean 'seed'"),
        (["seed=x"], "seed=x cannot work: expected a whole number"),
        (["env=own"], "env.id is empty"),
        (["env=own", "env.id=no_such_module:X-v0"], "cannot be imported: No module named 'no_such_module'"),
        (["env=own", "env.id=CartPole-v1"], "CartPole-v1 gave an observation without text: .*MenuWrapper"),
        (["env=own", "env.id=twosome_envs:twosome/TomatoSald-v0"], "Did you mean: `TomatoSalad`"),
        (["env.kwargs={recipes: 3}"], "unexpected keyword argument 'recipes'"),
        (["transcript=no/such/folder/x.txt"], "expected a file in a folder that exists"),
        ([f"transcript={'x' * 300}"], "is no path"),
        (["replay=nothing.txt"], "replay=nothing.txt cannot be read: .*No such file"),
    ],
)
def test_a_mistake_is_one_paragraph_and_exit_code_2(sit, argv, message, tmp_path):
    code, out, err = sit(*argv)
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_transcript_is_refused(sit, tmp_path):
    (tmp_path / "notes.txt").write_text("Buy tomatoes.\n")
    code, _, err = sit("replay=notes.txt")
    assert code == 2
    assert "is no transcript" in err


def test_help_lists_the_environments(sit):
    code, out, _ = sit("--help")
    assert code == 0
    assert "tomato_salad" in out
    assert "undo" in out


def test_the_command_starts_without_torch_and_leaves_the_folder_alone(tmp_path):
    source = (
        "import sys; from twosome.cli.play import main; main(['env=tomato_salad']);assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        input="0\nq\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Stopped: return" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_environment_without_snapshots_cannot_go_back(sit, tmp_path):
    (tmp_path / "plain_world.py").write_text(
        "import gymnasium, numpy as np\n"
        "class World(gymnasium.Env):\n"
        "    action_space = gymnasium.spaces.Discrete(1)\n"
        "    observation_space = gymnasium.spaces.Dict()\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return self.look()\n"
        "    def step(self, action):\n"
        "        observation, info = self.look()\n"
        "        return observation, 1.0, False, False, info\n"
        "    def look(self):\n"
        "        info = {'actions': ('[wait]',), 'action_mask': np.ones(1, bool), 'duration': 2}\n"
        "        return {'scene': 'A [bold]wall[/bold].', 'goal': 'Wait.', 'vector': np.zeros(1)}, info\n"
        "gymnasium.register('PlainWorld-v0', entry_point=World)\n"
    )
    code, out, _ = sit("env=own", "env.id=plain_world:PlainWorld-v0", answers=["[wait]", "0", "u"])
    assert code == 0
    assert "cannot go back: it has no snapshot() and restore()" in out
    assert "A [bold]wall[/bold]." in out  # shown as it is, not as markup
    assert f"return {1 + 0.99**2:.6f}, 2 actions, 4 primitive steps" in out


@pytest.mark.parametrize("name", ["twosome/TomatoSalad-v0", "twosome/FoodPreparation-v0"])
def test_the_picture_comes_without_the_scene_which_is_told_in_full_beside_it(name, sit):
    env = gymnasium.make(name, render_mode="ansi")
    scene = env.reset(seed=0)[0]["scene"]
    picture = picture_of(env, scene)
    assert picture.count("\n") > 5
    assert scene[:20] not in picture
    assert "A new episode" not in picture
    _, out, _ = sit("env=own", f"env.id={name}")
    assert picture in out
    assert out.count(scene) == 1


MENU = {0: "pick up the tomato", 2: "pick up the bowl", 5: "chop"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("0", 0),
        ("5", 5),
        ("1", "1 is not legal here. Legal: 0, 2, 5."),
        ("chop", 5),
        ("Pick up the B", 2),
        ("pick", "'pick' could be 'pick up the tomato' or 'pick up the bowl'."),
        ("pick up the tomatoe", "Did you mean 'pick up the tomato'?"),
        ("", "'' is no action here."),
        ("²", "'²' is no action here."),
    ],
)
def test_what_an_answer_means(answer, expected):
    meant = choose(answer, MENU)
    assert meant == expected or (isinstance(expected, str) and expected in meant)


def test_an_environment_whose_constructor_takes_no_render_mode_is_made_all_the_same():
    class Mute(gymnasium.Env):
        metadata = {"render_modes": ["ansi"]}  # noqa: RUF012

        def __init__(self):
            pass

    gymnasium.register("Mute-v0", entry_point=Mute)
    assert isinstance(make_drawing_env(replace(SALAD, id="Mute-v0")).unwrapped, Mute)
    with pytest.raises(ConfigError, match=r"env\.id='Mute-v1'"):
        make_drawing_env(replace(SALAD, id="Mute-v1"))


def test_counting():
    assert (counted(1, "action"), counted(2, "action")) == ("1 action", "2 actions")


def test_where_a_task_is_split_its_goal_is_told_when_it_changes(sit, tmp_path):
    """On the board and in the transcript, which plays again; the first goal is told as ever."""
    answers = "work on: lettuce salad", "pick up the lettuce", "give up: lettuce salad"
    _, out, _ = sit("env=orders_2_split", "transcript=game.txt", answers=answers)
    alone, both = "Serve a bowl that holds only chopped lettuce.", "Serve, in any order: a bowl that"
    assert (out.count(alone), out.count(both)) == (1, 2)
    goals = [line for line in (tmp_path / "game.txt").read_text().splitlines() if line.startswith("goal: ")]
    assert [goal[6:] for goal in goals] == [goals[0][6:], alone, goals[0][6:]]
    assert goals[0].startswith(f"goal: {both}")
    assert sit("replay=game.txt")[0] == 0
    _, out, _ = sit("env=tomato_salad", "transcript=another.txt", answers=("0", "1"))
    assert (tmp_path / "another.txt").read_text().count("goal: ") == 1


def test_a_transcript_is_written_over_nothing(sit, tmp_path):
    (tmp_path / "notes.txt").write_text("dear diary")
    code, _, err = sit("env=tomato_salad", "transcript=notes.txt", answers=["0"])
    assert code == 2
    assert "exists, and nothing is written over it" in err
    assert (tmp_path / "notes.txt").read_text() == "dear diary"


def test_a_checkpoint_shows_what_its_policy_would_do(sit, untrained):
    from twosome import inspect_state

    code, out, err = sit("env=tomato_salad", "checkpoint=tiny", answers=["0"])
    assert (code, err) == (0, "")
    session = Session(make_drawing_env(SALAD), SALAD, 0)
    observation, info = session.env.reset(seed=0)
    shown = inspect_state(untrained, observation, info)
    first = out.split("return so far")[0]
    for action, p in zip(shown.actions, shown.probs, strict=True):
        assert re.search(rf"^ +\d+  {re.escape(action)} +{100 * p:.1f} %", first, flags=re.M)
    assert "%" in out.split("return so far")[1]


# Worlds that break the contract ---------------------------------------------------------------------------------------


class Rude(gymnasium.Env):
    """Three moves to the end; the second one does something that it must not. `how`: what."""

    action_space, observation_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Dict({})
    metadata: ClassVar = {"render_modes": ["ansi"]}

    def __init__(self, how="raises", render_mode=None):
        self.how, self.render_mode = how, render_mode

    def reset(self, *, seed=None, options=None):
        self.now = 0
        if self.how == "reset":
            raise KeyError("no beginning")
        return {"scene": "Minute 0.", "goal": "Wait."}, {"actions": ("wait", "sleep")}

    def step(self, action):
        self.now += 1
        reward, info = 1.0, {"actions": ("wait", "sleep")}
        if self.now == 2:
            if self.how == "raises":
                raise ValueError("it broke")
            reward = float("nan") if self.how == "reward" else 1.0
            info |= {"duration": -3} if self.how == "duration" else {}
            info |= {"actions": ()} if self.how == "menu" else {}
        return {"scene": f"Minute {self.now}.", "goal": "Wait."}, reward, self.now == 3, False, info

    def render(self):
        if self.how == "render":
            raise OSError("no screen")
        return ""

    def close(self):
        if self.how == "close":
            raise OSError("it stays open")


class Reversible(Rude):
    """It says that it can go back, and cannot."""

    def snapshot(self):
        if self.how == "snapshot":
            raise NotImplementedError
        return self.now

    def restore(self, snapshot):
        raise ValueError("no way back")


for kind in (Rude, Reversible):
    gymnasium.register(f"{kind.__name__}-v0", kind)


@pytest.mark.parametrize("given", ["transcript=game.txt", "seed=0"])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "raised ValueError: it broke"),
        ("reward", "gave the reward nan, expected a finite number"),
        ("duration", "gave info['duration']=-3"),
        ("menu", "gave info['actions']=()"),
    ],
)
def test_a_fault_in_a_game_is_told_in_a_paragraph_and_the_game_is_kept(sit, tmp_path, how, said, given):
    argv = ["env=own", "env.id=Rude-v0", f"env.kwargs={{how: {how}}}"]
    code, out, err = sit(*argv, given, answers=["wait", "sleep", "wait"])
    assert code == 1
    assert err == f"EnvironmentFault: Rude-v0 {said}{err.partition(said)[2]}"
    assert "Traceback" not in out + err
    path = Path(re.search(r"^Transcript: (.*)$", out, flags=re.MULTILINE)[1])
    kept = path.read_text()
    assert (path.parent == tmp_path) == given.startswith("transcript")
    assert re.findall(r"^> .*$", kept, flags=re.MULTILINE) == ["> 0 wait", "> 1 sleep"]
    assert kept.splitlines()[-1].startswith(f"fault: Rude-v0 {said}")
    assert "return nan" not in out + kept
    again = sit(f"replay={path}")
    assert again[0] == 1
    assert said in again[2]


def test_what_fails_where_the_game_can_go_on_does_not_end_it(sit, tmp_path):
    answers = ["wait", "wait", "wait", "q"]
    code, out, err = sit("env=own", "env.id=Rude-v0", "env.kwargs={how: render}", answers=answers)
    assert (code, err) == (0, "")
    assert out.count("No picture: the environment raised OSError in render: no screen (test_play.py,") == 1
    assert "Goal reached: return" in out
    code, out, err = sit("env=own", "env.id=Rude-v0", "env.kwargs={how: close}", answers=answers)
    assert (code, err) == (0, "")
    code, out, err = sit("env=own", "env.id=Reversible-v0", "env.kwargs={how: snapshot}", answers=["wait", "u", "q"])
    assert (code, err) == (0, "")
    assert "cannot go back: it has no snapshot() and restore()" in out
    code, out, err = sit("env=own", "env.id=Rude-v0", "env.kwargs={how: reset}", answers=answers)
    assert (code, out) == (2, "")
    assert "Rude-v0 raised KeyError in reset: 'no beginning' (test_play.py" in err
    assert list(tmp_path.iterdir()) == []


def test_a_way_back_that_fails_keeps_the_game_too(sit):
    code, out, err = sit("env=own", "env.id=Reversible-v0", "env.kwargs={how: undo}", answers=["wait", "u", "q"])
    assert code == 1
    assert "raised ValueError in restore: no way back" in err
    path = Path(re.search(r"^Transcript: (.*)$", out, flags=re.MULTILINE)[1])
    assert re.findall(r"^> .*$", path.read_text(), flags=re.MULTILINE) == ["> 0 wait"]


def test_a_game_is_shown_where_it_cannot_be_kept(sit, tmp_path):
    (tmp_path / "outputs").write_text("a file in the way")
    code, out, err = sit("env=own", "env.id=Rude-v0", "env.kwargs={how: raises}", answers=["wait", "sleep"])
    assert code == 1
    assert "cannot be written" in err
    assert "> 1 sleep" in out


def test_a_wrapper_with_a_state_of_its_own_is_not_gone_past():
    """A restore of the environment inside would leave a time limit's count as it is."""
    env = gymnasium.wrappers.TimeLimit(make_drawing_env(SALAD), 3)
    session = Session(env, SALAD, 0)
    session.take(next(iter(session.menu)))
    assert not session.can_undo
    assert not session.undo()


@pytest.mark.parametrize("answer", ["9" * 5000, "٣" * 5000, "x" * 1_000_000])
def test_answers_without_end_are_answered_in_a_line(sit, answer):
    code, out, err = sit("env=tomato_salad", answers=[answer, "q"])
    assert (code, err) == (0, "")
    [said] = [line for line in out.splitlines() if "legal here" in line or "is no action here" in line]
    assert len(said) < 400


def test_a_fault_in_a_hint_does_not_end_the_game(sit, monkeypatch):
    from twosome.cli import play

    def hint(env):
        raise EnvironmentFault("It broke inside.")

    monkeypatch.setattr(play, "_hint", lambda cfg: hint)
    code, out, err = sit("env=tomato_salad", "hint=search", answers=["h", "0", "q"])
    assert (code, err) == (0, "")
    assert "No hint: It broke inside." in out
    assert "1 action," in out


# Transcripts of strangers ---------------------------------------------------------------------------------------------

FIRST = '{"id": "twosome_envs:twosome/TomatoSalad-v0", "kwargs": {}, "gamma": 0.99, "optimum": null}'


@pytest.mark.parametrize(
    "text",
    [
        f"env: {FIRST}\nseed: {'9' * 5000}\n",
        f"env: {FIRST}\nseed: 4294967296\n",
        f"env: {FIRST}\nseed: 0\n\n> {'9' * 5000} wait\n",
        f"env: {FIRST.replace('0.99', '9' * 5000)}\nseed: 0\n",
        f"env: {FIRST.replace('0.99', 'NaN')}\nseed: 0\n",
        f"env: {FIRST.replace('0.99', 'true')}\nseed: 0\n",
        f"env: {FIRST.replace('0.99', chr(34) + 'x' + chr(34))}\nseed: 0\n",
        f"env: {FIRST.replace('0.99', '[0.9]')}\nseed: 0\n",
        f"env: {FIRST.replace('0.99', '7')}\nseed: 0\n",
        f"env: {FIRST.replace('null', '[1]')}\nseed: 0\n",
        f"env: {FIRST.replace('null', '1e999')}\nseed: 0\n",
        f"env: {FIRST.replace('{}', '3')}\nseed: 0\n",
        f"env: {FIRST.replace('{}', '{' + chr(34) + 'a' + chr(34) + ': ' + '[' * 300 + ']' * 300 + '}')}\nseed: 0\n",
        f"env: {FIRST.replace('{}', '[' * 100_000 + ']' * 100_000)}\nseed: 0\n",
        'env: {"id": 3, "kwargs": {}, "gamma": 0.9, "optimum": null}\nseed: 0\n',
        'env: {"id": "x"}\nseed: 0\n',
        "env: {}\nseed: 0\n",
        "env: [1]\nseed: 0\n",
        "env: {\nseed: 0\n",
    ],
    ids=str.__len__,
)
def test_a_hostile_transcript_is_refused_in_one_paragraph(sit, tmp_path, text):
    (tmp_path / "game.txt").write_text(text)
    code, out, err = sit("replay=game.txt")
    assert (code, out) == (2, "")
    assert "replay=game.txt is no transcript" in err or "env.gamma" in err or "env.optimum" in err
    assert paragraph(err) is None


def test_what_is_no_file_or_too_large_is_refused_unread(sit, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**30)
    for name, said in (("pipe", "not a regular file"), ("large", "more than the 67108864 allowed"), (".", "regular")):
        code, out, err = sit(f"replay={name}")
        assert (code, out) == (2, "")
        assert said in err


def test_a_long_transcript_that_differs_everywhere_is_compared_at_once(sit, tmp_path):
    """A difference of whole files takes the square of their lines."""
    lines = "".join(f"scene: {k % 7} {k}\n" for k in range(400_000))
    (tmp_path / "game.txt").write_text(f"env: {FIRST}\nseed: 0\n{lines}")
    code, out, _ = sit("replay=game.txt")
    assert code == 1
    assert out.splitlines()[1] == "line 3:"
    assert len(out.splitlines()) <= 42
