"""Fixtures of the users service's tests: the service with all its parts, and users with accounts."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest

from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys
from subgraphs.users.app import bootstrap

Register = Callable[..., Awaitable[ApiUser]]
PASSWORD = "correct horse"
REGISTER = """mutation($input: RegisterInput!) {
  register(input: $input) {
    session { token expiresAt user { uuid username } } userErrors { code field message }
  }
}"""
_numbers = itertools.count()


@pytest.fixture(scope="module")
async def client(running: Running) -> AsyncIterator[Client]:
    """A client of the users service in this process."""
    async with running("users", bootstrap) as service:
        yield Client(service)


@pytest.fixture
def register(client: Client, keys: SigningKeys) -> Register:
    """A function that registers users."""

    async def register(role: str = "client", name: str | None = None) -> ApiUser:
        name = name or f"somebody{next(_numbers)}"
        account = {
            "username": name,
            "email": f"{name}@mail.example",
            "password": PASSWORD,
            "userType": role.upper(),
        }
        session = (await client.data(REGISTER, input=account))["register"]["session"]
        return ApiUser.make(keys, role, UUID(session["user"]["uuid"]))

    return register


@pytest.fixture
async def ann(client: Client, register: Register) -> ApiUser:
    """A client with an account and a profile."""
    person = await register()
    profile = {
        "firstName": "Ann",
        "lastName": "Other",
        "phone": "+49 30 901820",
        "dateOfBirth": "1990-05-17",
        "profilePictureUrl": "https://pictures.example/ann.jpg",
        "preferences": {"theme": "dark", "genres": ["jazz"]},
    }
    change = (
        "mutation($p: UpdateProfileInput!) { updateProfile(input: $p) { user { uuid } userErrors { code } } }"
    )
    await client.data(change, person, p=profile)
    return person


@pytest.fixture
def bob(keys: SigningKeys) -> ApiUser:
    """Another user, with the role musician."""
    return ApiUser.make(keys, "musician")


@pytest.fixture
def admin(keys: SigningKeys) -> ApiUser:
    """An admin."""
    return ApiUser.make(keys, "admin")
