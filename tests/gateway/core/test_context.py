"""The request context: values from headers, the sharing key, and deadlines."""

import pytest

from gateway.core.clock import FakeClock
from gateway.core.context import ANONYMOUS, Identity, RequestContext, Trace
from gateway.observe.observer import Observer


def context(**headers: str) -> RequestContext:
    """Return the context of a request with these headers; underscores in names stand for hyphens."""
    return RequestContext(
        {name.replace("_", "-"): value for name, value in headers.items()}, Observer(), FakeClock()
    )


def test_the_id_is_the_clients_where_it_is_plain() -> None:
    """The client's request id is used if it has only allowed characters; otherwise one random id is used for
    the request.
    """
    assert context(x_request_id="abc-1").id == "abc-1"
    for bad in ("", "a b", "a\nb", "x" * 129, "é"):
        made = context(x_request_id=bad)
        assert made.id == made.id
        assert len(made.id) == 32
    assert context().id != context().id


def test_the_client_says_who_it_is() -> None:
    """The client's name and version are read from any of the usual headers."""
    assert context(graphql_client_name="web", graphql_client_version="3").client_name == "web"
    assert context(apollographql_client_version="4").client_version == "4"
    assert context().client_name is None


def test_what_a_client_says_of_caches_and_traces() -> None:
    """Cache directives are in lower case; a trace needs the header `traceparent`."""
    assert context(cache_control="No-Cache, max-age=0").cache_directives == {"no-cache", "max-age=0"}
    assert context().cache_directives == frozenset()
    assert context(traceparent="00-a-b-01", tracestate="x=1").trace == Trace("00-a-b-01", "x=1")
    assert context(tracestate="x=1").trace is None


def test_requests_share_within_one_partition_and_identity() -> None:
    """Anonymous requests have no key; requests with a partition or an identity have keys of their own."""
    one = context()
    assert one.identity is ANONYMOUS
    assert one.sharing_key() is None
    one.partition = "eu"
    other = context()
    other.identity = Identity("kim", key="kim")
    assert len({one.sharing_key(), other.sharing_key(), context().sharing_key()}) == 3


@pytest.mark.parametrize(("left", "due"), [(None, 30.0), (5.0, 5.0), (60.0, 30.0)])
def test_no_call_may_take_longer_than_its_request(left: float | None, due: float) -> None:
    """A call's deadline is after its own timeout, but never after the request's deadline."""
    made = context()
    now = made.clock.time()
    made.deadline = None if left is None else now + left
    assert made.due(30.0) - now == due


def test_notes_go_from_hook_to_hook() -> None:
    """A value that a plugin stores in `notes` is there for its next hook."""
    made = context()
    made.notes["calls"] = 1
    assert made.notes == {"calls": 1}
