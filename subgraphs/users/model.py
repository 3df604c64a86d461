"""The rules of accounts and profiles, without I/O: names, passwords, profiles, and limits on log-ins."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict, DomainError, Forbidden

OPEN_TYPES: Final = ("client", "musician")
"""The user types that can register; admins are created by SQL."""

LOGIN_WINDOW: Final = timedelta(minutes=15)
PER_ACCOUNT_AND_ADDRESS: Final = 5
PER_ACCOUNT: Final = 20
PER_ADDRESS: Final = 100
PER_DEVICE: Final = 10
SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 128
PICTURE_URL: Final = "profile_picture_url"
_LARGEST_PREFERENCES: Final = 16_000
_USERNAME: Final = re.compile(r"\w[\w.\-]{1,48}\w")


class WrongCredentials(BadUserInput):
    """A password is wrong, or no account has the name; the error does not say which, so that nobody can find
    out names.
    """

    code = "WRONG_CREDENTIALS"

    def __init__(self, field: str) -> None:
        super().__init__(_WRONG if field == "password" else f"'{field}' is wrong", field)


class Taken(Conflict):
    """Another user has the name, the email address or both; `parts` has an error for each."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._parts = [_taken(field) for field in fields]
        super().__init__("; ".join(one.message for one in self._parts), field=fields[0])

    @property
    def parts(self) -> Sequence[DomainError]:
        """The error of each field."""
        return self._parts


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the profile, without the password's hash."""

    id: UUID
    username: str
    email: str
    user_type: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    email_confirmed_at: datetime | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    date_of_birth: date | None
    profile_picture_url: str | None
    preferences: Mapping[str, Any] | None
    picture: str | None
    """The name of a picture that the service stores; then `profile_picture_url` is None."""

    def picture_url(self, public_url: str) -> str | None:
        """Return the URL of the user's picture. `public_url`: precedes the names of stored pictures."""
        return self.profile_picture_url if self.picture is None else public_url + self.picture


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's names for the log-in, and the password's hash, which `repr` omits, so that no log has it."""

    id: UUID
    username: str
    email: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What is known of the client of a log-in.

    `device_id`: the known device whose token it has sent. `knows_address`: whether the user has logged in
    from its address before.
    """

    device_id: UUID | None = None
    knows_address: bool = False


def username(value: str) -> str:
    """Return a checked user name: 3 to 50 letters, digits, `_`, `.` and `-`, not `.` or `-` at its ends.

    Raises BadUserInput.
    """
    cleaned = checks.label(value, "username", 50, 3)
    if not _USERNAME.fullmatch(cleaned):
        raise BadUserInput(
            "'username' may contain letters, digits and '_', and '.' and '-' except at its ends", "username"
        )
    return cleaned


