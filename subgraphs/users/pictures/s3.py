"""Pictures in a bucket of an S3-compatible store: Amazon S3, MinIO, Ceph, Garage, SeaweedFS and others.

The package obstore (the extra `s3`) is imported with the first store. It signs requests, repeats failed ones,
and reuses connections.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

from subgraphs.users.pictures.formats import LIFETIME, Picture, checked_name, media_type_of
from subgraphs.users.pictures.s3_address import S3Address
from subgraphs.users.pictures.stores import StoreUnavailable

Value = TypeVar("Value")
SECONDS: Final = 15.0


class S3Store:
    """The bucket. `seconds`: how long a request may take, with its repetitions; None: SECONDS."""

    def __init__(self, address: S3Address, seconds: float | None = None) -> None:
        """Raises ImportError without the package obstore."""
        seconds = SECONDS if seconds is None else seconds
        self._library: Any = importlib.import_module("obstore")
        self._address = address
        self._seconds = seconds
        keys = {"access_key_id": address.key_id, "secret_access_key": address.secret}
        self._store: Any = importlib.import_module("obstore.store").S3Store(
            address.bucket,
            prefix=address.prefix or None,
            config={
                "region": address.region,
                **({"endpoint": address.endpoint} if address.endpoint else {}),
                **{name: value for name, value in keys.items() if value},
            },
            client_options={
                "timeout": timedelta(seconds=seconds / 2),
                "connect_timeout": timedelta(seconds=min(3.0, seconds / 2)),
                "allow_http": address.endpoint.startswith("http://"),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=seconds / 2)},
        )

    def __repr__(self) -> str:
        return f"S3Store({self._address!r})"

    async def put(self, picture: Picture) -> None:
        name = checked_name(picture.name)
        attributes = {"Content-Type": media_type_of(name), "Cache-Control": LIFETIME}
        await self._call(
            lambda: self._library.put_async(
                self._store, name, picture.content, attributes=attributes, use_multipart=False
            )
        )

    async def get(self, name: str) -> bytes | None:
        async def read() -> bytes:
            found = await self._library.get_async(self._store, checked)
            return bytes(await found.bytes_async())

        checked = checked_name(name)
        try:
            return await self._call(read)
        except FileNotFoundError:
            return None

    async def delete(self, name: str) -> None:
        checked = checked_name(name)
        with suppress(FileNotFoundError):
            await self._call(lambda: self._library.delete_async(self._store, checked))

    async def _call(self, request: Callable[[], Awaitable[Value]]) -> Value:
        """Return the result of a request. Raises StoreUnavailable, and FileNotFoundError without the
        object.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await request()
        except TimeoutError as error:
            raise StoreUnavailable(f"{self!r} did not reply within {self._seconds:g} s") from error
        except Exception as error:
            if isinstance(error, FileNotFoundError) and "NoSuchKey" in str(
                error
            ):  # not the bucket or the user
                raise
            # what follows "<" is the server's, and may quote the request
            said = str(error).partition("\n")[0].partition("<")[0][:300]
            raise StoreUnavailable(f"{self!r}: {type(error).__name__}: {said}") from error
