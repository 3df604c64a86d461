"""The copies of musicians and requests in this service, which the consistency check repairs
(`kit/copies`).
"""

from collections.abc import Mapping
from typing import Final

from subgraphs.kit.copies import Copy, KeyedTable
from subgraphs.matching.handlers import store_musician, store_request

COPIES: Final[Mapping[str, Copy]] = {
    "musician": Copy(
        KeyedTable("matching_musicians", "musician_id"),
        "musicians",
        "musician",
        "MusicianProfileUpdated",
        store_musician,
    ),
    "musician_request": Copy(
        KeyedTable("matching_requests", "request_id"),
        "requests",
        "musician_request",
        "RequestUpdated",
        store_request,
    ),
}
COPY_TABLES: Final[Mapping[str, KeyedTable]] = {kind: copy.table for kind, copy in COPIES.items()}
