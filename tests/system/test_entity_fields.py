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
    if not field.external and field.name != "id"
)
# what only its people (and admins) see; every other field has to be the same for all
PRIVATE = {
    ("users", "User"): {"email", "emailConfirmed", "phone", "dateOfBirth", "preferences", "updatedAt"},
    ("requests", "User"): {"bookings"},
    ("requests", "Musician"): {"applications", "bookings"},
    ("requests", "MusicianRequest"): {"applications", "booking"},
    ("requests", "Application"): {
        name for service, kind, name in FIELDS if (service, kind) == ("requests", "Application")
    },
    ("requests", "Booking"): {
        name for service, kind, name in FIELDS if (service, kind) == ("requests", "Booking")
    },
    ("payments", "Escrow"): {name for service, kind, name in FIELDS if kind == "Escrow"},
    ("payments", "Booking"): {"escrow"},
    ("events", "AuditEvent"): {name for service, kind, name in FIELDS if kind == "AuditEvent"},
    ("orchestration", "Saga"): {name for service, kind, name in FIELDS if kind == "Saga"},
    ("notifications", "User"): {"notifications", "notificationSettings", "unreadNotificationCount"},
    ("notifications", "Notification"): {name for service, kind, name in FIELDS if kind == "Notification"},
}

# what has to be given
ARGUMENTS = {
    ("calendar", "Musician", "busyTimes"): '(from: "2026-11-01T00:00:00Z", to: "2027-10-31T00:00:00Z")'
}


@cache
def things(url: str) -> dict[str, dict[str, Any]]:
    """Return a representation of one entity of each type, which belongs to the demo client or the demo
    musician.
    """
    platform = Platform(url, Path())
    client = token_of(platform, "demo_client")
    desk = platform.post(
        """{ me {
            id
            notifications(first: 1) { edges { node { id } } }
            requests { edges { node { id applications { edges { node { id } } } } } }
        } }""",
        token=client,
    )["data"]["me"]
    applications = [edge["node"]["applications"]["edges"] for edge in desk["requests"]["edges"]]
    review = platform.post("{ latestReviews(first: 1) { edges { node { id } } } }")["data"]["latestReviews"][
        "edges"
    ][0]
    find = "mutation ($id: ID!) { findMatches(requestId: $id) { id algorithm { id } } }"
    result = platform.post(find, {"id": str(named_id("request/open"))}, client)["data"]["findMatches"]
    paid = platform.post(
        "query ($id: ID!) { booking(id: $id) { escrow { id } } }",
        {"id": str(named_id("booking/booked"))},
        client,
    )
    begin = """mutation ($r: ID!, $m: ID!) {
        assignMusician(requestId: $r, musicianId: $m, idempotencyKey: "fields", wait: true) { id } }"""
    ids = {"r": str(named_id("request/booked")), "m": str(named_id("musician/demo_musician"))}
    return {
        "AuditEvent": first_event(platform),
        "Saga": platform.post(begin, ids, client)["data"]["assignMusician"],
        "Escrow": paid["data"]["booking"]["escrow"],
        "User": {"id": desk["id"]},
        "Musician": {"id": str(named_id("musician/demo_musician"))},
        "Skill": platform.post("{ skills { id } }")["data"]["skills"][0],
        "Review": review["node"],
        "MusicianRequest": {"id": str(named_id("request/booked"))},
        "Application": next(edges for edges in applications if edges)[0]["node"],
        "Booking": {"id": str(named_id("booking/booked"))},
        "Notification": desk["notifications"]["edges"][0]["node"],
        "MatchingResult": {"id": result["id"]},
        "MatchingAlgorithm": result["algorithm"],
    }


def first_event(platform: Platform) -> dict[str, Any]:
    """Return an event of the audit, after causing one."""
    client, admin = token_of(platform, "demo_client"), token_of(platform, "demo_admin")
    change = 'mutation { updateProfile(input: {firstName: "Ada"}) { id } }'
    platform.post(change, token=client)
    for _ in range(200):
        edges = platform.post("{ audit(first: 1) { edges { node { id } } } }", token=admin)["data"]["audit"][
            "edges"
        ]
        if edges:
            found: dict[str, Any] = edges[0]["node"]
            return found
        time.sleep(0.1)
    raise AssertionError("the audit has heard of nothing")


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
        thing |= {"hourlyRate": "70.00", "currency": "EUR", "experienceYears": 5}
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
    owner = {"Musician": "demo_musician", "AuditEvent": "demo_admin"}.get(kind, "demo_client")
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
    register = "mutation ($input: RegisterInput!) { register(input: $input) { token } }"
    account = {"username": "stranger", "email": "stranger@example.org", "password": "a long password"}
    found: str = Platform(url, Path()).post(register, {"input": account})["data"]["register"]["token"]
    return found


def token_of(platform: Platform, name: str) -> str:
    """Return the token of a demo account, or of a newly registered user."""
    return _token(platform.url, name)
