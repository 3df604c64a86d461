"""Answers queries of the read side from the command side, while a read model is not fresh.

The services support fewer conditions and orders than the read models. A query with a condition or order that
they do not support raises ReadModelUnavailable.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, TypeVar

from subgraphs.kit import budget
from subgraphs.kit.errors import NotFound
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import MAX_FIRST, Connection, Count, Edge, PageInfo
from subgraphs.read_side.command_side import CommandSide
from subgraphs.read_side.inputs import RequestStatus
from subgraphs.read_side.routing import Info, unavailable, wrap_cursor
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria
from subgraphs.read_side.types import ActiveRequests, MusicianListing, RankedMusician, RequestListing

Node = TypeVar("Node")

MAX_PAGES: Final = 20
"""The greatest number of pages that `active_requests` reads."""

_PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node"
_MUSICIANS = f"""query($first: Int!, $after: String, $filter: MusicianFilter, $order: MusicianOrder!) {{
  found: musicians(first: $first, after: $after, filter: $filter, orderBy: $order) {{ {_PAGE} {{
    id stageName bio hourlyRate currency experienceYears createdAt
    location {{ latitude longitude city country }} skills {{ id }}
  }} }} }} }}"""
_COUNT_MUSICIANS = (
    "query($filter: MusicianFilter) { found: musicians(first: 1, filter: $filter) { totalCount } }"
)
_REQUESTS = """query($first: Int!, $after: String, $filter: RequestFilterInput, $order: RequestOrder!) {
  found: requests(first: $first, after: $after, filter: $filter, orderBy: $order) { %s {
    id title description status urgencyLevel startsAt endsAt timeZone budgetMin budgetMax currency createdAt
    location { latitude longitude city country } requiredSkills { id } client { id } %s
  } } } }"""
_COUNT_REQUESTS = (
    "query($filter: RequestFilterInput) { found: requests(first: 1, filter: $filter) { totalCount } }"
)
_SUMMED = f"""query($after: String, $filter: RequestFilterInput) {{
  found: requests(first: {MAX_FIRST}, after: $after, filter: $filter) {{
    pageInfo {{ hasNextPage endCursor }}
    edges {{ node {{ status currency createdAt budgetMin budgetMax }} }} }} }}"""
_SCORES = (
    "rankingPosition totalScore skillScore experienceScore priceScore distanceScore distanceKm"
    " isRecommended musician { id }"
)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The requested page of a list: `first` elements in an order, after the command side's cursor `after`."""

    first: int
    order: str
    after: str | None


async def find_musicians(
    info: Info, wanted: MusicianCriteria, listed: PageRequest
) -> Connection[MusicianListing]:
    """Return the page `listed` of the musicians who fulfil the conditions `wanted`.

    Profiles come from the service `musicians`, ratings from `reviews`.
    """
    filters = _musician_filter(wanted, listed.order)
    side = info.context.command_side
    found = await _list(side, "musicians", _MUSICIANS, listed, filters)
    ids = [edge["node"]["id"] for edge in found["edges"]]
    reputations = await side.entities("reviews", "Musician", ids, "id rating totalReviews")

    async def count() -> int:
        return await count_musicians(info, wanted)

    known = dict(zip(ids, reputations, strict=True))
    return _connection(found, lambda node: MusicianListing.of_node(node, known[node["id"]]), count)


async def count_musicians(info: Info, wanted: MusicianCriteria) -> int:
    """Return the number of musicians who fulfil the conditions `wanted`."""
    data = await info.context.command_side.query(
        "musicians", _COUNT_MUSICIANS, {"filter": _musician_filter(wanted, "newest")}
    )
    return int(data["found"]["totalCount"])


def _musician_filter(wanted: MusicianCriteria, order: str) -> dict[str, Any]:
    unsupported = {
        "search by text": wanted.text,
        "filter by rating": wanted.min_rating,
        "filter by availability": wanted.available_only,
        "filter by distance": wanted.near,
        "sort by rating": order == "rating",
    }
    _refuse_unsupported(unsupported)
    filters = {
        "skills": [str(key) for key in wanted.skill_ids] or None,
        "city": wanted.city,
        "maxRate": None if wanted.max_hourly_rate is None else str(wanted.max_hourly_rate),
    }
    return {name: value for name, value in filters.items() if value is not None}


async def find_requests(
    info: Info, wanted: RequestCriteria, listed: PageRequest
) -> Connection[RequestListing]:
    """Return the page `listed` of the requests that fulfil the conditions `wanted`.

    Requests come from the service `requests`, the clients' names from `users`.
    """
    filters = _request_filter(wanted)
    side = info.context.command_side
    more = "applications(first: 1) { totalCount }" if side.knows_caller else ""
    found = await _list(side, "requests", _REQUESTS % (_PAGE, more), listed, filters)
    ids = list(dict.fromkeys(edge["node"]["client"]["id"] for edge in found["edges"]))
    users = await side.entities("users", "User", ids, "username")
    names = {key: user.get("username") for key, user in zip(ids, users, strict=True)}

    async def count() -> int:
        return await count_requests(info, wanted)

    return _connection(found, lambda node: RequestListing.of_node(node, names[node["client"]["id"]]), count)


