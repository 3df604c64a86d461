"""Tests of the check that a request's skills exist, against the real musicians service in this process."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from gateway.transport.local import LocalTransport
from subgraphs.kit import global_ids
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys, fresh_database
from subgraphs.musicians.app import bootstrap as musicians
from subgraphs.requests.app import MIGRATIONS
from subgraphs.requests.app import bootstrap as requests
from tests.subgraphs.requests.test_requests import PUBLISH, publish, wanted

UPDATE = """mutation($id: ID!, $input: UpdateRequestInput!) { updateRequest(id: $id, input: $input) {
  request { requiredSkills { uuid } } userErrors { code field message } } }"""


@dataclass
class Checked:
    """A client of a requests service that checks skills, and some skills of the catalogue."""

    client: Client
    skills: list[str]


@pytest.fixture(scope="module")
async def checked(running: Running) -> AsyncIterator[Checked]:
    """The requests service and the owner of skills."""
    async with running("musicians", musicians) as owner:
        way = LocalTransport({"musicians": owner.execute})

        def make(settings: ServiceSettings) -> Service:
            return requests(settings, way)

        async with running("requests", make) as service:
            known = (await Client(owner).data("{ skills { uuid } }"))["skills"]
            yield Checked(Client(service), [skill["uuid"] for skill in known[:3]])


async def test_known_skills_are_accepted(checked: Checked, host: ApiUser) -> None:
    """A request has the skills in their order, by global ids as by keys."""
    by_global_id = [global_ids.encode("Skill", key) for key in checked.skills]
    made = await publish(checked.client, host, requiredSkills=by_global_id)
    assert made["requiredSkills"] == [{"uuid": key} for key in checked.skills]
    changed = await checked.client.data(
        UPDATE, host, id=made["uuid"], input={"requiredSkills": checked.skills[:1]}
    )
    assert changed["updateRequest"]["request"]["requiredSkills"] == [{"uuid": checked.skills[0]}]


async def test_unknown_skills_are_named_all_at_once(checked: Checked, host: ApiUser) -> None:
    """One user error names every unknown id, and no known one; nothing is published or changed."""
    made = await publish(checked.client, host, requiredSkills=[])
    unknown = [str(uuid4()), str(uuid4())]
    given = [unknown[0], checked.skills[0], unknown[1]]
    for query, variables in (
        (PUBLISH, {"input": wanted(requiredSkills=given)}),
        (UPDATE, {"id": made["uuid"], "input": {"requiredSkills": given}}),
    ):
        answer = await checked.client.send(query, host, **variables)
        [(_, payload)] = answer["data"].items()
        assert payload["request"] is None
        [error] = payload["userErrors"]
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "requiredSkills")
        assert all(key in error["message"] for key in unknown)
        assert checked.skills[0] not in error["message"]
    ask = "query($id: ID!) { request(id: $id) { requiredSkills { uuid } } }"
    assert await checked.client.data(ask, host, id=made["uuid"]) == {"request": {"requiredSkills": []}}


async def test_an_owner_that_does_not_answer(
    postgres_url: str, redis_url: str, keys: SigningKeys, host: ApiUser
) -> None:
    """While the musicians service cannot be reached, every id is accepted."""
    nowhere = {"musicians": "http://127.0.0.1:1/graphql"}
    async with fresh_database(postgres_url, "requests") as url:
        service = requests(ServiceSettings("requests", url, redis_url, keys.public, service_urls=nowhere))
        await service.database.migrate(MIGRATIONS)
        unknown = str(uuid4())
        made = await publish(Client(service), host, requiredSkills=[unknown])
        assert made["requiredSkills"] == [{"uuid": unknown}]
        await service.stop()
