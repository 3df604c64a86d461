"""Tests of profile pictures on the whole platform: real clients upload, and anybody reads the files."""

import io
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from gql import Client, FileVar, GraphQLRequest
from gql.transport.httpx import HTTPXTransport

from tests.subgraphs.users.pictures import samples
from tests.subgraphs.users.pictures.samples import SECRET
from tests.system.conftest import Platform

pytestmark = pytest.mark.system
OPERATIONS = Path(__file__).parents[2] / "schema" / "operations"
UPLOAD = (OPERATIONS / "uploadProfilePicture.graphql").read_text()
REMOVE = (OPERATIONS / "removeProfilePicture.graphql").read_text()
CLOSE = (OPERATIONS / "closeAccount.graphql").read_text()
REGISTER = "mutation ($input: RegisterInput!) { register(input: $input) { session { token user { id } } } }"
SEEN = "query ($id: ID!) { user(id: $id) { profile { profilePictureUrl } } }"


@dataclass
class Person:
    """A new user of the platform."""

    platform: Platform
    id: str
    token: str
    password: str

    @classmethod
    def registered(cls, platform: Platform) -> "Person":
        """Register a user, from an address of its own because registrations are limited."""
        name, password = f"user_{secrets.token_hex(6)}", secrets.token_hex(12)
        given = {"username": name, "email": f"{name}@mail.example", "password": password}
        answer = httpx.post(
            f"{platform.url}/graphql",
            json={"query": REGISTER, "variables": {"input": given}},
            headers={"x-forwarded-for": f"198.51.100.{secrets.randbelow(250) + 1}"},
            timeout=30,
        ).json()
        session = answer["data"]["register"]["session"]
        return cls(platform, session["user"]["id"], session["token"], password)

    def send(self, content: bytes, key: str | None = None, token: str | None = None) -> dict[str, Any]:
        """Upload a file as a form, and return the response."""
        operations = {"query": UPLOAD, "variables": {"picture": None, "key": key}}
        found: dict[str, Any] = httpx.post(
            f"{self.platform.url}/graphql",
            data={"operations": json.dumps(operations), "map": '{"0": ["variables.picture"]}'},
            files={"0": ("me.jpg", content, "image/jpeg")},
            headers={"authorization": f"Bearer {token or self.token}"},
            timeout=30,
        ).json()
        return found

    def upload(self, content: bytes, key: str | None = None) -> str:
        """Upload a picture, and return its URL."""
        answer = self.send(content, key)
        assert "errors" not in answer, answer
        assert answer["data"]["uploadProfilePicture"]["userErrors"] == []
        url: str = answer["data"]["uploadProfilePicture"]["user"]["profile"]["profilePictureUrl"]
        return url

    def upload_by_gql(self, content: bytes) -> str:
        """Upload a picture by the client gql, and return its URL."""
        headers = {"authorization": f"Bearer {self.token}"}
        transport = HTTPXTransport(url=f"{self.platform.url}/graphql", headers=headers)
        with Client(transport=transport) as session:
            file = FileVar(io.BytesIO(content), filename="me.webp", content_type="image/webp")
            query = GraphQLRequest(UPLOAD, variable_values={"picture": file})
            answer = session.execute(query, upload_files=True)
        url: str = answer["uploadProfilePicture"]["user"]["profile"]["profilePictureUrl"]
        return url

    def seen(self) -> str | None:
        """Return the URL that everybody sees."""
        answer = self.platform.post(SEEN, {"id": self.id})
        found: str | None = answer["data"]["user"]["profile"]["profilePictureUrl"]
        return found

    def run(self, query: str, **variables: Any) -> Any:
        """Run an operation without errors."""
        answer = self.platform.post(query, variables, self.token)
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.fixture
def person(platform: Platform) -> Person:
    """A new user."""
    return Person.registered(platform)


def is_gone(url: str) -> bool:
    """Return whether a picture is deleted within half a minute."""
    for _ in range(300):
        if httpx.get(url).status_code == 404:
            return True
        time.sleep(0.1)
    return False


def test_the_life_of_a_picture(platform: Platform, person: Person) -> None:
    """A picture is uploaded, read, replaced, removed; that of a closed account is deleted, too."""
    assert person.seen() is None
    photo = samples.jpeg(orientation=6, seed=secrets.randbelow(200))
    first = person.upload(photo)
    assert person.seen() == first
    answer = httpx.get(first)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert samples.pixels(answer.content) == samples.pixels(photo)
    assert SECRET in photo
    assert SECRET not in answer.content
    name = first.rpartition("/")[2]
    assert (platform.data / "pictures" / name).read_bytes() == answer.content
    second = person.upload_by_gql(samples.webp("RGBA", lossless=True))
    assert person.seen() == second != first
    assert httpx.get(second).headers["content-type"] == "image/webp"
    assert is_gone(first)
    person.run(REMOVE)
    assert person.seen() is None
    assert is_gone(second)
    third = person.upload(samples.png(seed=secrets.randbelow(200)))
    assert httpx.get(third).headers["content-type"] == "image/png"
    person.run(CLOSE, password=person.password)
    assert person.seen() is None
    assert is_gone(third)
    stored = {path.name for path in (platform.data / "pictures").iterdir() if path.is_file()}
    assert not stored & {url.rpartition("/")[2] for url in (first, second, third)}


def test_repetitions(person: Person) -> None:
    """The same key gives the same picture; with another one it is refused."""
    photo, key = samples.jpeg(seed=secrets.randbelow(200)), secrets.token_hex(8)
    assert len({person.upload(photo, key) for _ in range(3)}) == 1
    answer = person.send(samples.png(), key)
    [error] = answer["data"]["uploadProfilePicture"]["userErrors"]
    assert error["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "PNG, JPEG or WebP"),
        (samples.jpeg()[:-5], "cut off"),
        (b"\xff\xd8\xff" * 1_900_000, "at most 5,000,000 bytes"),
    ],
)
def test_mistakes(person: Person, content: bytes, problem: str) -> None:
    """What is no picture, or too large, is the user's mistake, and says so."""
    answer = person.send(content)
    assert "errors" not in answer
    [error] = answer["data"]["uploadProfilePicture"]["userErrors"]
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", "picture")
    assert problem in error["message"]
    assert person.seen() is None


def test_what_the_gateway_refuses(person: Person) -> None:
    """Files far too large do not reach the service as a whole; strangers upload nothing.

    In the same process the service sees the file while it arrives, and may refuse it before the gateway does.
    """
    answer = person.send(b"\xff\xd8\xff" * 4_000_000)
    payload = (answer.get("data") or {}).get("uploadProfilePicture") or {}
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    codes += [error["code"] for error in payload.get("userErrors", [])]
    assert codes in (["REQUEST_TOO_LARGE"], ["BAD_USER_INPUT"])
    answer = person.send(samples.png(), token="nobody")
    assert answer.get("data") is None
    assert person.seen() is None
