"""The demo accounts of the sample data, which `mussikon run` prints at every start.

Their ids are fixed, so that examples in the documentation can use them.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

_NAMES = UUID("6d757373-696b-6f6e-8000-000000000000")

DEMO_PASSWORD = "mussikon-demo"  # noqa: S105 - published on purpose, for sample data only


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A user of the sample data whose password is DEMO_PASSWORD."""

    username: str
    user_type: str
    description: str

    @property
    def id(self) -> UUID:
        """The user's id, computed from the name, so that it is the same in all sample data."""
        return uuid5(_NAMES, self.username)

    @property
    def email(self) -> str:
        """The user's email address, in a domain that does not exist."""
        return f"{self.username}@mussikon.example"


DEMO_ACCOUNTS = (
    DemoAccount("demo_client", "client", "has requests with applications, bookings and reviews"),
    DemoAccount("demo_musician", "musician", "has a profile, applications and bookings"),
    DemoAccount("demo_admin", "admin", "may see and change everything"),
)
