"""Checkpoints as a stranger could make them: hostile content under a manifest that fits. Every payload would create a canary."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

NOT_READ = ("adapter_config.json", "manifest.json")  # the one decides nothing, the other is written anew


class Payload:
    """Unpickling this creates the canary."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def files_of(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def rewrite(path: Path, data: bytes) -> None:
    """Replace a file that may be a hard link to the whole checkpoint's."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def seal(folder: Path) -> None:
    """A manifest that fits what is there."""
    from twosome.training import checkpoint
    from twosome import files

    names = [p for p in files_of(folder) if p.name != checkpoint.MANIFEST]
    listed = {str(p.relative_to(folder)): {"size": p.stat().st_size, "sha256": files.digest(p)} for p in names}
    rewrite(folder / checkpoint.MANIFEST, json.dumps({"format": checkpoint.FORMAT, "files": listed}).encode())


def forge_pickle(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice([p for p in files_of(folder) if p.suffix in (".safetensors", ".json", ".yaml") and p.name not in NOT_READ])
    if rng.random() < 0.5:
        rewrite(path, pickle.dumps(Payload(canary)))
    else:
        path.unlink()
        torch.save({"weight": Payload(canary)}, path)


def forge_tensors(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice(sorted(folder.rglob("*.safetensors")))
    tensors = load_file(path)
    name = rng.choice(sorted(n for n in tensors if not n.endswith(".step")))
    how = rng.randrange(5)
    if how == 0 or (how == 3 and not tensors[name].is_floating_point()):
        del tensors[name]
    elif how == 1:
        tensors[name] = torch.zeros(3, 5, 7)
    elif how == 2 and path.name != "training.safetensors":
        tensors["base_model.model.lm_head.weight"] = torch.zeros(4)
    elif how == 3:
        tensors[name].view(-1)[0] = rng.choice([float("nan"), float("inf")])
    else:
        tensors = {}
    path.unlink()
    save_file(tensors, path)


def forge_header(folder: Path, rng: random.Random, canary: Path) -> None:
    path = rng.choice(sorted(folder.rglob("*.safetensors")))
    length = rng.choice([0, 2**40, 2**63 - 1, 10, 100_000_000])
    header = rng.choice([b"{}", b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}', b"[" * 1000, b"\xff" * 64])
    rewrite(path, length.to_bytes(8, "little") + header)


def forge_state(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "state.json"
    whole = json.loads(path.read_text())
    hostile = [
        "[" * 100_000, "3", "null", "{}", '"x"', "{" + '"a":1,' * 3, "1" * 10_000, '{"counters": {"updates": 1e999}}', "\x00", "NaN",
        json.dumps(whole | {"counters": {"updates": -1, "bad_updates": 0, "token_budget": 1}}),
        json.dumps(whole | {"counters": {"updates": "1", "bad_updates": 0, "token_budget": 1}}),
        json.dumps(whole | {"prompts": ["a"]}), json.dumps(whole | {"prompts": None}),
        json.dumps(whole | {"probes": {"device": "cpu", "inside": {"scorer": "trie", "command": "os.system"}, "beyond": None}}),
        json.dumps(whole | {"run": {}}), json.dumps(whole | {"run": {"worlds": 3, "stats": {}}}),
        json.dumps(whole | {"run": {**whole["run"], "stats": {"steps": "many"}}}),
        json.dumps(whole | {"run": {**whole["run"], "stats": {**whole["run"]["stats"], "recent": [[1]]}}}),
        json.dumps(whole | {"run": {**whole["run"], "worlds": {**whole["run"]["worlds"], "worlds": []}}}),
        json.dumps(whole | {"run": {**whole["run"], "worlds": {**whole["run"]["worlds"], "worlds": [{"episode": "0"}] * 4}}}),
        json.dumps(whole | {"run": {**whole["run"], "worlds": {**whole["run"]["worlds"], "failed": "x"}}}),
    ]  # fmt: skip
    rewrite(path, rng.choice(hostile).encode())


def forge_settings(folder: Path, rng: random.Random, canary: Path) -> None:
    path = folder / "config.yaml"
    whole = path.read_text()
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(30))
    hostile = [
        whole.replace("trust_remote_code: false", "trust_remote_code: true"),
        whole.replace("id: twosome_envs:twosome/FoodPreparation-v0", "id: antigravity:Evil-v0"),
        whole.replace("id: twosome_envs:twosome/FoodPreparation-v0", "id: os.path:Evil-v0"),
        whole + f"\nx: !!python/object/apply:os.system ['touch {canary}']\n",
        whole.replace("name: tiny", f"name: !!python/object/apply:os.system ['touch {canary}']"),
        whole.replace("kwargs: {}", "kwargs: {_target_: os.system, command: true}"),
        whole.replace("name: tiny", "name: ${oc.env:HOME}"), whole.replace("name: tiny", 'name: "\\x24{oc.env:HOME}"'),
        whole.replace("seed: 0", "seed: zero"), whole.replace("method: twosome", "method: os.system"), bomb, whole + bomb, "", "3", "- 1\n- 2",
        "a: [" * 5000, whole + "\nunknown: 1\n", whole.replace("rank:", "rnk:"), whole.replace("device: cpu", "device: cuda:evil"), "\x00\x01",
        whole.replace("token_budget:", "_target_:"), whole + "x: " + "y" * 2**21,
    ]  # fmt: skip
    rewrite(path, rng.choice([h for h in hostile if h != whole]).encode())


def forge_names(folder: Path, rng: random.Random, canary: Path) -> None:
    """Hostile names in the manifest, links, pipes, too many files; made after the manifest, which it rewrites itself."""
    seal(folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    how = rng.randrange(10)
    if how < 5:
        name = rng.choice(["../../../etc/passwd", "/etc/passwd", "a/../../b", "..", "./x", "a//b", "", "a\\..\\b", "a\x00b", "~/x", "C:\\x"])
        manifest["files"][name] = {"size": 1, "sha256": "0" * 64}
    elif how == 5:
        target = rng.choice([p for p in files_of(folder) if p.name != "manifest.json"])
        target.unlink()
        target.symlink_to(rng.choice(["/etc/passwd", "/dev/zero", "../../../x", canary]))
    elif how == 6:
        target = rng.choice([p for p in files_of(folder) if p.name != "manifest.json"])
        target.unlink()
        os.mkfifo(target)
        manifest["files"][str(target.relative_to(folder))] = {"size": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
    elif how == 7:
        shutil.rmtree(folder / "adapter")
        (folder / "adapter").symlink_to("/etc")
    elif how == 8:
        manifest = rng.choice([[], {}, {"format": 99, "files": {}}, {"format": 1, "files": {}}, {"format": 1, "files": []}, {"format": 1}, 3, None])
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


FORGERIES: list[tuple[Callable, bool]] = [
    (forge_pickle, True), (forge_tensors, True), (forge_header, True), (forge_state, True), (forge_settings, True),
    (forge_names, False), (forge_manifest_file, False),
]  # fmt: skip
