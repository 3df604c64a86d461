"""Tests every field of every entity by requests to its subgraph: by the owner, without a token, by another
user, and with a forged identity.
"""

import base64
import json
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.supergraph.load import load_supergraph
from gateway.supergraph.query_graph import QueryGraph
from subgraphs.kit.global_ids import decode, encode
from subgraphs.platform.accounts import DEMO_ACCOUNTS
from subgraphs.platform.options import Options
from subgraphs.platform.sample.catalogue import named_id
from tests.system.conftest import Platform

pytestmark = [
    pytest.mark.system,
    pytest.mark.parametrize("platform", ["processes"], indirect=True),  # only there the subgraphs have ports
]
SUPERGRAPH = load_supergraph((Path(__file__).parents[2] / "schema" / "supergraph.graphql").read_text())
FIELDS = sorted(
    (subgraph.name, item.name, field.name)
    for subgraph in SUPERGRAPH.subgraphs.values()
    for item in subgraph.types.values()
    if item.kind == "object" and any(key.resolvable for key in item.keys)
    for field in item.fields.values()
    if not field.external and field.name not in ("id", "uuid")
)


def all_of(kind: str) -> set[str]:
    """Return the fields of a type that only one service has."""
    return {name for _, item, name in FIELDS if item == kind}


# what only its people (and admins) see; every other field has to be the same for all
PRIVATE = {
    ("users", "User"): {"email", "emailConfirmed", "phone", "dateOfBirth", "preferences", "updatedAt"},
    ("requests", "User"): {"bookings"},
    ("requests", "Musician"): {"applications", "bookings"},
    ("requests", "MusicianRequest"): {"applications", "booking"},
    ("requests", "Application"): all_of("Application"),
    ("requests", "Booking"): {
        name for service, kind, name in FIELDS if (service, kind) == ("requests", "Booking")
    },
    ("matching", "MatchingResult"): all_of("MatchingResult"),
    ("payments", "Escrow"): all_of("Escrow"),
    ("payments", "Payment"): all_of("Payment"),
    ("payments", "Booking"): {"escrow"},
    ("calendar", "CalendarSlot"): all_of("CalendarSlot"),
    ("events", "AuditEvent"): all_of("AuditEvent"),
    ("orchestration", "Saga"): all_of("Saga"),
    ("notifications", "User"): {"notifications", "notificationSettings", "unreadNotificationCount"},
    ("notifications", "Notification"): all_of("Notification"),
    ("notifications", "Message"): all_of("Message"),
    ("notifications", "Booking"): {"messages"},
    ("sync", "PendingSync"): all_of("PendingSync"),
    ("sync", "SyncLog"): all_of("SyncLog"),
    ("sync", "ConsistencyCheck"): all_of("ConsistencyCheck"),
}
OWNERS = {
    "Musician": "demo_musician",
    "CalendarSlot": "demo_musician",
    **dict.fromkeys(("AuditEvent", "PendingSync", "SyncLog", "ConsistencyCheck"), "demo_admin"),
}
"""The accounts that see the objects of a type; demo_client sees the others."""

# what has to be given
ARGUMENTS = {
    (
        "calendar",
        "Musician",
        "busyTimes",
    ): '(between: {from: "2026-11-01T00:00:00Z", to: "2027-10-31T00:00:00Z"})'
}


@cache
def things(url: str) -> dict[str, dict[str, Any]]:
    """Return a representation of one entity of each type, which belongs to the demo client or the demo
    musician.
    """
    platform = Platform(url, Path())
    client, musician = token_of(platform, "demo_client"), token_of(platform, "demo_musician")
    desk = platform.post(
        """{ me {
            id
            notifications(first: 1) { edges { node { id } } }
            requests { edges { node { id applications { edges { node { id } } } } } }
        } myPayments(first: 1) { edges { node { id } } } }""",
        token=client,
    )["data"]
    applications = [edge["node"]["applications"]["edges"] for edge in desk["me"]["requests"]["edges"]]
    review = platform.post("{ latestReviews(first: 1) { edges { node { id } } } }")["data"]["latestReviews"]
    find = "mutation ($id: ID!) { findMatches(requestId: $id) { result { id algorithm { id } } } }"
    request = encode("MusicianRequest", named_id("request/open"))
    result = platform.post(find, {"id": request}, client)["data"]["findMatches"]["result"]
    booking = encode("Booking", named_id("booking/booked"))
    read = """query ($id: ID!) { booking(id: $id) {
        escrow { id } messages(first: 1) { edges { node { id } } } } }"""
    paid = platform.post(read, {"id": booking}, client)["data"]["booking"]
    begin = """mutation ($r: ID!, $m: ID!) {
        assignMusician(requestId: $r, musicianId: $m, idempotencyKey: "fields", wait: true) {
          saga { id } } }"""
    booked = encode("MusicianRequest", named_id("request/booked"))
    demo_musician = encode("Musician", named_id("musician/demo_musician"))
    saga = platform.post(begin, {"r": booked, "m": demo_musician}, client)["data"]["assignMusician"]["saga"]
    block = """mutation { blockTime(
        input: {startsAt: "2030-01-01T00:00:00Z", endsAt: "2030-01-02T00:00:00Z"}) {
        slot { id } } }"""
    ids = [
        *(desk["me"]["id"], desk["me"]["notifications"]["edges"][0]["node"]["id"]),
        *(desk["myPayments"]["edges"][0]["node"]["id"], review["edges"][0]["node"]["id"]),
        *(next(edges for edges in applications if edges)[0]["node"]["id"], saga["id"]),
        *(result["id"], result["algorithm"]["id"], paid["escrow"]["id"]),
        paid["messages"]["edges"][0]["node"]["id"],
        *(booked, booking, demo_musician, platform.post("{ skills { id } }")["data"]["skills"][0]["id"]),
        platform.post(block, token=musician)["data"]["blockTime"]["slot"]["id"],
        *of_admins(platform),
    ]
    found = [decode(one) for one in ids]
    return {one.kind: {"uuid": str(one.key)} for one in found if one is not None}


