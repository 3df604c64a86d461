"""The one primitive of every way to a subgraph: `post` a call, be called back once with what came of it.

Retries, breakers, triggers, hooks, tracing and tests wrap this one method; `send` awaits it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Any, Protocol

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.context import RequestContext
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import NotJson, read_json
from gateway.core.numbers import plain
from gateway.transport.headers import NO_HEADERS, Headers
from gateway.transport.redirects import where_to
from gateway.transport.template import Representations, RequestTemplate, members_of, template_of

RawHeaders = Sequence[tuple[bytes, bytes]]
OUTSIDE = -1
"""The fetch id of a call that belongs to no plan."""


class Call:
    """One GraphQL request to one subgraph; not changed once it was posted.

    - `subgraph`: its name. `fetch`: the id of the plan's fetch that it carries out, by which a reply that has
      come
      already is found again; OUTSIDE for none.
    - `template`, `members`, `representations`: the request, and its variables as JSON.
    - `headers`: those that the forwarding rules let through.
    - `repeatable`: sending it twice does no harm (a query), so that a broken connection may be tried once
      more.
    - `deadline`: the moment of the clock by which the whole reply must be there; `timeout`: how many seconds
      that was
      when the call was made, for messages.
    - `context`: the request that it belongs to, with its trace; None for a call of the gateway's own.
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
        """The body of the HTTP request."""
        if self._body is None:
            self._body = self.template.body(self.members, self.representations)
        return self._body

    @property
    def query(self) -> str:
        """The text of the GraphQL request."""
        return self.template.text

    @property
    def operation_name(self) -> str | None:
        """The operation's name, if the request says one."""
        return self.template.operation_name

    @property
    def variables(self) -> dict[str, Any]:
        """The variables as objects: the caller's own to change."""
        members = self.template.members(self.members, self.representations)
        found: dict[str, Any] = read_json(b"{%b}" % b",".join(members))
        return found

    @property
    def sharing(self) -> Hashable:
        """What calls of different requests must have in common, besides the body, to share a reply."""
        return self.headers.sharing, self.context.sharing() if self.context is not None else None

    def changed(
        self,
        *,
        headers: Headers | None = None,
        deadline: float | None = None,
        representations: Representations | None = None,
    ) -> "Call":
        """The same call with other headers, another deadline, or other representations."""
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

    def asking(self, query: str, variables: Mapping[str, Any], *, repeatable: bool) -> "Call":
        """A call to the same subgraph on behalf of the same request, for something else. Raises TypeError."""
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
    """A call that belongs to no plan, with `timeout` seconds from now.

    Raises TypeError for variables JSON can't hold.
    """
    given = variables or {}
    template = template_of(query, operation_name)
    members = members_of(given, given)
    deadline = clock.time() + timeout
    return Call(subgraph, OUTSIDE, template, members, (), headers, repeatable, deadline, timeout, context)


class Reply:
    """One reply as it came: HTTP status, body, and headers as pairs of bytes."""

    __slots__ = ("body", "raw_headers", "status")

    def __init__(self, status: int, body: bytes, raw_headers: RawHeaders = ()) -> None:
        self.status = status
        self.body = body
        self.raw_headers = raw_headers

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


Outcome = Reply | Exception  # a SubgraphError, or a mistake of ours
Done = Callable[[Outcome], None]


class Handle(Protocol):
    """Something under way that can be given up; afterwards nobody is called back."""

    def cancel(self) -> object:
        """Give it up; does nothing when it is over."""
        ...


class Transport(Protocol):
    """A way to subgraphs."""

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call, and call `done` once with what comes of it, never before this returns.

        That is a Reply, or a SubgraphError: SUBGRAPH_UNREACHABLE, SUBGRAPH_TIMEOUT, SUBGRAPH_OVERLOADED,
        SUBGRAPH_BAD_RESPONSE or SUBGRAPH_WRONG_VALUE.
        """
        ...

    async def close(self) -> None:
        """Close what is open; calls that are under way are still answered."""
        ...


async def send(transport: Transport, call: Call) -> Reply:
    """Post a call and wait for its reply; when the caller is cancelled, so is the call.

    Raises what `post` hands back.
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
    """A reply with a 3xx status, and the `address` that it came from."""

    __slots__ = ("address",)

    def __init__(self, reply: Reply, address: str) -> None:
        super().__init__(reply.status, reply.body, reply.raw_headers)
        self.address = address


def read_payload(subgraph: str, reply: Reply) -> Any:
    """The JSON of a reply, with numbers as they were written.

    Errors of GraphQL count whatever the status; without any, a status that is no success is the error itself,
    also when there is data.

    Raises SubgraphError: SUBGRAPH_HTTP_ERROR or SUBGRAPH_BAD_RESPONSE.
    """
    if 300 <= reply.status < 400:
        raise _bad_status(subgraph, reply)
    try:
        payload = read_json(reply.body)
    except NotJson as error:
        if reply.status >= 400:
            raise _bad_status(subgraph, reply) from error
        message = f"gave an answer that is not JSON: {error}"
        raise SubgraphError(message, "SUBGRAPH_BAD_RESPONSE", subgraph=subgraph) from error
    if reply.status >= 400 and not (isinstance(payload, dict) and payload.get("errors")):
        raise _bad_status(subgraph, reply)
    return payload


def _bad_status(subgraph: str, reply: Reply) -> SubgraphError:
    message = f"answered with HTTP status {reply.status}"
    if reply.status < 400:
        address = reply.address if isinstance(reply, Redirect) else ""
        message = f"{message}, {where_to(reply.raw_headers, address)}"
    return SubgraphError(message, "SUBGRAPH_HTTP_ERROR", subgraph=subgraph)


async def send_and_read(transport: Transport, call: Call) -> Any:
    """The payload of the reply to a call, with plain numbers; raises SubgraphError."""
    return plain(read_payload(call.subgraph, await send(transport, call)))


def run_in_task(work: Coroutine[Any, Any, Reply], done: Done) -> Handle:
    """Run a coroutine as a task that calls back: `post` for transports that await."""

    def over(task: "asyncio.Task[Reply]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        done(error if isinstance(error, Exception) else task.result())

    task = asyncio.ensure_future(work)
    task.add_done_callback(over)
    return task
