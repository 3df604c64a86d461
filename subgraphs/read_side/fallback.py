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
from subgraphs.kit.money import Money
from subgraphs.kit.pagination import MAX_FIRST, Connection, Count, Edge, PageInfo
from subgraphs.kit.vocabulary import RequestStatus
from subgraphs.read_side.command_side import CommandSide
from subgraphs.read_side.routing import Info, unavailable, wrap_cursor
from subgraphs.read_side.search_lists import Listed
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria
from subgraphs.read_side.types import ActiveRequests, Match, Musician, MusicianRequest

Node = TypeVar("Node")

MAX_PAGES: Final = 20
"""The greatest number of pages that `active_requests` reads."""

_PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node"
_WINDOW = "first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order"
_ARGUMENTS = "$first: Int, $after: String, $last: Int, $before: String"
_MUSICIANS = f"""query({_ARGUMENTS}, $filter: MusicianProfileFilter, $order: MusicianProfileOrder!) {{
  found: musicianProfiles({_WINDOW}) {{ {_PAGE} {{
    uuid stageName bio hourlyRate {{ amount currency }} experienceYears createdAt
    location {{ latitude longitude address city country }} skills {{ uuid }}
  }} }} }} }}"""
_COUNT_MUSICIANS = (
    "query($filter: MusicianProfileFilter) {"
    " found: musicianProfiles(first: 1, filter: $filter) { totalCount } }"
)
_REQUESTS = f"""query({_ARGUMENTS}, $filter: RequestFilter, $order: RequestOrder!) {{
  found: storedRequests({_WINDOW}) {{ %s {{
    uuid title description status urgencyLevel startsAt endsAt timeZone createdAt
    budgetMin {{ amount currency }} budgetMax {{ amount currency }}
    location {{ latitude longitude address city country }} requiredSkills {{ uuid }} client {{ uuid }} %s
  }} }} }} }}"""
_COUNT_REQUESTS = (
    "query($filter: RequestFilter) { found: storedRequests(first: 1, filter: $filter) { totalCount } }"
)
_SUMMED = f"""query($after: String, $filter: RequestFilter) {{
  found: storedRequests(first: {MAX_FIRST}, after: $after, filter: $filter) {{
    pageInfo {{ hasNextPage endCursor }}
    edges {{ node {{ status createdAt budgetMin {{ amount currency }} budgetMax {{ amount }} }} }} }} }}"""
