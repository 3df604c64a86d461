"""Peers (other federation gateways) over a rig's subgraphs: a second oracle beside the monolith.

Each peer is a Node process (`tests/oracle/dialogue.mjs`). It loads the supergraph that our composition makes,
and sends its subgraph requests to this process, where the rig's subgraphs reply to them one by one.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.case import Question
from tests.fuzz.rig import Rig
from tests.oracle.programs import Conversation, install

PEERS: Mapping[str, str] = {
    "apollo": "Apollo Gateway (@apollo/gateway)",
    "hive": "Hive Gateway (@graphql-hive/gateway-runtime)",
    "hive-rust": "Hive Gateway with Hive's Rust planner (@graphql-hive/router-runtime)",
}
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Request:
    """A subgraph request of a peer."""

    subgraph: str
    query: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """A peer's response.

    - `problems`: (kind, text) of what the subgraphs reported about its requests.
    - `mutations`: the number of executed mutation fields.

    A supergraph that does not load, and a process that ends, are errors of every response.
    """

    data: Any
    errors: Sequence[Mapping[str, Any]]
    requests: Sequence[Request] = ()
    problems: Sequence[tuple[str, str]] = ()
    mutations: int = 0

    @property
    def messages(self) -> str:
        """Return the errors' messages, one per line."""
        return "\n".join(str(error.get("message")) for error in self.errors)


class Peer:
    """One peer. Its process is started when it is first needed, and again after it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._talk: Conversation | None = None
        self._loaded = ""
        self._failure = ""

    def ask(self, rig: Rig, question: Question, runner: asyncio.Runner) -> Response:
        """Return the peer's response to a question. Kills the process if it needs longer than SECONDS."""
        try:
            talk = self._over(rig)
            if self._failure:
                return _failed(f"the supergraph does not load: {self._failure}")
            return self._answer(talk, rig, question, runner)
        except TimeoutError as error:
            self.end()
            return _failed(f"no answer: {error}")
        except (AssertionError, BrokenPipeError) as error:
            self.end()
            return _failed(f"the process ended: {error}")

    def end(self) -> None:
        """End the process; the next question starts a new one."""
        if self._talk is not None:
            self._talk.kill()
            self._talk.end()
        self._talk, self._loaded = None, ""

    def _over(self, rig: Rig) -> Conversation:
        """Return the process, with the rig's supergraph loaded if it can be."""
        if self._talk is None:
            self._talk = Conversation([install(), "dialogue.mjs", self.name])
        if self._loaded != rig.supergraph:
            with _watched(self._talk):
                loaded = self._talk.ask({"supergraph": rig.supergraph})
            self._loaded, self._failure = rig.supergraph, loaded.get("failure", "")
        return self._talk

    def _answer(self, talk: Conversation, rig: Rig, question: Question, runner: asyncio.Runner) -> Response:
        rig.begin(question)
        requests: list[Request] = []
        operation = {"query": question.query, "variables": question.variables, "labels": question.labels}
        with _watched(talk):
            talk.send({"operation": operation})
            while "answer" not in (said := talk.receive()):
                assert "body" in said, said
                body = json.loads(said["body"])
                request = Request(_host(said["url"]), body["query"], body.get("variables") or {})
                requests.append(request)
                answering = rig.subgraphs[request.subgraph]
                reply = runner.run(answering(request.query, request.variables, body.get("operationName"), {}))
                talk.send({"reply": said["call"], "body": json.dumps(reply)})
        answer = said["answer"]
        return Response(answer["data"], answer["errors"], requests, rig.problems(), rig.world.mutations)


@contextmanager
def _watched(talk: Conversation) -> Iterator[None]:
    """Kill a process that has not finished after SECONDS, and raise TimeoutError."""
    late = Event()

    def stop() -> None:
        late.set()
        talk.kill()

    timer = Timer(SECONDS, stop)
    timer.start()
    try:
        yield
    except (AssertionError, BrokenPipeError):
        if late.is_set():
            raise TimeoutError(f"killed after {SECONDS:.0f} s") from None
        raise
    finally:
        timer.cancel()


def _failed(message: str) -> Response:
    """Return a response with only an error."""
    return Response(None, ({"message": message},))


def _host(url: str) -> str:
    """Return the subgraph's name in a URL of the rig's supergraph."""
    return urlsplit(url).netloc
