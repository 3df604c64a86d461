"""The GraphQL types of the matching subgraph.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import strawberry

from subgraphs.kit import budget
from subgraphs.kit.cache_hints import PART, public
from subgraphs.kit.errors import BadUserInput, NotFound
from subgraphs.kit.graphql import field_with, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.payloads import Payload
from subgraphs.matching import model
from subgraphs.matching.match_types import Info, Match
from subgraphs.matching.model import DEFAULT_ALGORITHM
from subgraphs.matching.records import AlgorithmRecord, ResultRecord

Algorithm = Annotated[
    str,
    strawberry.argument(description="The name of an active algorithm, as in `matchingAlgorithms`."),
]
Best = Annotated[int, strawberry.argument(description="Return the best 1 to 100 musicians.")]


def matches_of(record: ResultRecord, first: int) -> list[Match]:
    """Return the `first` best musicians of a stored result. Raises BadUserInput, TooManyElements."""
    if not 1 <= first <= model.STORED:
        raise BadUserInput(f"'first' must be from 1 to {model.STORED}, got {first}", "first")
    budget.spend(len(record.musician_scores[:first]))
    return [Match.of(match) for match in msgspec.convert(record.musician_scores[:first], list[model.Match])]


@object_type(keys=["uuid"])
class MusicianRequest:
    """A request, with its ranking of musicians."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @field_with(external=True)
    async def title(self, info: Info) -> str | None:
        """The title of the request."""
        request = await info.context.requests.load(self.key)
        if request is None:
            raise NotFound(f"The matching service has not received the request {self.key} yet")
        return str(request.title)

    @field_with(cost=20)
    async def matches(
        self, info: Info, first: Best = 10, algorithm: Algorithm = DEFAULT_ALGORITHM
    ) -> list[Match] | None:
        """The ranking of musicians for the request, the best first; null if the matching service has not
        received the request yet.
        """
        record = await info.context.rankings.load((self.key, algorithm))
        return matches_of(record, first) if record is not None else None

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "MusicianRequest | None":
        """Return the request with this id, without a check that it exists: the requests service does it."""
        return cls.of(uuid_of(uuid))

    @classmethod
    def of(cls, key: UUID | None) -> "MusicianRequest | None":
        """Return the request with this id; None for None."""
        return cls(uuid=strawberry.ID(str(key)), key=key) if key else None


@object_type(cached=PART)
class AlgorithmWeights:
    """The weights of the scores; only their proportions matter."""

    skill: float = strawberry.field(description="The weight of the skills.")
    experience: float = strawberry.field(description="The weight of the experience.")
    price: float = strawberry.field(description="The weight of the price.")
    distance: float = strawberry.field(description="The weight of the distance.")


@object_type(keys=["uuid"], cached=public(300))
class MatchingAlgorithm:
    """An algorithm for ranking musicians."""

    uuid: strawberry.ID
    name: str = strawberry.field(description="The name, to pass as argument `algorithm`.")
    description: str = strawberry.field(description="Which musicians the algorithm prefers.")
    weights: AlgorithmWeights = strawberry.field(description="The weights of the scores.")
    radius_km: float = strawberry.field(
        description="The greatest distance between musician and event in kilometres."
    )
    recommended_from: float = strawberry.field(
        description="The total score from which a musician is recommended."
    )
    is_active: bool = strawberry.field(description="Whether the algorithm can be used for new rankings.")

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "MatchingAlgorithm | None":
        """Return the algorithm with this id, None if there is none."""
        key = uuid_of(uuid)
        record = await info.context.algorithms.load(key) if key else None
        return None if record is None else cls.of(record)

    @classmethod
    def of(cls, record: AlgorithmRecord) -> "MatchingAlgorithm":
        """Return the GraphQL object of a record."""
        parameters = model.parameters_of(record.parameters)
        weights = parameters.weights
        return cls(
            uuid=strawberry.ID(str(record.id)),
            name=record.name,
            description=record.description,
            weights=AlgorithmWeights(
                skill=weights.skill,
                experience=weights.experience,
                price=weights.price,
                distance=weights.distance,
            ),
            radius_km=parameters.radius_km,
            recommended_from=parameters.recommended_from,
            is_active=record.is_active,
        )


@object_type(keys=["uuid"])
class MatchingResult:
    """A stored ranking; for the client of the request and admins."""

    uuid: strawberry.ID
    candidates: int = strawberry.field(
        description="The number of musicians within the radius who have one of the skills."
    )
    execution_time_ms: float = strawberry.field(description="The duration of the ranking in milliseconds.")
    cache_hit: bool = strawberry.field(
        description="Whether an earlier ranking was reused because its inputs had not changed."
    )
    created_at: datetime = strawberry.field(description="When the ranking was made.")
    record: strawberry.Private[ResultRecord]

    @field_with(provides=["title"])
    def request(self) -> MusicianRequest | None:
        """The request for which musicians were ranked."""
        return MusicianRequest.of(self.record.request_id)

    @resolver
    async def algorithm(self, info: Info) -> MatchingAlgorithm | None:
        """The algorithm of the ranking."""
        record = await info.context.algorithms.load(self.record.algorithm_id)
        return MatchingAlgorithm.of(record) if record is not None else None

    @resolver
    def matches(self, first: Best = 10) -> list[Match] | None:
        """The ranked musicians, the best first."""
        return matches_of(self.record, first)

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "MatchingResult | None":
        """Return the result with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "MatchingResult | None":
        """Return the result with this id, None if there is none.

        Raises Unauthenticated, and Forbidden unless the caller is the client of its request or an admin.
        """
        info.context.require()
        row = await info.context.results.load(key) if key else None
        if row is None:
            return None
        request = await info.context.requests.load(row.request_id)
        info.context.require_owner_or_admin(request.client_id if request is not None else None)
        return cls.of(row)

    @classmethod
    def of(cls, record: ResultRecord) -> "MatchingResult":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            candidates=record.candidates,
            execution_time_ms=record.execution_time_ms,
            cache_hit=record.cache_hit,
            created_at=record.created_at,
            record=record,
        )


@object_type()
class FindMatchesPayload(Payload):
    """The result of `findMatches`."""

    result: MatchingResult | None = strawberry.field(default=None, description="The stored ranking.")
