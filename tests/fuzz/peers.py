"""Other people's gateways over a rig's subgraphs: a second oracle beside the monolith.

Each peer is a Node process (`tests/oracle/dialogue.mjs`). It loads the supergraph that our composition makes,
and its subgraph requests come here, where the rig's subgraphs answer them one by one.
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
    """What a peer answered.

    `problems`: what the subgraphs noted of its requests, as kinds and texts; `mutations`: how many mutation
    fields were executed. A supergraph that does not load and a process that ends are errors of every answer.
    """

    data: Any
    errors: Sequence[Mapping[str, Any]]
    requests: Sequence[Request] = ()
    problems: Sequence[tuple[str, str]] = ()
    mutations: int = 0

    @property
    def messages(self) -> str:
        """The errors' messages, a line each."""
        return "\n".join(str(error.get("message")) for error in self.errors)


class Peer:
    """One peer. Starts its process when it is first needed, and again when it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._talk: Conversation | None = None
        self._loaded = ""
        self._failure = ""

    def ask(self, rig: Rig, question: Question, runner: asyncio.Runner) -> Response:
        """The peer's answer to a question over the rig's subgraphs.

        Kills the process when it takes longer than SECONDS.
        """
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
        """End the process; the next question starts another."""
        if self._talk is not None:
            self._talk.kill()
            self._talk.end()
        self._talk, self._loaded = None, ""

    def _over(self, rig: Rig) -> Conversation:
        """The process, with the rig's supergraph loaded unless it can't be."""
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
    """Kills a process that is not done after SECONDS; then raises TimeoutError."""
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
    """What is there instead of a response."""
    return Response(None, ({"message": message},))


def _host(url: str) -> str:
    """The subgraph that an address of the rig's supergraph names."""
    return urlsplit(url).netloc