_SCORES = (
    "rankingPosition totalScore skillScore experienceScore priceScore distanceScore distanceKm"
    " isRecommended musician { uuid }"
)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The arguments of a list: an order, and a page; its cursors are those of the command side."""

    order: str
    first: int | None
    after: str | None
    last: int | None
    before: str | None


async def find_musicians(
    info: Info, wanted: MusicianCriteria, listed: PageRequest
) -> Connection[Listed[Musician]]:
    """Return the page `listed` of the musicians who fulfil the conditions `wanted`.

    Profiles come from the service `musicians`, ratings from `reviews`; closed accounts are not known there.
    """
    filters = _musician_filter(wanted, listed.order)
    side = info.context.command_side
    found = await _list(side, "musicians", _MUSICIANS, listed, filters)
    ids = [edge["node"]["uuid"] for edge in found["edges"]]
    reputations = await side.entities("reviews", "Musician", ids, "uuid rating totalReviews")
    known = dict(zip(ids, reputations, strict=True))

    async def count() -> int:
        return await count_musicians(info, wanted)

    def element(node: Mapping[str, Any]) -> Listed[Musician]:
        return Listed(Musician.of_node(node, known[node["uuid"]]))

    return _connection(found, element, count)


async def count_musicians(info: Info, wanted: MusicianCriteria) -> int:
    """Return the number of musicians who fulfil the conditions `wanted`."""
    data = await info.context.command_side.query(
        "musicians", _COUNT_MUSICIANS, {"filter": _musician_filter(wanted, "newest")}
    )
    return int(data["found"]["totalCount"])


def _musician_filter(wanted: MusicianCriteria, order: str) -> dict[str, Any]:
    least, most = wanted.min_rate, wanted.max_rate
    currencies = {rate[1] for rate in (least, most) if rate is not None}
    unsupported = {
        "search by text": wanted.text,
        "filter by rating": wanted.min_rating,
        "filter by distance": wanted.near,
        "filter by two currencies": len(currencies) > 1,
        "sort by rating": order == "rating",
    }
    _refuse_unsupported(unsupported)
    filters = {
        "skills": [str(key) for key in wanted.skill_ids] or None,
        "city": wanted.city,
        "search": wanted.name,
        "minExperience": wanted.min_experience,
        "minRate": str(least[0]) if least else None,
        "maxRate": str(most[0]) if most else None,
        "currency": next(iter(currencies), None),
    }
    return {name: value for name, value in filters.items() if value is not None}


async def find_requests(
    info: Info, wanted: RequestCriteria, listed: PageRequest
) -> Connection[Listed[MusicianRequest]]:
    """Return the page `listed` of the requests that fulfil the conditions `wanted`."""
    filters = _request_filter(wanted)
    side = info.context.command_side
    more = "applications(first: 1) { totalCount }" if side.knows_caller else ""
    found = await _list(side, "requests", _REQUESTS % (_PAGE, more), listed, filters)

    async def count() -> int:
        return await count_requests(info, wanted)

    def element(node: Mapping[str, Any]) -> Listed[MusicianRequest]:
        place = node["location"]
        return Listed(
            MusicianRequest.of_node(node),
            distance_km=wanted.near.km_to(place["latitude"], place["longitude"]) if wanted.near else None,
            total_applications=(node.get("applications") or {}).get("totalCount"),
        )

    return _connection(found, element, count)


async def count_requests(info: Info, wanted: RequestCriteria) -> int:
    """Return the number of requests that fulfil the conditions `wanted`."""
    data = await info.context.command_side.query(
        "requests", _COUNT_REQUESTS, {"filter": _request_filter(wanted)}
    )
    return int(data["found"]["totalCount"])


def _request_filter(wanted: RequestCriteria) -> dict[str, Any]:
    _refuse_unsupported({"search by text": wanted.text})
    near, start, end = wanted.near, wanted.starts.start, wanted.starts.end
    between = {"from": start and start.isoformat(), "to": end and end.isoformat()}
    filters = {
        "status": [status.upper() for status in wanted.statuses] or None,
        "urgency": [level.upper() for level in wanted.urgency_levels] or None,
        "skills": [str(key) for key in wanted.skill_ids] or None,
        "between": between if start or end else None,
        "near": {"latitude": near.latitude, "longitude": near.longitude, "radiusKm": near.km}
        if near
        else None,
    }
    return {name: value for name, value in filters.items() if value is not None}


async def ranked_musicians(info: Info, request_id: str, first: int) -> list[Match] | None:
    """Return the first `first` musicians of the ranking that the service `matching` has for a request.

    Only the client of the request, whom the service `requests` returns, and admins may see the ranking.
    Raises NotFound, Unauthenticated, Forbidden.
    """
    side = info.context.command_side
    data = await side.query(
        "requests", "query($id: ID!) { request(id: $id) { client { uuid } } }", {"id": request_id}
    )
    if data["request"] is None:
        raise NotFound(f"There is no request with the id {request_id}")
    info.context.require_owner_or_admin(uuid_of(data["request"]["client"]["uuid"]))
    selection = f"matches(first: {first}) {{ {_SCORES} }}"
    (found,) = await side.entities("matching", "MusicianRequest", [request_id], selection)
    return None if found.get("matches") is None else [Match.of_node(node) for node in found["matches"]]


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
            currency = node["budgetMin"]["currency"]
            groups.setdefault((node["status"].lower(), currency), []).append(node)
        if not found["pageInfo"]["hasNextPage"]:
            now = info.context.database.clock.now()
            return [_summary(*key, groups[key], now) for key in sorted(groups)]
        after = found["pageInfo"]["endCursor"]
    raise unavailable(f"add up more than {MAX_PAGES * MAX_FIRST} requests")


def _summary(status: str, currency: str, nodes: Sequence[Mapping[str, Any]], now: datetime) -> ActiveRequests:
    number = len(nodes)
    ages = [(now - datetime.fromisoformat(node["createdAt"])).total_seconds() / 86_400 for node in nodes]

    def mean(name: str) -> Money:
        total = sum((Decimal(node[name]["amount"]) for node in nodes), Decimal(0))
        return Money.of((total / number).quantize(Decimal("0.01"), ROUND_HALF_UP), currency)

    return ActiveRequests(
        status=RequestStatus(status),
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
        "last": listed.last,
        "before": listed.before,
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
