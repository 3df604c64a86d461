"""Tests of the cache hints in the schemas, as the gateway reads them with the platform's settings."""

from functools import cache

import pytest
from graphql import GraphQLObjectType, is_leaf_type

from gateway.cache.hints import RequestFacts, request_facts
from gateway.config.load import read_config
from gateway.settings import CacheSettings
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from subgraphs.kit.serve import load_bootstrap
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import SigningKeys
from subgraphs.platform.options import GATEWAY_CONFIG, SCHEMA
from subgraphs.platform.tables import SERVICES

VARIABLES = {"MUSSIKON_KEY_SET": "keys", "MUSSIKON_API_KEYS": "partners"}
NODES = "edges { node { id } }"
PUBLIC = {
    "users": {"user(id: 1) { username profile { firstName } }": 60},
    "musicians": {
        "musician(id: 1) { stageName hourlyRate { amount } location { city } skills { name } }": 120,
        "musician(id: 1) { user { id } }": 60,
        "skill(id: 1) { name }": 300,
        "skills { name }": 300,
    },
    "reviews": {
        "review(id: 1) { rating booking { id } author { id } musician { id } }": 60,
        f"latestReviews {{ totalCount pageInfo {{ endCursor }} {NODES} }}": 30,
    },
    "requests": {
        "request(id: 1) { title budgetMin { amount } location { city } client { id } }": 60,
        "request(id: 1) { requiredSkills { id } }": 60,
    },
    "matching": {"matchingAlgorithms { name weights { skill } }": 300},
    "calendar": {'musicianAvailability(musicianId: 1, between: {from: "x", to: "y"}) { startsAt }': 30},
    "read_side": {
        "musicians { totalCount edges { lastActive node { stageName hourlyRate { amount } } } }": 30,
        "requests { totalCount edges { distanceKm node { title client { uuid } } } }": 30,
        "topMusicians { stageName skills { uuid } }": 30,
        "activeRequestsSummary { status meanBudgetMin { amount } }": 30,
    },
}
"""By subgraph, what all callers share, and for how many seconds."""
PUBLIC_FIELDS = {
    "users": {"User": {"username": 60}},
    "musicians": {"Musician": {"bio": 120}, "User": {"musicianProfile { bio }": 60}, "Skill": {"name": 300}},
    "reviews": {
        "Musician": {"rating": 120, f"reviews {{ {NODES} }}": 60},
        "User": {f"reviewsWritten {{ {NODES} }}": 60},
        "Review": {"text": 60},
    },
    "requests": {"MusicianRequest": {"status": 60}, "User": {f"requests {{ {NODES} }}": 60}},
    "matching": {"Musician": {"priceBand": 60}, "MatchingAlgorithm": {"name": 300}},
    "calendar": {"Musician": {'busyTimes(between: {from: "x", to: "y"}) { startsAt }': 30}},
}
"""By subgraph and entity type, the same for fields of entities."""
PRIVATE = {
    "users": {f"users {{ {NODES} }}": 30},
    "read_side": {"requests { edges { totalApplications } }": 30},
}
NEVER = {
    "users": ("me { username }", "mySessions { id }", "user(id: 1) { username email }"),
    "requests": (
        *("booking(id: 1) { status }", "application(id: 1) { status }", "storedRequests { totalCount }"),
        *("request(id: 1) { booking { id } }", "request(id: 1) { title myApplication { id } }"),
    ),
    "matching": ("matchingResult(id: 1) { candidates }",),
    "read_side": (
        *("node(id: 1) { id }", "nodes(ids: []) { id }", "rankedMusicians(requestId: 1) { totalScore }"),
        "readModels { name }",
    ),
    "calendar": ('myCalendar(between: {from: "x", to: "y"}) { id }',),
    "payments": ("myPayments { totalCount }", "escrow(id: 1) { status }", "accountBalance { accountType }"),
    "notifications": ("notification(id: 1) { title }",),
    "orchestration": ("saga(id: 1) { status }", "sagas { totalCount }"),
    "events": ("audit { totalCount }",),
    "sync": ("syncTargets { pending }",),
}


@cache
def supergraph() -> Supergraph:
    """The committed supergraph."""
    return load_supergraph((SCHEMA / "supergraph.graphql").read_text())


