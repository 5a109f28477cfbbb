"""Checkpoints as a stranger could make them: hostile content under a manifest that fits. Every payload would create a
canary.

Both formats that can be read are forged; `states.py` holds what is put into `state.json`.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

from tests.faults import states

NOT_READ = ("adapter_config.json", "manifest.json", "README.md")  # decide nothing, or are written again
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # the SHA-256 of no bytes


class Payload:
    """Unpickling this creates the canary."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


class Forgery(NamedTuple):
    """`is_sealed`: it gets a manifest that fits. `is_harmless`: the run may accept it, if it can then go on."""

    make: Callable[[Path, random.Random, Path], None]
    is_sealed: bool = True
    is_harmless: bool = False


def files_of(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def rewrite(path: Path, data: bytes) -> None:
    """Replace a file that may be a hard link to the whole checkpoint's."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def seal(folder: Path) -> None:
    """A manifest that fits what is there, of the format that the folder had."""
    from twosome import checkpoint_folder, files

    path = folder / checkpoint_folder.MANIFEST
    names = [p for p in files_of(folder) if p != path]
    listed = {str(p.relative_to(folder)): {"size": p.stat().st_size, "sha256": files.digest(p)} for p in names}
    rewrite(path, json.dumps({"format": checkpoint_folder.format_of(folder), "files": listed}).encode())


def forge_pickle(folder: Path, rng: random.Random, canary: Path) -> None:
    kinds = (".safetensors", ".json", ".yaml")
    path = rng.choice([p for p in files_of(folder) if p.suffix in kinds and p.name not in NOT_READ])
    if rng.random() < 0.5:
        rewrite(path, pickle.dumps(Payload(canary)))
    else:
        path.unlink()
        torch.save({"weight": Payload(canary)}, path)


def forge_tensors(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice(sorted(folder.rglob("*.safetensors")))
    tensors = load_file(path)
    name = rng.choice(sorted(tensors))
    how = rng.randrange(6)
    if how == 0 or (how in (3, 4) and not tensors[name].is_floating_point()):
        del tensors[name]
    elif how == 1:
        tensors[name] = torch.zeros(3, 5, 7)
    elif how == 2 and path.name != "training.safetensors":
        tensors["base_model.model.lm_head.weight\n" * rng.choice([1, 1000])] = torch.zeros(4)
    elif how == 3:
        tensors[name].view(-1)[0] = rng.choice([float("nan"), float("inf")])
    elif how == 4:
        kind = rng.choice([torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2])
        tensors[name] = torch.full(tensors[name].shape, float("nan")).to(kind)
    else:
        tensors = {}
    path.unlink()
    save_file(tensors, path)


def forge_header(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice(sorted(folder.rglob("*.safetensors")))
    length = rng.choice([0, 2**40, 2**63 - 1, 10, 100_000_000])
    huge = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}'
    header = rng.choice([b"{}", huge, b"[" * 1000, b"\xff" * 64])
    rewrite(path, length.to_bytes(8, "little") + header)


def forge_state(folder: Path, rng: random.Random, canary: Path) -> None:
    from twosome import checkpoint_folder

    path = folder / "state.json"
    hostile = states.hostile(json.loads(path.read_text()), checkpoint_folder.format_of(folder))
    rewrite(path, rng.choice(hostile).encode("utf-8", "surrogatepass"))


def forge_node(folder: Path, rng: random.Random, canary: Path) -> None:
    """A random value at a random place of the state."""
    path = folder / "state.json"
    rewrite(path, json.dumps(states.changed_at_random(json.loads(path.read_text()), rng)).encode())


def forge_format(folder: Path, rng: random.Random, canary: Path) -> None:
    """The content of one format under the name of another."""
    from twosome import checkpoint_folder

    path = folder / checkpoint_folder.MANIFEST
    other = rng.choice([3 - checkpoint_folder.format_of(folder), 0, 3, -1, 1e999, "2", None, [2], {"2": 2}])
    rewrite(path, json.dumps(json.loads(path.read_text()) | {"format": other}).encode())


def forge_settings(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "config.yaml"
    whole = path.read_text()
    [env_id] = re.findall(r"id: (twosome_envs:\S+)", whole)
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(30))
    changes = [
        ("trust_remote_code: false", "trust_remote_code: true"),
        (env_id, "antigravity:Evil-v0"),
        (env_id, "os.path:Evil-v0"),
        ("name: tiny", f"name: !!python/object/apply:os.system ['touch {canary}']"),
        ("kwargs: {}", "kwargs: {_target_: os.system, command: true}"),
        ("name: tiny", "name: ${oc.env:HOME}"),
        ("name: tiny", 'name: "\\x24{oc.env:HOME}"'),
        ("seed: ", "seed: zero"),
        ("method: twosome", "method: os.system"),
        ("rank:", "rnk:"),
        ("device: cpu", "device: cuda:evil"),
        ("token_budget:", "_target_:"),
    ]
    hostile = [whole.replace(*change) for change in changes]
    hostile += [
        whole + bomb,
        whole + "\nunknown: 1\n",
        whole + f"\n{'unknown' * 1000}: 1\n",
        whole + "x: " + "y" * 2**21,
    ]
    hostile += [whole + f"\nx: !!python/object/apply:os.system ['touch {canary}']\n"]
    hostile += [bomb, "", "3", "- 1\n- 2", "a: [" * 5000, "\x00\x01"]
    assert whole not in hostile
    rewrite(path, rng.choice(hostile).encode())


def forge_names(folder: Path, rng: random.Random, canary: Path) -> None:
    """Hostile names in the manifest, links, pipes, too many files; made after the manifest, which it rewrites
    itself.
    """
    seal(folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    targets = [p for p in files_of(folder) if p.name != "manifest.json"]
    how = rng.randrange(11)
    if how < 5:
        out = ["../../../etc/passwd", "/etc/passwd", "a/../../b", "..", "~/x", "C:\\x", "a\\..\\b"]
        odd = ["./x", "a//b", "", "a\x00b", "a\n\nb", "\x1b[31mred", "\ud800", "x" * 5000, "x\n" * 5000]
        manifest["files"][rng.choice(out + odd)] = {"size": 1, "sha256": "0" * 64}
    elif how == 5:
        target = rng.choice(targets)
        target.unlink()
        target.symlink_to(rng.choice(["/etc/passwd", "/dev/zero", "../../../x", canary]))
    elif how == 6:
        target = rng.choice(targets)
        target.unlink()
        os.mkfifo(target)
        manifest["files"][str(target.relative_to(folder))] = {"size": 0, "sha256": NOTHING}
    elif how == 7:
        shutil.rmtree(folder / "adapter")
        (folder / "adapter").symlink_to("/etc")
    elif how == 8:
        none = [[], {}, 3, None, {"format": 99, "files": {}}, {"format": 2}]
        manifest = rng.choice(
            [*none, *({"format": f, "files": files} for f in (1, 2) for files in ({}, [], None, "x"))]
        )
    elif how == 9:
        manifest["files"][str(targets[0].relative_to(folder))] = rng.choice(
            [None, [], 3, {}, {"size": "1"}, {"sha256": 1}]
        )
    else:
        manifest["files"] |= {f"file{i}": {"size": 0, "sha256": ""} for i in range(300)}
    rewrite(path, json.dumps(manifest).encode())


def forge_manifest_file(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "manifest.json"
    path.unlink(missing_ok=True)
    how = rng.randrange(5)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.symlink_to("/dev/zero")
    elif how == 2:
        path.mkdir()
    elif how == 3:
        path.write_bytes(b"{" * 200_000)
    else:
        with path.open("wb") as file:  # sparse: nothing on the disk, a terabyte to read
            file.truncate(2**40)


FORGERIES = [
    *(Forgery(make) for make in (forge_pickle, forge_tensors, forge_header, forge_state, forge_settings)),
    *(Forgery(make, is_sealed=False) for make in (forge_names, forge_manifest_file, forge_format)),
    Forgery(forge_node, is_harmless=True),
]