def of_admins(platform: Platform) -> list[str]:
    """Return the ids of an event of the audit, a sync, a log entry and a check, after causing them."""
    client, admin = token_of(platform, "demo_client"), token_of(platform, "demo_admin")
    platform.post('mutation { updateProfile(input: {firstName: "Ada"}) { user { id } } }', token=client)
    platform.post("mutation { checkConsistency { checks { id } } }", token=admin)
    lists = ("audit", "pendingSyncs", "syncLogs", "consistencyChecks")
    query = "{" + " ".join(f"{name}(first: 1) {{ edges {{ node {{ id }} }} }}" for name in lists) + "}"
    for _ in range(200):
        found = platform.post(query, token=admin)["data"]
        if all(found[name]["edges"] for name in lists):
            return [found[name]["edges"][0]["node"]["id"] for name in lists]
        time.sleep(0.1)
    raise AssertionError(f"not all lists have elements: {found}")


def asked(
    platform: Platform, service: str, kind: str, field: str, headers: dict[str, str]
) -> tuple[Any, list[str]]:
    """Return the field's value in the subgraph's response to a request with these headers, and the codes of
    errors.
    """
    reference = SUPERGRAPH.subgraphs[service].types[kind].fields[field].type_name
    below = "{ __typename }" if QueryGraph(SUPERGRAPH).is_composite(reference) else ""
    given = ARGUMENTS.get((service, kind, field), "")
    fragment = f"... on {kind} {{ {field}{given} {below} }}"
    query = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ {fragment} }} }}"
    thing = {"__typename": kind, **things(platform.url)[kind]}
    if field == "priceBand":  # @requires
        thing |= {"hourlyRate": {"amount": "70.00", "currency": "EUR"}, "experienceYears": 5}
    port = Options(port=urlsplit(platform.url).port or 0).port_of(service)
    body = {"query": query, "variables": {"r": [thing]}}
    answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=body, headers=headers, timeout=30).json()
    entity = ((answer.get("data") or {}).get("_entities") or [None])[0]
    return (entity or {}).get(field), [error["extensions"]["code"] for error in answer.get("errors", ())]


def bearer(token: str) -> dict[str, str]:
    """Return the header for a token."""
    return {"authorization": f"Bearer {token}"}


def forged(platform: Platform, user: str) -> list[dict[str, str]]:
    """Return headers that claim to be a user without a signature."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head, claims, signature = token_of(platform, "demo_musician").split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "=="))
    stolen = part({**other, "sub": user, "role": "admin"})
    return [
        {"x-user-id": user, "x-user-role": "admin", "x-forwarded-user": user, "cookie": f"user={user}"},
        bearer(f"{head}.{stolen}.{signature}"),
        bearer(f"{part({'alg': 'none', 'typ': 'JWT'})}.{stolen}."),
    ]


@pytest.mark.parametrize(("service", "kind", "field"), FIELDS, ids=str)
def test_who_sees_it(platform: Platform, service: str, kind: str, field: str) -> None:
    """A private field is null with an error for everybody but its users; a public field has the same value
    for everybody; forged headers change nothing.
    """
    owner = "demo_admin" if (kind, field) == ("Saga", "data") else OWNERS.get(kind, "demo_client")
    value, codes = asked(platform, service, kind, field, bearer(token_of(platform, owner)))
    assert codes == []
    nobody, nobodys = asked(platform, service, kind, field, {})
    stranger = "demo_musician" if kind in ("User", "Notification") else "stranger"
    other, others = asked(platform, service, kind, field, bearer(token_of(platform, stranger)))
    if field in PRIVATE.get((service, kind), ()):
        assert (nobody, other) == (None, None)
        refusal = (
            "NOT_FOUND" if kind == "Saga" else "FORBIDDEN"
        )  # that there is one is nobody's business, either
        assert (set(nobodys), set(others)) == ({"UNAUTHENTICATED"}, {refusal})
    elif field == "myApplication":  # a stranger has none
        assert (nobodys, other, others) == (["UNAUTHENTICATED"], None, [])
    else:
        assert (nobody, nobodys) == (other, others) == (value, [])
    user = next(str(one.id) for one in DEMO_ACCOUNTS if one.username == owner)
    for headers in forged(platform, user):
        seen, told = asked(platform, service, kind, field, headers)
        if "authorization" in headers:
            assert (seen, told) == (None, ["UNAUTHENTICATED"])
        else:
            assert (seen, told) == (nobody, nobodys)


@cache
def _token(url: str, name: str) -> str:
    if name != "stranger":
        return Platform(url, Path()).token(name)
    register = "mutation ($input: RegisterInput!) { register(input: $input) { session { token } } }"
    account = {"username": "stranger", "email": "stranger@example.org", "password": "a long password"}
    made = Platform(url, Path()).post(register, {"input": account})["data"]["register"]
    found: str = made["session"]["token"]
    return found


def token_of(platform: Platform, name: str) -> str:
    """Return the token of a demo account, or of a newly registered user."""
    return _token(platform.url, name)
