"""What this service keeps of others' data, for the comparison with the originals."""

from collections.abc import Mapping
from typing import Final

from subgraphs.kit.copies import Copy, Keyed
from subgraphs.matching.handlers import keep_musician, keep_request

COPIES: Final[Mapping[str, Copy]] = {
    "musician": Copy(
        Keyed("matching_musicians", "musician_id"),
        "musicians",
        "musician",
        "MusicianProfileUpdated",
        keep_musician,
    ),
    "musician_request": Copy(
        Keyed("matching_requests", "request_id"),
        "requests",
        "musician_request",
        "RequestUpdated",
        keep_request,
    ),
}
KEYED: Final[Mapping[str, Keyed]] = {kind: copy.keyed for kind, copy in COPIES.items()}
