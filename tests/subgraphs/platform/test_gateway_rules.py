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
from gateway.document_check import check_documents
from gateway.documents.make import make_documents, manifest_text
from gateway.documents.manifests import read_manifest
from gateway.engine import make_engine
from gateway.security.api_keys import KeyFile, new_key, utc, write_keys
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.local import LocalTransport
from subgraphs.kit.identity import TokenSigner
from subgraphs.platform.environment import gateway_environment
from subgraphs.platform.options import GATEWAY_CONFIG, Options
from subgraphs.platform.preparation import KeyFiles, make_keys
from subgraphs.platform.servers import Servers
from subgraphs.platform.tables import SERVICES

SCHEMA = Path(__file__).parents[3] / "schema"
OPERATIONS = sorted((SCHEMA / "operations").glob("*.graphql"))
MANIFEST = (SCHEMA / "documents.json").read_text()
PAGE = """musicians(first: 100) { edges { node { stageName
    reviews(first: 100) { edges { node { text author { username } } } } } } }"""


@dataclass
class Served:
    """The gateway of the platform; `asked` are the requests that services have received."""

    folder: Path
    keys: KeyFiles
    environment: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    production: bool = False

    def __post_init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def _execute(self, query: str, *_: Any) -> Mapping[str, Any]:
        self.asked.append(query)
        return {"data": None, "errors": [{"message": "not here"}]}

    def client(self) -> httpx.AsyncClient:
        """Return a client of the gateway, which is made at the first call."""
        if self._client is None:
            options = Options(in_process=True, production=self.production)
            given = gateway_environment(options, Servers(self.folder, print), self.keys)
            settings = read_config(GATEWAY_CONFIG, {**given, **self.environment})
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

    async def upload(self, query: str, **headers: str) -> httpx.Response:
        """Return the response to an operation whose variable `picture` is a file."""
        operations = json.dumps({"query": query, "variables": {"picture": None}})
        form = {"operations": operations, "map": '{"0": ["variables.picture"]}'}
        accept = {"accept": "application/graphql-response+json"}
        return await self.client().post(
            "/graphql", data=form, files={"0": ("a.png", b"a")}, headers=accept | headers
        )

    def bearer(self, role: str) -> str:
        """Return the `authorization` of a new user with a role."""
        return f"Bearer {TokenSigner(self.keys.private).sign(uuid4(), role).value}"

    def partner(self, *scopes: str) -> str:
        """Return the API key of a new partner with these scopes; the gateway must not have started yet."""
        record, key = new_key("partner", scopes, (), utc(0), None)
        write_keys(self.keys.partners, KeyFile((record,)))
        return key


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """The gateway of the platform, with its own settings."""
    return Served(tmp_path, make_keys(tmp_path))


@pytest.fixture
def production(tmp_path: Path) -> Served:
    """The same as `mussikon run --production` starts it."""
    return Served(tmp_path, make_keys(tmp_path), production=True)


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
    """Each operation costs at most a third of the maximum; subscriptions, which need a stream, pass."""
    served.environment["GATEWAY__COST__EXTENSION"] = "true"
    path = SCHEMA / "operations" / f"{name}.graphql"
    query, variables = await asyncio.to_thread(lambda: (path.read_text(), variables_of(path)))
    admin = served.bearer("admin")
    if "Upload!" in query:
        response = await served.upload(query, authorization=admin)
    else:
        response = await served.post(query, variables, authorization=admin)
    if "\nsubscription " in query:
        assert codes(response) == {"STREAM_NOT_ACCEPTED"}
        return
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
    log_in = 'logIn(input: {login: "x", password: "y"}) { session { token } }'
    aliases = " ".join(f"a{number}: {log_in}" for number in range(11))
    refused = await served.post(f"mutation {{ {aliases} }}")
    assert (refused.status_code, codes(refused), served.asked) == (429, {"RATE_LIMITED"}, [])
    assert (await served.post("{ skills { id } }")).status_code == 200


def test_the_trusted_documents_are_the_clients_operations() -> None:
    """`make schema` would change nothing, and each document is valid."""
    text = (SCHEMA / "documents.json").read_text()
    made = make_documents({str(path): path.read_text() for path in OPERATIONS})
    assert text == manifest_text(made, "apollo", False) + "\n", "schema/documents.json is stale: make schema"
    supergraph = (SCHEMA / "supergraph.graphql").read_text()
    engine = make_engine(load_supergraph(supergraph), LocalTransport({}), Settings())
    assert list(check_documents(engine, read_manifest(text))) == []


async def test_production_accepts_the_clients_operations_only(production: Served) -> None:
    """A listed document runs by its id and as a text; any other is refused, also with a partner's key."""
    key = production.partner("schema", "admin")
    (document,) = [one for one in read_manifest(MANIFEST) if one.name == "SkillCatalogue"]
    by_id = {"documentId": document.id, "variables": {}}
    assert (await production.client().post("/graphql", json=by_id)).status_code == 200
    assert len(production.asked) == 1
    await production.post(document.text)
    assert len(production.asked) == 2
    for headers in ({}, {"x_api_key": key}):
        assert codes(await production.post("{ skills { id } }", **headers)) == {"QUERY_NOT_IN_SAFELIST"}
    assert len(production.asked) == 2


async def test_production_accepts_files_for_the_clients_operations_only(production: Served) -> None:
    """A form is held to the listed documents, too."""
    query = (SCHEMA / "operations" / "uploadProfilePicture.graphql").read_text()
    client = production.bearer("client")
    assert (await production.upload(query, authorization=client)).status_code == 200
    assert len(production.asked) == 1
    other = query.replace("user { id", "user { username")
    assert codes(await production.upload(other, authorization=client)) == {"QUERY_NOT_IN_SAFELIST"}
    assert len(production.asked) == 1


async def test_production_shows_the_schema_to_partners_with_the_scope(production: Served) -> None:
    """Without the scope neither introspection nor suggestions nor GraphiQL tell names of the schema."""
    key = production.partner("schema")
    query = "{ __schema { queryType { name } } }"
    assert "data" not in (await production.post(query)).json()
    assert "data" not in (await production.post(query, authorization=production.bearer("admin"))).json()
    shown = await production.post(query, x_api_key=key)
    assert shown.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    assert "Did you mean" not in (await production.post("{ musicans { id } }")).text
    assert (await production.client().get("/", headers={"accept": "text/html"})).status_code == 404


async def test_production_masks_errors_of_services(production: Served) -> None:
    """The text of an error without a code for clients is not shown."""
    (document,) = [one for one in read_manifest(MANIFEST) if one.name == "SkillCatalogue"]
    answer = await production.post(document.text)
    assert "not here" not in answer.text
    assert answer.json()["errors"][0]["extensions"]["id"]
