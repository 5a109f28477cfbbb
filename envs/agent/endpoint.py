"""A language model behind an OpenAI-compatible endpoint as adviser.

The key comes from an environment variable, is read anew for every call, and stands in the header of the request alone:
no setting, error, note or answer holds it.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import math
import os
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any

from .inner import whole
from .menu import one_line
from .tools import within

MOST_BYTES, CHUNK = 1 << 20, 1 << 16
"""Of a reply, and read at a time."""
LONGEST_NAME = 200
"""Characters of a model's name."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_calls: Counter[tuple[str, str]] = Counter()
_turn = threading.Lock()


class EndpointError(RuntimeError):
    """No answer came back, and why."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Asks `POST {url}/chat/completions` for one of the answers, at temperature 0; redirects are not followed.

    url: http or https, such as `http://localhost:8000/v1`; model: its name there.
    key_env: the environment variable that holds the key; None: no key is sent.
    max_calls: calls of this process to this model, whoever makes them; after that every call fails.
    max_tokens: longest answer, in tokens.
    patience: seconds that a call may take as a whole; None: no limit.

    Raises `TypeError`, `ValueError` for settings that cannot work, a key that is not there among them.
    """

    url: str
    model: str
    key_env: str | None = None
    max_calls: int = 100
    max_tokens: int = 32
    patience: float | None = 60.0

    def __post_init__(self) -> None:
        _check_address(self.url)
        if not isinstance(self.model, str) or not 0 < len(self.model.strip()) <= LONGEST_NAME:
            raise ValueError(f"model={self.model!r}, expected the name of a model at the endpoint, a text.")
        if self.key_env is not None and not (isinstance(self.key_env, str) and NAME.fullmatch(self.key_env)):
            # What was given may be the key itself, so it is not shown.
            raise ValueError("key_env is no name: expected that of an environment variable, such as OPENAI_API_KEY.")
        whole("max_calls", self.max_calls, 1)
        whole("max_tokens", self.max_tokens, 1)
        self._key()

    def __call__(self, question: str, answers: tuple[str, ...]) -> str:
        """What the model says. Raises `EndpointError`, `TimeoutError`, `ValueError` without a key."""
        key = self._key()
        with _turn:
            if _calls[self.url, self.model] >= self.max_calls:
                raise EndpointError(f"the {self.max_calls} calls of max_calls are used up")
            _calls[self.url, self.model] += 1
        request = self._request(asked(question, answers), key)
        return _without(key, within(self.patience, lambda: _said(self._sent(request, key))))

    def _key(self) -> str | None:
        """The key, None where none is sent. Raises `ValueError`, which does not show it."""
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise ValueError(f"the environment variable {self.key_env}, which is to hold the key, is not set")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(f"the environment variable {self.key_env} holds no key: expected one word of ASCII")
        return key

    def _request(self, prompt: str, key: str | None) -> urllib.request.Request:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": self.max_tokens,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        return urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")

    def _sent(self, request: urllib.request.Request, key: str | None) -> bytes:
        """The body of the reply. Errors hold no word of the server's that the key could stand in."""
        end = math.inf if self.patience is None else time.monotonic() + self.patience
        try:
            with _opener.open(request, timeout=self.patience) as reply:
                parts, size = [], 0
                while part := reply.read1(CHUNK):
                    parts.append(part)
                    size += len(part)
                    if size > MOST_BYTES:
                        raise EndpointError(f"the reply is larger than {MOST_BYTES:,} bytes")
                    if time.monotonic() > end:  # nobody waits for it any more
                        raise TimeoutError
                return b"".join(parts)
        except urllib.error.HTTPError as error:
            with error:
                means = http.client.responses.get(error.code, "unknown")
                hint = ", which is not followed" if 300 <= error.code < 400 else ""
                raise EndpointError(f"HTTP {error.code} {means}{hint}") from None
        except (OSError, http.client.HTTPException) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(why, TimeoutError):  # in the words of `within`, whichever is first
                raise TimeoutError(f"no answer within {self.patience:g} s") from None
            said = f"no reply: {type(why).__name__}: {why}" if isinstance(why, BaseException) else f"no reply: {why}"
            raise EndpointError(one_line(_without(key, said), LONGEST_NAME)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Lets no server name another address, to which the key would go."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:
        """None: a redirect is an error like any other, and nobody reads where it leads."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


_opener = urllib.request.build_opener(_NoRedirect)


def asked(question: str, answers: tuple[str, ...]) -> str:
    """The prompt.

    >>> print(asked("What do I clean the lamp with?", ("soap", "oil")))
    What do I clean the lamp with?
    Which of these is the answer?
    - soap
    - oil
    Reply with the words of one of them and nothing else.
    """
    listed = [f"- {answer}" for answer in answers]
    return "\n".join(
        [question, "Which of these is the answer?", *listed, "Reply with the words of one of them and nothing else."]
    )


def _said(data: bytes) -> str:
    """The text of a chat completion. Raises `EndpointError`."""
    try:
        said = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        said = None
    if not isinstance(said, str):
        raise EndpointError("the reply is no chat completion: expected JSON with choices[0].message.content, a text")
    return said


def _without(key: str | None, text: str) -> str:
    """The text, in which a server may have repeated the key."""
    return text if key is None else text.replace(key, "(the key)")


def _check_address(url: object) -> None:
    """Raise `ValueError` for what is no address of an endpoint."""
    expected = "expected http:// or https://, a host and a path, such as http://localhost:8000/v1"
    if not isinstance(url, str):
        raise ValueError(f"url={url!r}, {expected}.")
    if "@" in url or "?" in url or "#" in url:  # not shown: it may hold a password
        raise ValueError(f"url: {expected}, without user, password, query or fragment; the key has key_env=NAME.")
    try:
        parts = urllib.parse.urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"url={one_line(url, LONGEST_NAME)!r}, {expected}.")
