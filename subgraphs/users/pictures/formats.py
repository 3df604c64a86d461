"""Recognises a picture by its content, and makes of it what is stored: without metadata, under its hash."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from subgraphs.kit.errors import BadUserInput
from subgraphs.users.pictures.jpeg import SIGNATURE as JPEG
from subgraphs.users.pictures.jpeg import clean_jpeg
from subgraphs.users.pictures.picture import NotAPicture
from subgraphs.users.pictures.png import SIGNATURE as PNG
from subgraphs.users.pictures.png import clean_png
from subgraphs.users.pictures.webp import clean_webp, is_webp

MOST_BYTES: Final = 5_000_000
MEDIA_TYPES: Final[Mapping[str, str]] = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
"""The media types of stored pictures, by the ending of their names."""
NAME: Final = re.compile(rf"[0-9a-f]{{64}}\.({'|'.join(MEDIA_TYPES)})")
LIFETIME: Final = "public, max-age=31536000, immutable"
"""The header Cache-Control of a stored picture: a name stands for one content for ever."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is stored. `name`: the hash of the content, with an ending for the format."""

    name: str
    content: bytes = field(repr=False)


def picture_of(content: bytes, argument: str) -> Picture:
    """Return the picture in an uploaded file, without metadata.

    `argument`: the name of the argument, for errors. Raises BadUserInput if it is none, is not valid, or is
    too large.
    """
    if content.startswith(PNG):
        ending, clean = "png", clean_png
    elif content.startswith(JPEG):
        ending, clean = "jpg", clean_jpeg
    elif is_webp(content):
        ending, clean = "webp", clean_webp
    else:
        raise BadUserInput(f"'{argument}' must be a picture: PNG, JPEG or WebP", argument)
    try:
        cleaned = clean(content).content
    except NotAPicture as error:
        raise BadUserInput(f"'{argument}' must be a valid picture: {error}", argument) from error
    return Picture(f"{hashlib.sha256(cleaned).hexdigest()}.{ending}", cleaned)


def media_type_of(name: str) -> str:
    """Return the media type of a stored picture. Raises KeyError for a name that no picture has."""
    return MEDIA_TYPES[name.rpartition(".")[2]]


def checked_name(name: str) -> str:
    """Return the name of a stored picture. Raises ValueError for a name that no picture has."""
    if not NAME.fullmatch(name):
        raise ValueError(f"expected the name of a picture, got {name[:100]!r}")
    return name
