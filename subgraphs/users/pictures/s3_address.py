"""The address of a bucket: `s3://BUCKET/PREFIX?endpoint=https://…&region=…`; its keys come from elsewhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_OPTIONS: Final = ("endpoint", "region")


class WrongAddress(ValueError):
    """The address of a bucket, or a key, is not valid. The message has no secrets."""


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket, and the keys to it. `prefix`: the begin of the objects' names, "" for none.

    `endpoint`: the URL of the store, "" for Amazon's. Without `key_id` and `secret` the library finds keys as
    Amazon's programs do: AWS_ACCESS_KEY_ID, the machine's role.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str
    key_id: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, own: Mapping[str, str]) -> "S3Address":
        """Return the address in a URL. Raises WrongAddress.

        `own`: PICTURES_KEY_ID and PICTURES_SECRET, or with _FILE the names of files that have them.
        """
        parts = urlsplit(url)
        if parts.scheme != "s3" or "@" in parts.netloc or not _BUCKET.fullmatch(parts.netloc):
            raise WrongAddress("it must be s3://BUCKET/PREFIX?endpoint=URL&region=NAME, without keys")
        prefix = parts.path.strip("/")
        if prefix and (not _PREFIX.fullmatch(prefix) or ".." in prefix):
            raise WrongAddress("its path must have letters, digits, '.', '-' and '_' between slashes")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := sorted(options.keys() - set(_OPTIONS)):
            raise WrongAddress(f"its options are endpoint and region, got {', '.join(unknown)}")
        endpoint = options.get("endpoint", "")
        host = urlsplit(endpoint)
        if endpoint and (host.scheme not in ("http", "https") or not host.hostname or "@" in host.netloc):
            raise WrongAddress("its endpoint must be an http or https URL without user and password")
        key_id, secret = _secret_of(own, "PICTURES_KEY_ID"), _secret_of(own, "PICTURES_SECRET")
        if bool(key_id) != bool(secret):
            raise WrongAddress("USERS_PICTURES_KEY_ID and USERS_PICTURES_SECRET must be set together")
        region = options.get("region") or "us-east-1"
        return cls(parts.netloc, prefix, endpoint.rstrip("/"), region, key_id, secret)


def _secret_of(own: Mapping[str, str], name: str) -> str:
    """Return the value of a variable, or the content of the file that its variable with _FILE names."""
    file = own.get(f"{name}_FILE")
    if file is None:
        return own.get(name, "")
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongAddress(f"USERS_{name}_FILE must name a readable file, got {file}") from error
