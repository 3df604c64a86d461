"""The interface of all transports: `post` sends a call, and calls back once with its outcome.

Retries, circuit breakers, triggers, hooks, tracing and tests wrap this one method; `send` awaits it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Any, Protocol

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.context import RequestContext
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import NotJson, encode_json, read_json
from gateway.core.numbers import plain_numbers
from gateway.transport.headers import NO_HEADERS, Headers
from gateway.transport.redirects import describe_redirect
from gateway.transport.template import Representations, RequestTemplate, members_of, template_of

RawHeaders = Sequence[tuple[bytes, bytes]]
OUTSIDE = -1
"""The fetch id of a call outside of a plan."""


class Call:
    """One GraphQL request to one subgraph; immutable after it was posted.

    - `subgraph`: its name. `fetch`: the id of the plan's fetch; OUTSIDE for a call outside of a plan.
    - `template`: the request text as bytes. `members`: the variables as encoded JSON members (`"a":1`).
      `representations`: the encoded representations of each entity lookup.
    - `headers`: the headers to send.
    - `repeatable`: whether the call may be sent twice (a query), so that it is sent again after a broken
      connection.
    - `deadline`: the time of the clock by which the whole reply must have arrived. `timeout`: the seconds
      that the call had at its creation, for messages.
    - `context`: the client's request; None for the gateway's own calls.
    """

    __slots__ = (
        "_body",
        "context",
        "deadline",
        "fetch",
        "headers",
        "members",
        "repeatable",
        "representations",
        "subgraph",
        "template",
        "timeout",
    )

    def __init__(
        self,
        subgraph: str,
        fetch: int,
        template: RequestTemplate,
        members: Sequence[bytes],
        representations: Representations,
        headers: Headers,
        repeatable: bool,
        deadline: float,
        timeout: float,
        context: RequestContext | None = None,
    ) -> None:
        self.subgraph = subgraph
        self.fetch = fetch
        self.template = template
        self.members = members
        self.representations = representations
        self.headers = headers
        self.repeatable = repeatable
        self.deadline = deadline
        self.timeout = timeout
        self.context = context
        self._body: bytes | None = None

    @property
    def body(self) -> bytes:
        """Return the body of the HTTP request."""
        if self._body is None:
            body = self.template.body(self.members, self.representations)
            if self.context is not None and self.context.request_extensions is not None:
                body = b'%b,"extensions":%b}' % (body[:-1], self.context.request_extensions)
            self._body = body
        return self._body

    @property
    def query(self) -> str:
        """Return the text of the GraphQL request."""
        return self.template.text

    @property
    def operation_name(self) -> str | None:
        """Return the operation name; None if there is none."""
        return self.template.operation_name

    @property
    def variables(self) -> dict[str, Any]:
        """Return the decoded variables, representations included, as new objects that the caller may
        change.
        """
        members = self.template.members(self.members, self.representations)
        found: dict[str, Any] = read_json(b"{%b}" % b",".join(members))
        return found

    @property
    def sharing_key(self) -> Hashable:
        """Return what calls of different requests must have in common, besides their bodies, to share a
        reply.
        """
        return self.headers.sharing_key, self.context.sharing_key() if self.context is not None else None

    def replaced(
        self,
        *,
        headers: Headers | None = None,
        deadline: float | None = None,
        representations: Representations | None = None,
    ) -> "Call":
        """Return the same call with other headers, another deadline, or other representations."""
        return Call(
            self.subgraph,
            self.fetch,
            self.template,
            self.members,
            self.representations if representations is None else representations,
            self.headers if headers is None else headers,
            self.repeatable,
            self.deadline if deadline is None else deadline,
            self.timeout,
            self.context,
        )

    def extended(self, extensions: Mapping[str, Any], headers: Headers) -> "Call":
        """Return the same call with further `extensions` in its body, and other headers."""
        made = self.replaced(headers=headers)
        inner = encode_json(extensions)
        own = self.context.request_extensions if self.context is not None else None
        if own is not None:
            inner = own[:-1] + b"," + inner[1:]
        body = self.template.body(self.members, self.representations)
        made._body = b'%b,"extensions":%b}' % (body[:-1], inner)
        return made

    def with_query(self, query: str, variables: Mapping[str, Any], *, repeatable: bool) -> "Call":
        """Return another request to the same subgraph, with the same headers, deadline and context.

        `repeatable`: as in `Call`. Raises TypeError for variables that JSON can't represent.
        """
        members = members_of(variables, variables)
        return Call(
            self.subgraph,
            OUTSIDE,
            template_of(query),
            members,
            (),
            self.headers,
            repeatable,
            self.deadline,
            self.timeout,
            self.context,
        )

    def __repr__(self) -> str:
        return f"Call({self.subgraph}, fetch {self.fetch}, {self.query!r})"


def call_for(
    subgraph: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    operation_name: str | None = None,
    headers: Headers = NO_HEADERS,
    repeatable: bool = True,
    timeout: float = 30.0,
    context: RequestContext | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Call:
    """Return a call outside of a plan, with a deadline `timeout` seconds from now.

    Raises TypeError for variables that JSON can't represent.
    """
    given = variables or {}
    template = template_of(query, operation_name)
    members = members_of(given, given)
    deadline = clock.time() + timeout
    return Call(subgraph, OUTSIDE, template, members, (), headers, repeatable, deadline, timeout, context)


class Reply:
    """A reply: HTTP status, body, and headers as pairs of bytes."""

    __slots__ = ("body", "raw_headers", "status")

    def __init__(self, status: int, body: bytes, raw_headers: RawHeaders = ()) -> None:
        self.status = status
        self.body = body
        self.raw_headers = raw_headers

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


Outcome = Reply | Exception  # a SubgraphError, or an unexpected exception
Done = Callable[[Outcome], None]


class Handle(Protocol):
    """Work in progress that can be cancelled; after that its callback is not called."""

    def cancel(self) -> object:
        """Cancel the work; this has no effect when it has ended."""
        ...


class Transport(Protocol):
    """Sends calls to subgraphs."""

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call, and call `done` once with its outcome, never before this method returns.

        The outcome is a Reply or a SubgraphError: SUBGRAPH_UNREACHABLE, SUBGRAPH_TIMEOUT,
        SUBGRAPH_OVERLOADED, SUBGRAPH_BAD_RESPONSE or SUBGRAPH_WRONG_VALUE.
        """
        ...

    async def close(self) -> None:
        """Close idle connections; calls in progress still receive their replies."""
        ...