def password(value: str, field: str, *names: str) -> str:
    """Return a checked password: 8 to 128 characters (longer ones take too long to hash), and none
    of `names`.

    `field` is the name of the input field, for errors. Raises BadUserInput.
    """
    if not SHORTEST_PASSWORD <= len(value) <= LONGEST_PASSWORD:
        raise BadUserInput(
            f"'{field}' must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, got {len(value)}",
            field,
        )
    if value.lower() in {name.lower() for name in names}:
        raise BadUserInput(f"'{field}' must not be your user name or email address", field)
    return value


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The checked input of a registration; `repr` omits the password, so that no log has it."""

    username: str
    email: str
    user_type: str
    password: str = field(repr=False)


def new_account(
    name: str, address: str, secret: str, user_type: str, device: Callable[[], str]
) -> NewAccount:
    """Return the checked input of a registration; `device` checks the name of the device.

    Raises Forbidden for a type that cannot register, and BadUserInput, with every wrong field.
    """
    kind = open_type(user_type)
    with checks.Mistakes() as mistakes:
        checked_name, email = mistakes.check(username, name), mistakes.check(checks.email, address)
        mistakes.check(password, secret, "password", name.strip(), address.strip())
        mistakes.check(device)
    return NewAccount(checked_name, email, kind, secret)


def open_type(value: str) -> str:
    """Return the user type, if users of this type can register; otherwise raise Forbidden."""
    if value not in OPEN_TYPES:
        raise Forbidden(
            f"'userType' must be CLIENT or MUSICIAN to register, got {value.upper()}", field="userType"
        )
    return value


def profile_changes(changes: Mapping[str, Any], today: date) -> dict[str, Any]:
    """Return the checked new values of a profile, by column; None clears a column.

    Raises BadUserInput, with every wrong field.
    """
    with checks.Mistakes() as mistakes:
        checked = {column: mistakes.check(_PROFILE[column], value) for column, value in changes.items()}
        if (born := checked.get("date_of_birth")) is not None and born > today:
            mistakes.found.append(BadUserInput(_BORN, "dateOfBirth"))
    return checked


def with_picture(changes: Mapping[str, Any], picture: str | None) -> dict[str, Any]:
    """Return the changes of a profile, among them a new URL of a picture, with what follows for the stored
    one.

    `picture`: the name of the present one. It ends, unless the URL is its own: clients send back what they
    have read.
    """
    url = changes[PICTURE_URL]
    if picture is not None and url is not None and url.endswith(f"/{picture}"):
        return {column: value for column, value in changes.items() if column != PICTURE_URL}
    return {**changes, "picture": None}


def login_limits(login: str, address: str | None, known: KnownDevice) -> dict[str, int]:
    """Return how many attempts to log in are allowed within LOGIN_WINDOW, by subject.

    A known device is counted for itself alone, so that no stranger can lock it out. For all others the
    subjects are: the account from this network (few attempts); the account from all networks together, unless
    its user has logged in from this one before (more attempts; only they are used up by strangers); and the
    network, for all accounts. Example: {"account:ada@10.0.0.1": 5, "account:ada": 20,
    "address:10.0.0.1": 100}.
    """
    if known.device_id is not None:
        return {f"device:{known.device_id}": PER_DEVICE}
    account, network = login.strip().lower(), client_network(address)
    limits = {f"account:{account}@{network or ''}": PER_ACCOUNT_AND_ADDRESS}
    if not known.knows_address:
        limits[f"account:{account}"] = PER_ACCOUNT
    return limits | ({f"address:{network}": PER_ADDRESS} if network else {})


def client_network(address: str | None) -> str | None:
    """Return the network by which attempts are counted: an IPv4 address, or the /64 of an IPv6 address.

    The owner of an IPv6 network has 2**64 addresses in it. A text that is no address is returned as it is.
    """
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(IPv6Network((int(parsed) >> 64 << 64, 64)))


def _taken(field: str) -> Conflict:
    taken = "name" if field == "username" else "email address"
    return Conflict(f"The {taken} is taken by another user: choose another one", field=field)


def _phone(value: str | None) -> str | None:
    cleaned = checks.optional_text(value, "phone", 32)
    if cleaned and not re.fullmatch(r"\+?[\d\s()./-]{5,31}", cleaned):
        raise BadUserInput("'phone' must be a telephone number, such as +49 30 1234567", "phone")
    return cleaned


def _date_of_birth(value: date | None) -> date | None:
    if value is not None and value < date(1900, 1, 1):
        raise BadUserInput(_BORN, "dateOfBirth")
    return value


def _preferences(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadUserInput("'preferences' must be a JSON object", "preferences")
    return checks.document(value, "preferences", _LARGEST_PREFERENCES)


_WRONG: Final = "The name or the password is wrong"
_BORN: Final = "'dateOfBirth' must be from 1900-01-01 to today"
_PROFILE: Final[Mapping[str, Any]] = {
    "first_name": lambda value: checks.optional_text(value, "firstName", 100),
    "last_name": lambda value: checks.optional_text(value, "lastName", 100),
    "phone": _phone,
    "date_of_birth": _date_of_birth,
    PICTURE_URL: lambda value: checks.url(value, "profilePictureUrl") if value else None,
    "preferences": _preferences,
}
