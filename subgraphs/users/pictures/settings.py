"""The settings of pictures: the variables of the users service that begin with USERS_PICTURES."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.users.pictures.folder import FolderStore
from subgraphs.users.pictures.page import FOLDER
from subgraphs.users.pictures.s3 import S3Store
from subgraphs.users.pictures.s3_address import S3Address, WrongAddress
from subgraphs.users.pictures.stores import NoPictures, PictureStore

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Where pictures are stored, and where browsers get them."""

    store: PictureStore
    """USERS_PICTURES_URL: a bucket (`s3_address`), with the keys USERS_PICTURES_KEY_ID and
    USERS_PICTURES_SECRET, or files with them (USERS_PICTURES_KEY_ID_FILE, USERS_PICTURES_SECRET_FILE).
    Without it USERS_PICTURES: a folder.
    """
    public_url: str
    """USERS_PICTURES_PUBLIC_URL: what precedes a picture's name in its URL, with a slash at the end; default
    the service's own page on this machine.
    """
    host: str
    port: int
    """USERS_PICTURES_PORT: a further port, on which the service serves pictures only; 0: there is none."""

    @classmethod
    def of(cls, settings: ServiceSettings) -> "PictureSettings":
        """Read the settings of a service. Raises ServiceSettingsError."""
        port = settings.whole_number("PICTURES_PORT", 0, 0, 65535)
        host = _WILDCARDS.get(settings.host, settings.host)
        own = f"http://{f'[{host}]' if ':' in host else host}:{port or settings.port}{FOLDER}"
        public = settings.own.get("PICTURES_PUBLIC_URL", own).rstrip("/") + "/"
        if urlsplit(public).scheme not in ("http", "https") or not urlsplit(public).hostname:
            raise ServiceSettingsError(
                f"service users: USERS_PICTURES_PUBLIC_URL must be an http or https URL, got {public}"
            )
        return cls(_store(settings), public, settings.host, port)


def _store(settings: ServiceSettings) -> PictureStore:
    own = settings.own
    if (url := own.get("PICTURES_URL")) is not None:
        try:
            return S3Store(S3Address.of(url, own))
        except WrongAddress as error:
            raise ServiceSettingsError(f"service users: USERS_PICTURES_URL is wrong: {error}") from error
        except ModuleNotFoundError as error:
            raise ServiceSettingsError(
                "service users: USERS_PICTURES_URL needs the package obstore: pip install 'mussikon[s3]'"
            ) from error
    return FolderStore(Path(own["PICTURES"])) if "PICTURES" in own else NoPictures()
