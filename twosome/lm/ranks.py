"""One engine in several processes: rank 0 asks as ever, and every rank computes a share of the passes.

    rank 0   worlds, optimisers, run folder ─▶ SharedEngine ─▶ items of the others ─▶ rows back in order
    others   the same model, no worlds      ◀─ `serve`: a pass of its share at a time, and the gradient of its own graph

The rows of others enter the loss of rank 0 as leaves; the slope that a leaf gets goes back to its rank, which sends it
through its graph. After the last pass the adapter's gradients of all are added on rank 0, which alone steps. Before a
question a rank gets whatever it needs to be the same function: adapter, its switch, dropout, token budget, scorers.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from twosome import errors
from twosome.errors import ConfigError, RankError, TwosomeError, brief, is_out_of_memory
from twosome.lm.adapter import adapter_off, set_dropout, tuner_layer
from twosome.lm.engine import Engine, Passes, check_bias
from twosome.lm.link import Link, Message
from twosome.types import Decision, LanguageModel

SAMPLED = 1000  # entries of every frozen tensor that tell whether two ranks have the same model


class Peer:
    """Another rank as rank 0 sees it: asked one thing at a time, and owing one answer to each.

    Neither side sends while the other does, so neither can wait for the other for ever.
    """

    def __init__(self, link: Link, rank: int):
        self.link, self.rank, self.owes = link, rank, False
        self.weights: Tensor | None = None
        """The adapter that it has, as rank 0 sent it."""

    def ask(self, question: Message) -> None:
        """Ask, after the answer to a question that was given up has come."""
        if self.owes:
            self.link.receive(self.rank)
        self.link.send(self.rank, question)
        self.owes = True

    def answer(self) -> Message:
        """What it answers. Raises what was raised there: out of memory as here, errors with its rank."""
        message = self.link.receive(self.rank)
        self.owes = False
        if (name := message.said.get("raised")) is None:
            return message
        said = f"On rank {self.rank}: {message.said['message']}"
        if name == "MemoryError":
            raise MemoryError(said)
        kind = getattr(errors, name, None)
        is_ours = isinstance(kind, type) and issubclass(kind, TwosomeError)
        raise kind(said) if is_ours else RankError(said)  # type: ignore[misc]


class SharedEngine(Engine):
    """An engine whose passes are shared out among this process and `peers`, which have the same model.

    Gives what the engine gives alone, up to the order of sums.
    """

    def __init__(self, engine: Engine, peers: Sequence[Peer]):
        super().__init__(engine.lm, engine.tokenizer, engine.settings, engine.forward)
        self.peers = peers
        self._adapter = [p for p in engine.lm.parameters() if p.requires_grad]
        self._tuned = tuner_layer(engine.lm)
        self._weights: Tensor | None = None

    def menu_passes(self, decisions: list[Decision]) -> Passes:
        for decision in decisions:
            check_bias(decision)
        if decisions:
            self._scorers([self.encoder(d.prompt, d.menu) for d in decisions])  # the check, on what it is alone made on
        place = self._at if torch.is_grad_enabled() else torch.device("cpu")
        return self._shared("menu_passes", super().menu_passes, decisions, place)

    def continuation_passes(self, pairs: list[tuple[str, str]]) -> Passes:
        if pairs:
            self._scorers([self.encoder(prompt, (text,)) for prompt, text in pairs])
        return self._shared("continuation_passes", super().continuation_passes, pairs, torch.device("cpu"))

    def feature_passes(self, texts: list[str]) -> Passes:
        return self._shared("feature_passes", super().feature_passes, texts, self._at)

    def _shared(
        self, kind: str, passes: Callable[[list[Any]], Passes], items: list[Any], place: torch.device
    ) -> Passes:
        """A pass of every rank in turn; with a graph each is to be gone back through before the next is taken."""
        own, *others = shares(items, 1 + len(self.peers))
        learns = torch.is_grad_enabled() and kind == "menu_passes"
        working = [(peer, share) for peer, share in zip(self.peers, others, strict=True) if share]
        conditions = self._conditions(learns) if working else {}
        for peer, share in working:
            news = {} if peer.weights is self._weights or self._weights is None else {"weights": self._weights}
            peer.ask(Message({"do": kind, "items": [items[i] for i in share], **conditions}, news))
            peer.weights = self._weights
        mine: Passes | None = passes([items[i] for i in own])
        gradients = []
        while mine is not None or working:
            if mine is not None and (found := next(mine, None)) is not None:
                yield [own[i] for i in found[0]], found[1]
            else:
                mine = None
            for peer, share in list(working):
                said, tensors = peer.answer()
                if "index" not in said:
                    working.remove((peer, share))
                    gradients.append(tensors)
                    continue
                self.counts["passes"] += 1
                rows = tensors["rows"].to(place).requires_grad_(learns)
                if not learns:  # it goes on while its rows are looked at here
                    peer.ask(Message({"do": "next"}))
                yield [share[i] for i in said["index"]], rows
                if learns:
                    slope = torch.zeros_like(rows) if rows.grad is None else rows.grad
                    peer.ask(Message({"do": "next"}, {"slope": slope}))
        for tensors in gradients:
            add_gradients(self._adapter, tensors)

    def _conditions(self, learns: bool) -> dict[str, Any]:
        """What a pass depends on beside texts and weights; of these the present ones are put into `_weights`."""
        if self._adapter:
            weights = parameters_to_vector(self._adapter).detach()
            if self._weights is None or not torch.equal(weights, self._weights):
                self._weights = weights
        is_off = self._tuned is not None and bool(self._tuned.disable_adapters)
        seed = _seed(self._at) if _drops_out(self.lm) else None
        return {"learns": learns, "state": self.state_dict(), "is_off": is_off, "seed": seed}

    @property
    def _at(self) -> torch.device:
        return self.lm.get_input_embeddings().weight.device


def shares(items: Sequence[Any], n: int) -> list[list[int]]:
    """The indices of items that each of `n` ranks takes: neighbours by their texts, whose beginnings are shared.

    Each has about as much text as the others; the first has something wherever there is something.

    >>> shares(["pear", "fig", "pea", "date"], 2)
    [[3, 1, 2], [0]]
    """
    texts = [_texts(item) for item in items]
    sizes = [sum(map(len, one)) + 1 for one in texts]
    total, before = sum(sizes), 0
    result: list[list[int]] = [[] for _ in range(n)]
    for i in sorted(range(len(items)), key=lambda i: texts[i]):
        result[before * n // total].append(i)
        before += sizes[i]
    return result


def _texts(item: Decision | tuple[str, str] | str) -> tuple[str, ...]:
    return (item.prompt, *item.menu) if isinstance(item, Decision) else (item,) if isinstance(item, str) else item


def add_gradients(parameters: Sequence[Tensor], gradients: dict[str, Tensor]) -> None:
    """Add the gradients that another rank has, by the parameters' indices, to those that are here."""
    for name, gradient in gradients.items():
        parameter = parameters[int(name)]
        there = gradient.to(parameter.device)
        parameter.grad = there if parameter.grad is None else parameter.grad + there