async def send(transport: Transport, call: Call) -> Reply:
    """Send a call and return its reply; if the outcome is an exception, raise it.

    Cancelling the caller cancels the call.
    """
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    handle = transport.post(call, done)
    try:
        outcome = await future
    finally:
        handle.cancel()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Redirect(Reply):
    """A reply with a 3xx status. `address`: the URL that the call was sent to."""

    __slots__ = ("address",)

    def __init__(self, reply: Reply, address: str) -> None:
        super().__init__(reply.status, reply.body, reply.raw_headers)
        self.address = address


def read_payload(subgraph: str, reply: Reply) -> Any:
    """Return the JSON of a reply; numbers keep their text (see `core.numbers`).

    A reply with GraphQL errors is valid with any status. Without errors, a status that is not a success is an
    error itself, even with data. Raises SubgraphError: SUBGRAPH_HTTP_ERROR or SUBGRAPH_BAD_RESPONSE.
    """
    if 300 <= reply.status < 400:
        raise _bad_status(subgraph, reply)
    try:
        payload = read_json(reply.body)
    except NotJson as error:
        if reply.status >= 400:
            raise _bad_status(subgraph, reply) from error
        message = f"returned a body that is not JSON: {error}"
        raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=subgraph) from error
    if reply.status >= 400 and not (isinstance(payload, dict) and payload.get("errors")):
        raise _bad_status(subgraph, reply)
    return payload


def _bad_status(subgraph: str, reply: Reply) -> SubgraphError:
    message = f"replied with HTTP status {reply.status}"
    if reply.status < 400:
        address = reply.address if isinstance(reply, Redirect) else ""
        message = f"{message}, {describe_redirect(reply.raw_headers, address)}"
    return SubgraphError(message, "SUBGRAPH_HTTP_ERROR", subgraph=subgraph)


async def send_and_read(transport: Transport, call: Call) -> Any:
    """Send a call and return the JSON of its reply, with floats for decimals. Raises SubgraphError."""
    return plain_numbers(read_payload(call.subgraph, await send(transport, call)))


def run_in_task(work: Coroutine[Any, Any, Reply], done: Done) -> Handle:
    """Run a coroutine in a task that calls `done` with its result.

    Transports whose work is a coroutine implement `post` with this function.
    """

    def over(task: "asyncio.Task[Reply]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        done(error if isinstance(error, Exception) else task.result())

    task = asyncio.ensure_future(work)
    task.add_done_callback(over)
    return task
