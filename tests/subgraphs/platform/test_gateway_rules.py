"""Tests of `gateway.yaml` with the supergraph, in front of services that only note that they are asked."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.app import create_app
from gateway.config.load import read_config
from subgraphs.kit.identity import TokenSigner
from subgraphs.kit.keys import write_key_set
from subgraphs.kit.testing import SigningKeys
from subgraphs.platform.options import GATEWAY_CONFIG
from subgraphs.platform.tables import SERVICES

SCHEMA = Path(__file__).parents[3] / "schema"
OPERATIONS = sorted((SCHEMA / "operations").glob("*.graphql"))
PAGE = """musicians(first: 100) { edges { node { stageName
    reviews(first: 100) { edges { node { text author { username } } } } } } }"""


@dataclass
class Served:
    """The gateway of the platform; `asked` are the requests that services have received."""

    folder: Path
    keys: SigningKeys
    environment: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        write_key_set(self.folder / "jwks.json", self.keys.public)
        self.environment["MUSSIKON_KEY_SET"] = str(self.folder / "jwks.json")
        self._client: httpx.AsyncClient | None = None

    async def _execute(self, query: str, *_: Any) -> Mapping[str, Any]:
        self.asked.append(query)
        return {"data": None, "errors": [{"message": "not here"}]}

    def client(self) -> httpx.AsyncClient:
        """Return a client of the gateway, which is made at the first call."""
        if self._client is None:
            settings = read_config(GATEWAY_CONFIG, self.environment)
            supergraph = (SCHEMA / "supergraph.graphql").read_text()
            app: Any = create_app(supergraph, settings, dict.fromkeys(SERVICES.names, self._execute))
            self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")
        return self._client

    async def post(self, query: str, variables: Any = None, **headers: str) -> httpx.Response:
        """Return the response to an operation."""
        body = {"query": query, "variables": variables or {}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        accept = {"accept": "application/graphql-response+json"}
        return await self.client().post("/graphql", json=body, headers=accept | named)

    def bearer(self, role: str) -> str:
        """Return the `authorization` of a new user with a role."""
        return f"Bearer {TokenSigner(self.keys.private).sign(uuid4(), role).value}"


@pytest.fixture
def served(tmp_path: Path, keys: SigningKeys) -> Served:
    """The gateway of the platform, with its own settings."""
    return Served(tmp_path, keys)


def codes(response: httpx.Response) -> set[str]:
    """Return the codes of the errors in a response."""
    return {error["extensions"]["code"] for error in response.json().get("errors", ())}


@pytest.mark.parametrize("aliases", [5, 20, 100])
async def test_what_would_take_seconds_is_refused_by_its_cost(served: Served, aliases: int) -> None:
    """Pages of reviews of pages of musicians are refused before a service is asked; one of them passes."""
    refused = await served.post("{" + " ".join(f"a{number}: {PAGE}" for number in range(aliases)) + "}")
    assert codes(refused) == {"COST_ESTIMATED_TOO_EXPENSIVE"}
    assert (refused.status_code, served.asked) == (400, [])
    await served.post("{" + PAGE + "}")
    assert len(served.asked) == 1


def variables_of(path: Path) -> Any:
    """Return the variables beside an operation of schema/operations; None if it has none."""
    beside = path.with_suffix(".json")
    return json.loads(beside.read_text()) if beside.exists() else None


@pytest.mark.parametrize("name", [path.stem for path in OPERATIONS])
async def test_the_own_operations_pass_with_room(served: Served, name: str) -> None:
    """Each operation costs at most a third of the maximum."""
    served.environment["GATEWAY__COST__EXTENSION"] = "true"
    path = SCHEMA / "operations" / f"{name}.graphql"
    query, variables = await asyncio.to_thread(lambda: (path.read_text(), variables_of(path)))
    response = await served.post(query, variables, authorization=served.bearer("admin"))
    costs = response.json()["extensions"]["cost"]
    assert costs["estimated"] * 3 <= costs["max"]


async def test_what_a_role_may_not_see_is_not_asked_for(served: Served) -> None:
    """A field for admins is requested for an admin only, and one for users not for anonymous callers."""
    for headers in ({}, {"authorization": served.bearer("musician")}):
        answer = await served.post("{ syncTargets { pending } }", **headers)
        assert codes(answer) == {"UNAUTHORIZED_FIELD_OR_TYPE"}
    assert codes(await served.post("{ me { id } }")) == {"UNAUTHORIZED_FIELD_OR_TYPE"}
    assert served.asked == []
    await served.post("{ syncTargets { pending } }", authorization=served.bearer("admin"))
    assert len(served.asked) == 1


async def test_aliases_of_a_log_in_count(served: Served) -> None:
    """Eleven log-ins in one operation are refused as a whole; other operations go on."""
    aliases = " ".join(f'a{n}: logIn(input: {{login: "x", password: "y"}}) {{ token }}' for n in range(11))
    refused = await served.post(f"mutation {{ {aliases} }}")
    assert (refused.status_code, codes(refused), served.asked) == (429, {"RATE_LIMITED"}, [])
    assert (await served.post("{ skills { id } }")).status_code == 200
