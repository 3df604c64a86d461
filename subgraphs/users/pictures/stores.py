"""The port of the stores that have the pictures' files, and the store of a service that has none.

Names are those of `formats.NAME`. A name stands for one content for ever, so that a file may be put, read and
deleted repeatedly.
"""

from typing import Final, Protocol

from subgraphs.kit.errors import DomainError
from subgraphs.users.pictures.formats import Picture


class StoreUnavailable(DomainError):
    """The store of pictures does not answer, or has refused a request; nothing was changed."""

    code = "SERVER_UNAVAILABLE"

    def __init__(self, reason: str) -> None:
        """`reason`: for the log, not for callers."""
        super().__init__("The store of pictures does not answer; try again")
        self.reason = reason


class PictureStore(Protocol):
    """Files by name. Every method raises StoreUnavailable, within seconds, if the store does not answer."""

    async def put(self, picture: Picture) -> None:
        """Store a picture; when the method returns, `get` finds it. A repetition changes nothing."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Return the content of a picture, None if the store does not have it."""
        ...

    async def delete(self, name: str) -> None:
        """Delete a picture; one that is not there is no error."""
        ...


class NoPictures:
    """The store of a service without one: uploads are refused."""

    _REASON: Final = "neither USERS_PICTURES nor USERS_PICTURES_URL is set"

    async def put(self, picture: Picture) -> None:
        raise StoreUnavailable(self._REASON)

    async def get(self, name: str) -> bytes | None:
        raise StoreUnavailable(self._REASON)

    async def delete(self, name: str) -> None:
        raise StoreUnavailable(self._REASON)
