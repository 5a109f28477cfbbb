"""Every remedy that the program prints works: the settings named in its messages exist and take the values named."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import twosome
from twosome.cli.memory import OPTIONS, parse
from twosome.config.compose import compose_command
from twosome.config.known import known_names
from twosome.config.schema import SCHEMAS
from twosome.errors import ConfigError
from twosome.rollout.session import replay
from twosome.systems import adviser

PACKAGE = Path(twosome.__file__).parent
OPEN = "\N{WHITE SQUARE}"  # stands for what a message fills in
VALUE = r"'[^']*'|\[[^\]]*\]|(?:[^\s,;()\[\]'\"`:]|:(?=\w))+"
PAIR = re.compile(rf"(?<![\w.'{OPEN}/-])([a-z_]+(?:\.[a-z_]+)*)=({VALUE})")
DOTTED = re.compile(r"(?<![\w./'*])([a-z_]+(?:\.[a-z_]+)+)\b(?!\(|\.\w)")
GROUPS = {name.split(".")[0] for command in SCHEMAS for name in known_names(command) if "." in name}
PYTHON = {"gamma": twosome.Search.plan, "trusted": replay, "checkpoint": twosome.load, "phrase": adviser.checkpoint}
"""Said to who calls a function."""
OF_MEMORY = {name for names, _ in OPTIONS.values() for name in names}  # words of twosome-memory alone
BENCHES = ("generalization", "learning", "search", "menus", "desk", "tools", "attribution", "normalisation")

EXAMPLES = {  # what a message leaves to its reader
    "checkpoint=RUN": "checkpoint=outputs/run",
    "env=NAME": "env=cheese",
    "env.id=MODULE:ID": "env.id=mine:World-v0",
    "log.wandb=<project>": "log.wandb=mine",
}
NEEDS = {  # what else must be said with a setting, or with one value of it
    "env.id": ["env=own"],
    "env=own": ["env.id=mine:World-v0"],
    "model.name": ["model=hf"],
    "method=search": ["method=gumbel"],
    "search.prune": ["method=search"],
    "memory.use": ["method=memory"],
    "memory.similarity": ["method=memory"],
    "ppo.advantage_normalization=minibatch": ["ppo.actor.minibatch=4"],
}
NO_SETTINGS = {  # of representations, of HTML, of gymnasium, of a base model, of a sentence about settings as such
    "journal_mode",  # of SQLite
    *("before", "after", "value", "entropy", "colspan", "info", "max_episode_steps", "key", "tie_word_embeddings"),
}
NO_NAMES = {"model.safetensors"}


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file that are no docstrings, what they fill in replaced by a square."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped |= {part for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else OPEN for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, re.sub(r"%[dgrs]", OPEN, node.value)  # as the log fills them in


def remedies(texts: list[str]) -> set[tuple[str, str]]:
    """The `key=value` of messages."""
    return {(key, value.rstrip(".")) for text in texts for key, value in PAIR.findall(text)}


TEXTS = [text for p in sorted(PACKAGE.rglob("*.py")) for _, text in messages(p) if text.count(" ") > 1]
FOUND = sorted(pair for pair in remedies(TEXTS) if pair[0] not in NO_SETTINGS)


def known(key: str) -> list[str]:
    """The commands that have a setting or a group of that name."""
    commands = [*SCHEMAS, *BENCHES]
    return [c for c in commands if any(n == key or n.startswith(f"{key}.") for n in known_names(c))]


def must_work(key: str, value: str) -> None:
    """Some command takes it."""
    said = EXAMPLES.get(f"{key}={value}", f"{key}={value}")
    problems = {}
    for command in known(key):
        try:
            compose_command([*NEEDS.get(key, NEEDS.get(said, [])), said], command)
        except ConfigError as error:
            problems[command] = str(error)
        else:
            return
    if key in OF_MEMORY:
        verb = next(verb for verb, (names, _) in OPTIONS.items() if key in names)
        assert parse(["RUN", verb, *["PATH"] * OPTIONS[verb][1], said])[1].options == {key: value}
        return
    pytest.fail(f"no command takes {said}: {problems or 'none has a setting of that name'}")


@pytest.mark.parametrize(("key", "value"), FOUND, ids=["=".join(pair) for pair in FOUND])
def test_a_setting_named_in_a_message_exists_and_takes_the_value(key, value):
    if not known(key) and key in PYTHON:
        assert key in inspect.signature(PYTHON[key]).parameters
    elif OPEN in value or value in ("", "PATH") or value.startswith("%"):
        assert known(key) or key in OF_MEMORY, f"{key}={value}: no command has a setting of that name"
    else:
        must_work(key, value)


def test_a_setting_named_without_a_value_exists():
    named = {word for text in TEXTS for word in DOTTED.findall(text) if word.split(".")[0] in GROUPS}
    assert len(named) > 20
    assert {word for word in named - NO_NAMES if not known(word)} == set()


def test_the_law_finds_what_is_wrong(tmp_path):
    code = 'raise E(f"It is {x}: use serch.simulations=0, model.dtype=float33 or ppo.targt_kl={y}.")'
    (tmp_path / "wrong.py").write_text(code)
    [(_, text)] = messages(tmp_path / "wrong.py")
    found = remedies([text])
    assert found == {("serch.simulations", "0"), ("model.dtype", "float33"), ("ppo.targt_kl", OPEN)}
    assert not known("serch.simulations")
    assert not known("ppo.targt_kl")
    with pytest.raises(pytest.fail.Exception, match="float33"):
        must_work("model.dtype", "float33")
