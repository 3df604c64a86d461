"""The demo accounts of the sample data: made by the generator, printed at every start."""

from dataclasses import dataclass
from uuid import UUID, uuid5

_NAMES = UUID("6d757373-696b-6f6e-8000-000000000000")

DEMO_PASSWORD = "mussikon-demo"  # noqa: S105 - published on purpose, for sample data only


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Somebody to log in as, with `DEMO_PASSWORD`."""

    username: str
    user_type: str
    what: str

    @property
    def id(self) -> UUID:
        """The same in every sample, so that examples can name it."""
        return uuid5(_NAMES, self.username)

    @property
    def email(self) -> str:
        """An address that nobody has."""
        return f"{self.username}@mussikon.example"


DEMO_ACCOUNTS = (
    DemoAccount("demo_client", "client", "has requests with applications, bookings and reviews"),
    DemoAccount("demo_musician", "musician", "has a profile, applications and bookings"),
    DemoAccount("demo_admin", "admin", "may look at everything"),
)
