"""Tests of matching's copies of musicians and requests: how they are compared by buckets and versions, and
repaired.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from tests.subgraphs.matching.conftest import Tell

DIGESTS = "query($kind: String!) { copyDigests(kind: $kind) }"
VERSIONS = "query($kind: String!, $bucket: Int!) { copyVersions(kind: $kind, bucket: $bucket) }"
ROWS = "query($kind: String!, $keys: [ID!]!) { copyRows(kind: $kind, keys: $keys) }"
REPAIR = "mutation($kind: String!, $originals: JSON!) { repairCopies(kind: $kind, originals: $originals) }"


@pytest.fixture
def checker(keys: SigningKeys) -> ApiUser:
    """A caller with the role service, as `sync` is."""
    return ApiUser.make(keys, "service")


async def test_digests_change_with_rows_and_versions(client: Client, checker: ApiUser, tell: Tell) -> None:
    """Another copy or another version changes the digest of its bucket only."""

    async def digests() -> dict[str, Any]:
        found: dict[str, Any] = (await client.data(DIGESTS, checker, kind="musician"))["copyDigests"]
        return found

    key = await tell("MusicianProfileCreated", 1)
    before = await digests()
    bucket = str(key.bytes[15] % 64)
    assert (await client.data(VERSIONS, checker, kind="musician", bucket=int(bucket)))["copyVersions"] == {
        str(key): 0
    }
    newer = text("UPDATE matching_musicians SET version = 5 WHERE musician_id = :key")
    await client.service.database.execute(newer.bindparams(key=key))
    after = await digests()
    assert {name for name in after if after[name] != before.get(name)} == {bucket}
    assert after[bucket][0] == before[bucket][0]


async def test_a_copy_is_put_right(client: Client, checker: ApiUser, tell: Tell) -> None:
    """A wrong and a missing copy get the owner's data, and older events are then skipped."""
    wrong, missing = await tell("MusicianProfileCreated", 7, stage_name="Wrong"), uuid4()
    rows = (await client.data(ROWS, checker, kind="musician", keys=[str(wrong)]))["copyRows"]
    told = {**rows[str(wrong)]["told"], "stage_name": "Right"}
    originals = {
        str(wrong): {"version": 3, "told": told},
        str(missing): {"version": 2, "told": {**told, "musician_id": str(missing), "stage_name": "There"}},
    }
    assert (await client.data(REPAIR, checker, kind="musician", originals=originals))["repairCopies"] == 2
    rows = (await client.data(ROWS, checker, kind="musician", keys=[str(wrong), str(missing)]))["copyRows"]
    names = {key: (row["version"], row["told"]["stage_name"]) for key, row in rows.items()}
    assert names == {str(wrong): (3, "Right"), str(missing): (2, "There")}
    seen = text("SELECT version FROM inbox_versions WHERE consumer = 'matching' AND aggregate_id = :key")
    assert await client.service.database.fetch_value(seen, key=wrong) == 3


async def test_what_an_owner_told_before_a_newer_event_is_no_repair(
    client: Client, checker: ApiUser, tell: Tell
) -> None:
    """A repair does not replace a copy that a newer event has changed since the owner was queried."""
    key = await tell("MusicianProfileCreated", 1)
    rows = (await client.data(ROWS, checker, kind="musician", keys=[str(key)]))["copyRows"]
    told = rows[str(key)]["told"]
    newer = {str(key): {"version": 3, "told": {**told, "stage_name": "Newer"}}}
    older = {str(key): {"version": 2, "told": {**told, "stage_name": "Older"}}}
    assert (await client.data(REPAIR, checker, kind="musician", originals=newer))["repairCopies"] == 1
    assert (await client.data(REPAIR, checker, kind="musician", originals=older))["repairCopies"] == 0
    rows = (await client.data(ROWS, checker, kind="musician", keys=[str(key)]))["copyRows"]
    assert (rows[str(key)]["version"], rows[str(key)]["told"]["stage_name"]) == (3, "Newer")


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (DIGESTS, {"kind": "users; DROP TABLE users"}),
        (VERSIONS, {"kind": "musician", "bucket": 64}),
        (ROWS, {"kind": "musician", "keys": ["me"]}),
        (ROWS, {"kind": "musician", "keys": [str(UUID(int=n)) for n in range(501)]}),
        (REPAIR, {"kind": "musician", "originals": []}),
        (
            REPAIR,
            {"kind": "musician", "originals": {str(UUID(int=1)): {"version": 1, "told": {"stage_name": 1}}}},
        ),
        (REPAIR, {"kind": "musician", "originals": {"me": {"version": 1, "told": {}}}}),
        (REPAIR, {"kind": "musician", "originals": {str(UUID(int=1)): {"version": "x", "told": {}}}}),
    ],
)
async def test_wrong_questions_are_refused(
    client: Client, checker: ApiUser, query: str, variables: dict[str, Any]
) -> None:
    """An unknown kind, a wrong bucket, key or original is refused."""
    assert await client.codes(query, checker, **variables) == ["BAD_USER_INPUT"]


async def test_only_for_the_service_that_compares(client: Client, host: ApiUser, keys: SigningKeys) -> None:
    """Neither clients nor admins can read or repair copies."""
    for person in (host, ApiUser.make(keys, "admin")):
        assert await client.codes(DIGESTS, person, kind="musician") == ["FORBIDDEN"]
        assert await client.codes(REPAIR, person, kind="musician", originals={}) == ["FORBIDDEN"]