def _drops_out(lm: LanguageModel) -> bool:
    return any(isinstance(m, nn.Dropout) and m.training and m.p > 0 for m in lm.modules())


def _seed(device: torch.device) -> int:
    """A number that follows from where this process's random numbers are, so that a resumed run has it too."""
    states = [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])
    digest = hashlib.sha256(b"".join(state.numpy().tobytes() for state in states)).digest()
    return int.from_bytes(digest[:6], "big")


def fingerprint(lm: LanguageModel) -> str:
    """What tells one frozen model from another: a digest of the beginning of every tensor."""
    digest = hashlib.sha256()
    for name, parameter in lm.named_parameters():
        if not parameter.requires_grad:
            begins = parameter.detach().flatten()[:SAMPLED].cpu().contiguous()
            digest.update(f"{name} {tuple(parameter.shape)} {begins.dtype}".encode())
            digest.update(begins.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def share(engine: Engine, peers: Sequence[Peer]) -> SharedEngine:
    """The engine shared with peers that were asked to build theirs. Raises `ConfigError` for another model there."""
    here = fingerprint(engine.lm)
    for peer in peers:
        if peer.answer().said["model"] != here:
            raise ConfigError(
                f"Rank {peer.rank} has loaded other weights than rank 0 under the same model.name: give every machine "
                "the same files, by hub name and model.revision or a shared folder."
            )
        peer.weights = None
    return SharedEngine(engine, peers)


class Work(NamedTuple):
    """What a serving rank is at: its passes, whether they learn, and whether the adapter is off in them."""

    passes: Iterator[tuple[list[int], Tensor]]
    learns: bool
    is_off: bool


class Server:
    """What a rank that is not 0 answers. `build`: makes the engine from the settings that rank 0 sends, as text."""

    def __init__(self, build: Callable[[str], Engine], rank: int):
        self.build, self.rank = build, rank
        self.engine: Engine | None = None
        self._adapter: list[Tensor] = []
        self._work: Work | None = None
        self._rows: Tensor | None = None

    def __call__(self, question: Message) -> Message:
        """The answer to a question; an error, too, is one."""
        try:
            return self._answer(*question)
        except Exception as error:
            self._work = self._rows = None
            traceback.clear_frames(error.__traceback__)
            if is_out_of_memory(error):
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                return Message({"raised": "MemoryError", "message": brief(error)})
            if not isinstance(error, TwosomeError):
                traceback.print_exception(error)
            said = brief(error) if isinstance(error, TwosomeError) else brief(f"{type(error).__name__}: {error}")
            return Message({"raised": type(error).__name__, "message": said})

    def _answer(self, said: dict[str, Any], tensors: dict[str, Tensor]) -> Message:
        if said["do"] == "build":
            self.engine = None
            self.engine = self.build(said["settings"])
            self._adapter = [p for p in self.engine.lm.parameters() if p.requires_grad]
            return Message({"model": fingerprint(self.engine.lm)})
        assert self.engine is not None
        if said["do"] != "next":
            self._begin(self.engine, said, tensors)
        elif self._rows is not None and "slope" in tensors:
            self._rows.backward(tensors["slope"].to(self._rows.device))
        return self._next(self.engine)

    def _begin(self, engine: Engine, said: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Become the function that rank 0 is now, and begin a share."""
        self._work = self._rows = None
        engine.load_state_dict(said["state"])
        if "weights" in tensors:
            with torch.no_grad():
                vector_to_parameters(tensors["weights"].to(self._adapter[0].device), self._adapter)
        for parameter in self._adapter:
            parameter.grad = None
        set_dropout(engine.lm, said["seed"] is not None)
        if said["seed"] is not None:
            torch.manual_seed(said["seed"] + self.rank)
        kind = said["do"]
        items = [Decision(s, p, tuple(m), tuple(b)) for s, p, m, b in said["items"]] if kind == "menu_passes" else None
        passes = getattr(engine, kind)(said["items"] if items is None else items)
        self._work = Work(passes, said["learns"], said["is_off"])

    def _next(self, engine: Engine) -> Message:
        """The rows of the next pass; after the last the gradient."""
        assert self._work is not None
        self._rows = None
        how = adapter_off(engine.lm) if self._work.is_off else nullcontext()
        with torch.set_grad_enabled(self._work.learns), how:
            found = next(self._work.passes, None)
        if found is not None:
            index, self._rows = found
            return Message({"index": index}, {"rows": self._rows})
        gradients = {str(i): p.grad for i, p in enumerate(self._adapter) if p.grad is not None}
        self._work = None
        return Message({}, gradients)


def serve(link: Link, build: Callable[[str], Engine]) -> None:
    """Answer rank 0's questions until it ends."""
    server = Server(build, link.rank)
    try:
        while True:
            link.send(0, server(link.receive(0)))
    except RankError:  # rank 0 has ended, and has said why
        return