@cache
def settings() -> CacheSettings:
    """The cache's settings in `gateway.yaml`."""
    return read_config(GATEWAY_CONFIG, VARIABLES).cache


def facts(subgraph: str, query: str) -> RequestFacts:
    """What the gateway knows about a request to a subgraph."""
    return request_facts(supergraph(), settings(), subgraph, query)


def stored_for(found: RequestFacts) -> float:
    """Return for how many seconds a reply may be stored; 0: not at all."""
    return (found.lifetime or 0) if found.stores and found.complete else 0


def entity(kind: str, field: str) -> str:
    """Return a request for a field of entities of one type."""
    return f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind} {{ {field} }} }} }}"


@pytest.mark.parametrize("subgraph", PUBLIC)
def test_public_facts_are_stored_for_all(subgraph: str) -> None:
    """Root fields and entities that are the same for all callers have lifetimes of 30 to 300 seconds."""
    wanted = {f"{{ {query} }}": seconds for query, seconds in PUBLIC[subgraph].items()}
    for kind, fields in PUBLIC_FIELDS.get(subgraph, {}).items():
        wanted |= {entity(kind, field): seconds for field, seconds in fields.items()}
    for query, seconds in wanted.items():
        found = facts(subgraph, query)
        assert (stored_for(found), found.private) == (seconds, False), query


def test_what_depends_on_the_caller_is_private_or_not_stored() -> None:
    """Lists that show more to some callers are private; bookings, money and accounts are not stored."""
    for subgraph, private in PRIVATE.items():
        for query, seconds in private.items():
            found = facts(subgraph, f"{{ {query} }}")
            assert (stored_for(found), found.private) == (seconds, True), query
    for subgraph, never in NEVER.items():
        for query in never:
            assert stored_for(facts(subgraph, f"{{ {query} }}")) == 0, query


def test_no_field_for_some_callers_is_shared() -> None:
    """Wherever a field demands a token or a role, a reply with it is not stored, whatever else it has."""
    fields = [key for key, found in supergraph().metadata.fields.items() if found.access]
    checked = 0
    for subgraph, part in supergraph().subgraphs.items():
        for kind, name in fields:
            if kind == "Mutation" or kind not in part.types or name not in part.types[kind].fields:
                continue
            shown = f"{name} {{ __typename }}" if is_composite(kind, name) else name
            query = f"{{ {shown} }}" if kind == "Query" else entity(kind, shown)
            assert stored_for(facts(subgraph, query)) == 0, (subgraph, kind, name)
            checked += 1
    assert checked > 40


def is_composite(kind: str, name: str) -> bool:
    """Whether a field of the API has fields of its own."""
    of_type = supergraph().api.type_map.get(kind)
    assert isinstance(of_type, GraphQLObjectType)
    value = of_type.fields[name].type
    while hasattr(value, "of_type"):
        value = value.of_type
    return not is_leaf_type(value)


def test_settings_and_services_agree(keys: SigningKeys) -> None:
    """The services that let others share their replies are those whose replies do not vary by the token."""
    shared = {name for name, one in settings().subgraphs.items() if one.enabled and one.vary == ()}
    assert {name for name, one in settings().subgraphs.items() if not one.enabled} == (
        set(SERVICES.names) - shared
    )
    for row in SERVICES:
        calls = dict.fromkeys(SERVICES.names, "http://127.0.0.1:1/graphql")
        service = load_bootstrap(row.name, row.module)(
            ServiceSettings(
                row.name,
                "postgresql://nobody@127.0.0.1:1/nothing",
                "redis://127.0.0.1:1/0",
                keys.public,
                keys.private,
                service_urls=calls,
                event_sources=SERVICES.others(row.name),
            )
        )
        assert service.is_shared is (row.name in shared), row.name


def test_rules_of_mutations_name_what_exists() -> None:
    """Each rule is for a mutation of the API, and its tags are of types in the subgraph."""
    mutations = supergraph().api.mutation_type
    assert mutations is not None
    for name, rule in settings().mutations.items():
        assert name in mutations.fields
        for tag in rule.tags:
            kind, _, rest = tag.partition(":")
            subgraph, _, type_name = rest.partition(":")
            assert kind == "tag" or type_name in supergraph().subgraphs[subgraph].types, tag
