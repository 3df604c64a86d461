"""The settings that only the users service has: variables of the environment that begin with USERS_."""

from dataclasses import dataclass
from datetime import timedelta

from subgraphs.kit.identity import LIFETIME_SECONDS, LONGEST_LIFETIME_SECONDS
from subgraphs.kit.settings import ServiceSettings
from subgraphs.users.pictures.settings import PictureSettings


@dataclass(frozen=True, slots=True)
class UsersSettings:
    """How long tokens and sessions last, and where pictures are."""

    access_seconds: int
    """USERS_ACCESS_TOKEN_SECONDS: the lifetime of an access token, 60 to 28,800 seconds; default 900."""
    session_lifetime: timedelta
    """USERS_REFRESH_TOKEN_DAYS: the lifetime of a refresh token, 1 to 365 days; default 30."""
    pictures: PictureSettings

    @classmethod
    def of(cls, settings: ServiceSettings) -> "UsersSettings":
        """Read the settings of a service. Raises ServiceSettingsError."""
        longest = LONGEST_LIFETIME_SECONDS
        return cls(
            settings.whole_number("ACCESS_TOKEN_SECONDS", LIFETIME_SECONDS, 60, longest),
            timedelta(days=settings.whole_number("REFRESH_TOKEN_DAYS", 30, 1, 365)),
            PictureSettings.of(settings),
        )
