"""Laws of the advisers outside: an endpoint on this machine that fails in every way, the key that nobody sees."""

import doctest
import json
import pickle
import sys
import threading
import traceback
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import twosome_envs.agent.endpoint
from twosome_envs.agent import SealedError
from twosome_envs.agent.advisers import made
from twosome_envs.agent.endpoint import Endpoint, EndpointError, asked
from twosome_envs.desk import text
from twosome_envs.desk.env import DeskEnv

from tests.envs.desks import at_care, legal, random_play, take

KEY = "sk-nobody-sees-me"


class Server(ThreadingHTTPServer):
    """Answers as the first part of the path says; `requests` holds what it was sent, as (path, headers, body)."""

    daemon_threads = True

    def __init__(self):
        self.requests, self.stopped = [], threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request, client_address):
        """A client that went away is what is tested."""

    def address(self, how):
        return f"http://127.0.0.1:{self.server_port}/{how}/v1"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        """Quiet."""

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers), None))
        self.completion(json.dumps(completion("soap")).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        how = self.path.split("/")[1]
        offered = [line[2:] for line in body["messages"][0]["content"].splitlines() if line.startswith("- ")]
        right = json.dumps(completion(offered[-1])).encode()
        if how.isdecimal():
            self.send_response_only(int(how), f"No: {self.headers['Authorization']}")
            self.send_header("Location", "http://[no" if how == "301" else self.server.address("elsewhere"))
            self.end_headers()
            self.wfile.write(f"Incorrect: {self.headers['Authorization']}".encode())
        elif how == "garbage":
            self.wfile.write(f"{self.headers['Authorization']}\r\n\r\n".encode())
        elif how == "drip":  # a right answer that comes, but late
            self.begin(len(right) + 100)
            for byte in b" " * 100 + right:
                self.wfile.write(bytes([byte]))
                self.server.stopped.wait(0.02)
        elif how == "slow-head":
            for byte in b"HTTP/1.0 200 OK\r\nX: " + b"x" * 100 + b"\r\n\r\n" + right:
                self.wfile.write(bytes([byte]))
                self.server.stopped.wait(0.02)
        elif how == "silent":
            self.server.stopped.wait(3)
            self.completion(right)
        elif how == "cut":
            self.begin(len(right) + 1)
            self.wfile.write(right[: len(right) // 2])
        elif how != "closed":
            self.completion(BODIES.get(how, lambda key: right)(self.headers["Authorization"]))

    def completion(self, body):
        self.begin(len(body))
        self.wfile.write(body)

    def begin(self, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def completion(content):
    return {"choices": [{"message": {"role": "assistant", "content": content}}]}


def coded(said):
    return lambda key: json.dumps(said).encode()


BODIES = {
    "not-json": lambda key: f"<html>{key}</html>".encode(),
    "not-utf-8": lambda key: b'{"choices": "\xff"}',
    "deep": lambda key: b"[" * 100_000,
    "a-number": coded(3),
    "no-choices": coded({"error": "no"}),
    "none": coded({"choices": []}),
    "no-text": coded(completion(None)),
    "parts": coded(completion([{"text": "soap"}])),
    "10-MB": lambda key: b" " * 10**7 + json.dumps(completion("soap")).encode(),
    "off-the-menu": coded(completion("ketchup")),
    "nothing": coded(completion(" \n")),
    "half-a-letter": coded(completion("\ud800")),
    "the-key": lambda key: json.dumps(completion(f"I was told {key}")).encode(),
}
NO_COMPLETION = "EndpointError: the reply is no chat completion"
FAILURES = {
    "401": "EndpointError: HTTP 401 Unauthorized.",
    "429": "EndpointError: HTTP 429 Too Many Requests.",
    "500": "EndpointError: HTTP 500 Internal Server Error.",
    "301": "EndpointError: HTTP 301 Moved Permanently, which is not followed.",
    "302": "EndpointError: HTTP 302 Found, which is not followed.",
    "307": "EndpointError: HTTP 307 Temporary Redirect, which is not followed.",
    "garbage": "EndpointError: no reply: ",
    "closed": "EndpointError: no reply: ",
    "cut": NO_COMPLETION,
    "drip": "TimeoutError: no answer within 0.3 s.",
    "slow-head": "TimeoutError: no answer within 0.3 s.",
    "silent": "TimeoutError: no answer within 0.3 s.",
    **dict.fromkeys(list(BODIES)[:8], NO_COMPLETION),
    "10-MB": "EndpointError: the reply is larger than 1,048,576 bytes.",
    "off-the-menu": "AdviceError: 'ketchup' is none of ",
    "nothing": "AdviceError: the adviser said nothing",
    "half-a-letter": "AdviceError: the adviser said nothing",
    "the-key": "AdviceError: 'i was told bearer (the key)' is none of ",
}
SLOW = {"drip", "slow-head", "silent"}


@pytest.fixture(name="server", scope="module")
def _server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.stopped.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """A key, no proxy, and no call made yet."""
    monkeypatch.setenv("NAME_OF_THE_KEY", KEY)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("twosome_envs.agent.endpoint._calls", type(twosome_envs.agent.endpoint._calls)())


def settings(server, how, **more):
    return {"kind": "endpoint", "url": server.address(how), "model": "m", "key_env": "NAME_OF_THE_KEY", **more}


def test_the_model_is_asked_for_one_of_the_answers(server):
    """The request is a chat completion; what comes back is the advice."""
    env = DeskEnv(adviser=settings(server, "ok", max_tokens=7), session=2)
    _, info = at_care(env)
    answers = env.desk.question.answers
    observation, reward, info = take(env, info, text.ASK)
    assert observation["scene"].endswith(f" Advice: {answers[-1]}.")
    assert reward == -0.3
    assert text.NOTE in legal(info)
    path, headers, body = server.requests[-1]
    assert path == "/ok/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"
    [message] = body.pop("messages")
    assert message == {"role": "user", "content": asked(text.asked(env.session, env.desk.question), answers)}
    assert body == {"model": "m", "temperature": 0, "max_tokens": 7}


def test_without_a_key_none_is_sent(server):
    assert Endpoint(server.address("ok"), "m")("Why?", ("soap", "oil")) == "oil"
    assert "Authorization" not in server.requests[-1][1]


@pytest.mark.parametrize("how", list(FAILURES))
@pytest.mark.parametrize("is_charged", [True, False])
def test_every_failure_is_told_and_charged_as_set_and_the_session_goes_on(server, how, is_charged):
    adviser, patience = settings(server, how), 0.3 if how in SLOW else 20
    env = DeskEnv(adviser=adviser, charge_failures=is_charged, patience=patience, session=2)
    before, info = at_care(env)
    n = len(server.requests)
    observation, reward, info = take(env, info, text.ASK)
    assert observation["scene"].startswith(before["scene"] + f" No advice: {FAILURES[how]}")
    assert len(server.requests) == n + 1, "nobody was asked twice, or elsewhere"
    assert env.observation_space.contains(observation)
    assert reward == (-0.3 if is_charged else 0.0)
    assert env.kept.advice is None
    assert not {text.ASK, text.NOTE} & {*legal(info)}
    assert not env.step(0)[2]
    hidden = [observation, info, env.snapshot(), pickle.dumps(env.snapshot()), vars(env)]
    assert KEY not in repr(hidden)


def test_nobody_listens(server):
    with Server() as other:
        url = other.address("ok")
    with pytest.raises(EndpointError, match="no reply: ConnectionRefusedError"):
        Endpoint(url, "m")("Why?", ("soap", "oil"))


def test_what_the_errors_hold_is_not_the_key(server, monkeypatch):
    """Not in the error, nor in what it came from."""
    for how in FAILURES.keys() - SLOW:
        endpoint = made(settings(server, how), 20)
        assert KEY not in repr(endpoint)
        if FAILURES[how].startswith("EndpointError"):
            with pytest.raises(EndpointError) as error:
                endpoint("Why?", ("soap", "oil"))
            assert KEY not in "".join(traceback.format_exception(error.value))
        else:
            assert KEY not in endpoint("Why?", ("soap", "oil"))
    for wrong in (f"{KEY}\nX: y", f"{KEY} {KEY}", f"{KEY}é", "  "):
        monkeypatch.setenv("NAME_OF_THE_KEY", wrong)
        with pytest.raises(ValueError, match="variable NAME_OF_THE_KEY") as error:
            endpoint("Why?", ("soap", "oil"))
        assert KEY not in "".join(traceback.format_exception(error.value))


def test_the_calls_of_a_process_are_counted_whoever_makes_them(server):
    """A failure is a call too; after the last, asking fails and nothing is sent."""
    adviser = settings(server, "ok", max_calls=3)
    n = len(server.requests)
    assert made(adviser, 20)("Why?", ("soap", "oil")) == "oil"
    assert made({**adviser, "model": "other"}, 20)("Why?", ("soap", "oil")) == "oil"
    env = DeskEnv(adviser=adviser, session=2)
    scenes = []
    observation, info = env.reset()
    while len(scenes) < 4:
        observation, _, info = take(env, info, text.ASK)
        scenes.append(observation["scene"])
        observation, _, _, _, info = env.step(0)
    assert ["Advice: " in scene and "No advice" not in scene for scene in scenes] == [True, True, False, False]
    assert scenes[-1].endswith(" No advice: EndpointError: the 3 calls of max_calls are used up.")
    assert len(server.requests) == n + 4


def test_a_key_that_has_gone_is_a_failure(server, monkeypatch):
    env = DeskEnv(adviser=settings(server, "ok"), session=2)
    _, info = at_care(env)
    monkeypatch.delenv("NAME_OF_THE_KEY")
    observation, reward, _ = take(env, info, text.ASK)
    assert "No advice: ValueError: the environment variable NAME_OF_THE_KEY, which is" in observation["scene"]
    assert reward == -0.3


def test_an_endpoint_is_not_asked_in_a_simulation_and_its_answers_come_from_the_events_again(server):
    """Failures too; and nobody is asked."""
    adviser = settings(server, "ok", max_calls=1)
    told = list(random_play(DeskEnv(adviser=adviser), 5))
    assert any("max_calls are used up" in step[1]["scene"] for step in told)
    events = [event for step in told for event in step[5]["events"]]
    n = len(server.requests)
    again = DeskEnv(adviser={**adviser, "model": "other"})
    _, info = again.reset(seed=5, options={"events": json.loads(json.dumps(events))})
    for phrase, *expected in told:
        if phrase is not None:
            observation, *result, info = again.step(legal(info)[phrase])
            np.testing.assert_equal([observation, *result, info], expected)
    _, info = again.reset(seed=5)
    again.sealed = True
    with pytest.raises(SealedError, match="ask the adviser"):
        take(again, info, text.ASK)
    assert len(server.requests) == n


URL = "http://localhost:1/v1"
WRONG = [
    ({"kind": "endpont"}, r"Unknown adviser.kind 'endpont'\. Did you mean 'endpoint'"),
    ({}, "Unknown adviser.kind None"),
    ({"kind": "endpoint", "url": URL}, "needs model"),
    ({"kind": "endpoint"}, "needs url and model"),
    ({"kind": "endpoint", "url": URL, "model": "m", "key": KEY}, r"Unknown .* 'key'\. Did you mean 'key_env'"),
    ({"kind": "endpoint", "url": URL, "model": "m", "patience": 3}, "Unknown setting .*'patience'"),
    ({"kind": "endpoint", "url": URL, "model": ""}, "model='', expected the name"),
    ({"kind": "endpoint", "url": URL, "model": "m", "key_env": KEY}, "key_env is no name"),
    ({"kind": "endpoint", "url": URL, "model": "m", "key_env": "NOT_SET"}, "environment variable NOT_SET, .* not set"),
    ({"kind": "endpoint", "url": URL, "model": "m", "max_calls": 0}, "max_calls=0, expected an int of 1 or more"),
    ({"kind": "endpoint", "url": URL, "model": "m", "max_calls": None}, "max_calls=None"),
    ({"kind": "endpoint", "url": URL, "model": "m", "max_tokens": 0.5}, "max_tokens=0.5"),
    *(
        ({"kind": "endpoint", "url": url, "model": "m"}, "expected http:// or https://, a host and a path")
        for url in (
            *("", "localhost:8000/v1", "file:///etc/passwd", "ftp://host/v1", "http://", "http:///v1", 3, None),
            *("http://[::1/v1", "http://host:x/v1", "http://host:99999/v1", "http://a b/v1", "http://hö/v1"),
            *(f"http://user:{KEY}@host/v1", f"http://host/v1?key={KEY}", "http://host/v1#x", "http://host/\r\nX: y"),
        )
    ),
    ({"kind": "function"}, "needs function: module:factory, got None"),
    ({"kind": "function", "function": "os:nothing"}, "'os:nothing' cannot be imported"),
    ({"kind": "function", "function": "os.path:join", "path": 3}, "os.path:join made no adviser of .*TypeError"),
    ({"kind": "function", "function": "os:getpid"}, "os:getpid returned int, expected a function"),
]


@pytest.mark.parametrize(("adviser", "message"), WRONG)
def test_wrong_settings_are_named_when_the_world_is_made_and_no_key_is_shown(adviser, message):
    with pytest.raises(ValueError, match=message) as error:
        DeskEnv(adviser=adviser)
    assert KEY not in str(error.value)


def factory(which=0):
    return lambda question, answers: answers[which]


def test_a_factory_makes_the_adviser_that_settings_ask_for(monkeypatch):
    module = types.ModuleType("advisers_of_a_test")
    module.factory = factory
    monkeypatch.setitem(sys.modules, module.__name__, module)
    env = DeskEnv(adviser={"kind": "function", "function": "advisers_of_a_test:factory", "which": 2}, session=2)
    _, info = at_care(env)
    observation, _, _ = take(env, info, text.ASK)
    assert observation["scene"].endswith(f" Advice: {env.desk.question.answers[2]}.")


def test_the_docstrings_run():
    found = doctest.testmod(twosome_envs.agent.endpoint)
    assert found.attempted > 0
    assert found.failed == 0
