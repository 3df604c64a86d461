"""The GraphQL types of places, which the owner of an object and the read side declare."""

from typing import Protocol

import strawberry

from subgraphs.kit.cache_hints import PART
from subgraphs.kit.graphql import object_type


class HasLocation(Protocol):
    """A record with the place of a musician."""

    @property
    def latitude(self) -> float | None:
        """Degrees north."""
        ...

    @property
    def longitude(self) -> float | None:
        """Degrees east."""
        ...

    @property
    def address(self) -> str | None:
        """Street and number."""
        ...

    @property
    def city(self) -> str | None:
        """The city."""
        ...

    @property
    def country(self) -> str | None:
        """The country's code of two letters."""
        ...


class HasPlace(Protocol):
    """A record with the place of an event."""

    @property
    def latitude(self) -> float:
        """Degrees north."""
        ...

    @property
    def longitude(self) -> float:
        """Degrees east."""
        ...

    @property
    def address(self) -> str:
        """Street and number."""
        ...

    @property
    def city(self) -> str:
        """The city."""
        ...

    @property
    def country(self) -> str:
        """The country's code of two letters."""
        ...


@object_type(shareable=True, cached=PART)
class MusicianLocation:
    """The place where a musician lives, from which distances are computed."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    address: str | None = strawberry.field(description="Street and number; public.")
    city: str | None = strawberry.field(description="The city.")
    country: str | None = strawberry.field(description="The country's code of two letters (ISO 3166-1).")

    @classmethod
    def of(cls, record: HasLocation) -> "MusicianLocation | None":
        """Return the place in the record of a musician; None if its coordinates are unknown."""
        if record.latitude is None or record.longitude is None:
            return None
        return cls(
            latitude=record.latitude,
            longitude=record.longitude,
            address=record.address,
            city=record.city,
            country=record.country,
        )


@object_type(shareable=True, cached=PART)
class EventPlace:
    """The place of an event."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    address: str = strawberry.field(description="Street and number.")
    city: str = strawberry.field(description="The city.")
    country: str = strawberry.field(description="The country's code of two letters.")

    @classmethod
    def of(cls, record: HasPlace) -> "EventPlace":
        """Return the place in the record of a request."""
        return cls(
            latitude=record.latitude,
            longitude=record.longitude,
            address=record.address,
            city=record.city,
            country=record.country.strip(),
        )
