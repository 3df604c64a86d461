"""Global ids: what clients see, and what is refused."""

import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from subgraphs.kit import checks, global_ids
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.global_ids import GlobalId, decode, encode, key_of

KINDS = some.text(alphabet="ABCdefXyz", min_size=1, max_size=30)


@given(KINDS, some.uuids())
def test_a_global_id_has_its_type_and_its_uuid(kind: str, key: UUID) -> None:
    """Encoding and decoding are inverse; a UUID and its text give the same id, which is safe in URLs."""
    value = encode(kind, key)
    assert value == encode(kind, str(key))
    assert decode(value) == GlobalId(kind, key)
    assert key_of(value, kind) == key_of(str(key), kind) == key
    assert key_of(value, "Other") is None
    assert key_of(value) is None
    assert value.replace("-", "").replace("_", "").isalnum()


@given(some.text(max_size=150))
def test_any_other_text_is_none(value: str) -> None:
    """A text that is no global id is None, or is the encoding of what it decodes to."""
    found = decode(value)
    assert found is None or encode(found.kind, found.key) == value


def encoded(raw: bytes) -> str:
    """Return bytes in the form of a global id."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        encoded(b"\x01\x00" + bytes(16)),
        encoded(b"\x02\x00" + bytes(16) + b"User"),
        encoded(b"\x01\x07" + bytes(16) + b"User"),
        encoded(b"\x01\x00" + bytes(10)),
        encoded(b"\x01\x00" + bytes(16) + b"Us er"),
        encoded(b"\x01\x00" + bytes(16) + "Üser".encode()),
        encoded(b"\x01\x00" + bytes(16) + b"User") + "=",
        encoded(b"\x01\x00" + bytes(16) + b"User")[:-1],
        "A" * 10_000,
    ],
)
def test_wrong_and_truncated_ids(value: str) -> None:
    """An id of another version or region, without a type, truncated, padded or huge is no global id."""
    assert decode(value) is None
    with pytest.raises(BadUserInput, match="must be the id of an object of the type User") as caught:
        checks.identifier(value, "userId", "User")
    assert len(caught.value.message) < 200


def test_an_id_of_another_type_is_named() -> None:
    """The message says which type the id has."""
    with pytest.raises(BadUserInput, match="type Booking, got the id of an object of the type Musician"):
        checks.identifier(encode("Musician", uuid4()), "bookingId", "Booking")
    with pytest.raises(BadUserInput, match="which is a UUID"):
        checks.identifier(encode("Musician", uuid4()), "musicianId")


@pytest.mark.parametrize(
    ("convert", "kind"),
    [
        (global_ids.booking_key, "Booking"),
        (global_ids.request_key, "MusicianRequest"),
        (global_ids.saga_key, "Saga"),
        (global_ids.skill_key, "Skill"),
    ],
)
def test_keys_for_conditions_of_events(convert: Callable[[object], str | None], kind: str) -> None:
    """A global id of the right type and a UUID become the UUID as events have it; anything else None."""
    key = str(uuid4())
    for right in (encode(kind, key), key, key.upper()):
        assert convert(right) == key
    others: list[Any] = [encode("User", key), "x", None, 7, [key], {}]
    for wrong in others:
        assert convert(wrong) is None