async def count_requests(info: Info, wanted: RequestCriteria) -> int:
    """Return the number of requests that fulfil the conditions `wanted`."""
    data = await info.context.command_side.query(
        "requests", _COUNT_REQUESTS, {"filter": _request_filter(wanted)}
    )
    return int(data["found"]["totalCount"])


def _request_filter(wanted: RequestCriteria) -> dict[str, Any]:
    _refuse_unsupported({"search by text": wanted.text})
    near = wanted.near
    filters = {
        "status": [status.upper() for status in wanted.statuses] or None,
        "skills": [str(key) for key in wanted.skill_ids] or None,
        "from": wanted.starts_from.isoformat() if wanted.starts_from else None,
        "to": wanted.starts_to.isoformat() if wanted.starts_to else None,
        "near": {"lat": near.latitude, "lng": near.longitude, "km": near.km} if near else None,
    }
    return {name: value for name, value in filters.items() if value is not None}


async def ranked_musicians(info: Info, request_id: str, first: int) -> list[RankedMusician] | None:
    """Return the first `first` musicians of the ranking that the service `matching` has for a request.

    Only the client of the request, whom the service `requests` returns, and admins may see the ranking.
    Raises NotFound, Unauthenticated, Forbidden.
    """
    side = info.context.command_side
    data = await side.query(
        "requests", "query($id: ID!) { request(id: $id) { client { id } } }", {"id": request_id}
    )
    if data["request"] is None:
        raise NotFound(f"There is no request with the id {request_id}")
    info.context.require_owner_or_admin(uuid_of(data["request"]["client"]["id"]))
    selection = f"matches(first: {first}) {{ {_SCORES} }}"
    (found,) = await side.entities("matching", "MusicianRequest", [request_id], selection)
    return (
        None if found.get("matches") is None else [RankedMusician.of_node(node) for node in found["matches"]]
    )


async def active_requests(info: Info) -> list[ActiveRequests]:
    """Return the summary of requests that are open or in progress, computed from the list of these requests.

    Raises ReadModelUnavailable if the list has more than MAX_PAGES pages.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    after: str | None = None
    for _ in range(MAX_PAGES):
        variables = {"after": after, "filter": {"status": ["OPEN", "IN_PROGRESS"]}}
        found = (await info.context.command_side.query("requests", _SUMMED, variables))["found"]
        for edge in found["edges"]:
            node = edge["node"]
            groups.setdefault((node["status"].lower(), node["currency"]), []).append(node)
        if not found["pageInfo"]["hasNextPage"]:
            now = info.context.database.clock.now()
            return [_summary(*key, groups[key], now) for key in sorted(groups)]
        after = found["pageInfo"]["endCursor"]
    raise unavailable(f"add up more than {MAX_PAGES * MAX_FIRST} requests")


def _summary(status: str, currency: str, nodes: Sequence[Mapping[str, Any]], now: datetime) -> ActiveRequests:
    number = len(nodes)
    ages = [(now - datetime.fromisoformat(node["createdAt"])).total_seconds() / 86_400 for node in nodes]

    def mean(name: str) -> Decimal:
        total = sum((Decimal(node[name]) for node in nodes), Decimal(0))
        return (total / number).quantize(Decimal("0.01"), ROUND_HALF_UP)

    return ActiveRequests(
        status=RequestStatus(status),
        currency=currency,
        requests=number,
        mean_age_days=sum(ages) / number,
        mean_budget_min=mean("budgetMin"),
        mean_budget_max=mean("budgetMax"),
    )


def _refuse_unsupported(unsupported: Mapping[str, Any]) -> None:
    for what, value in unsupported.items():
        if value not in (None, False):
            raise unavailable(what)


async def _list(
    side: CommandSide, service: str, query: str, listed: PageRequest, filters: Mapping[str, Any]
) -> dict[str, Any]:
    variables = {
        "first": listed.first,
        "after": listed.after,
        "filter": filters,
        "order": listed.order.upper(),
    }
    found: dict[str, Any] = (await side.query(service, query, variables, optional=["applications"]))["found"]
    return found


def _connection(found: Mapping[str, Any], node: Callable[[Any], Node], count: Count) -> Connection[Node]:
    budget.spend(len(found["edges"]))
    info, ends = found["pageInfo"], {}
    for name in ("startCursor", "endCursor"):
        ends[name] = wrap_cursor(info[name]) if info[name] is not None else None
    return Connection(
        edges=[Edge(cursor=wrap_cursor(edge["cursor"]), node=node(edge["node"])) for edge in found["edges"]],
        page_info=PageInfo(
            has_next_page=info["hasNextPage"],
            has_previous_page=info["hasPreviousPage"],
            start_cursor=ends["startCursor"],
            end_cursor=ends["endCursor"],
        ),
        count=count,
    )
