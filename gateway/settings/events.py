"""The settings of event streams: subscriptions whose events come from Redis, not from a subgraph."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import Count, Seconds, Secret

Match = Literal["equals", "overlaps", "near"]
_NUMBERS = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")


def expanded(name: str) -> tuple[str, ...]:
    """Return the names that a pattern stands for: `events:{0..2}` for events:0, events:1 and events:2."""
    found = _NUMBERS.search(name)
    if found is None:
        return (name,)
    numbers = range(int(found[1]), int(found[2]) + 1)
    return tuple(name[: found.start()] + str(number) + name[found.end() :] for number in numbers)


@dataclass(frozen=True, slots=True)
class EventCondition:
    """What an event must have to be for a subscriber. A condition with an argument that the client has not
    given, or has given as null, is met.
    """

    event: Annotated[
        tuple[str, ...],
        Meta(
            description="Paths of values in the event, such as `payload.bookingId`; one of them must match."
        ),
    ]
    argument: Annotated[
        str | None, Meta(description="The path of a value in the field's arguments: `id`, `input.city`.")
    ] = None
    claim: Annotated[str | None, Meta(description="A claim of the caller's token: `sub`.")] = None
    values: Annotated[tuple[str, ...], Meta(description="Texts, of which one must match.")] = ()
    match: Annotated[
        Match,
        Meta(
            description="`equals`: the values are the same. `overlaps`: two lists have a common element."
            " `near`: the event's `latitude` and `longitude` are within `radiusKm` of those in the argument."
        ),
    ] = "equals"
    convert: Annotated[
        str | None,
        Meta(
            description="MODULE:NAME of a function that converts the argument's value first: from an opaque"
            " id to the events' key, say. None: the condition is not met."
        ),
    ] = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) unless there is exactly one thing to compare the event with."""
        given = [self.argument is not None, self.claim is not None, bool(self.values)]
        if sum(given) != 1:
            yield "event", "expected one of `argument`, `claim` and `values` to compare with"


@dataclass(frozen=True, slots=True)
class EventFieldSettings:
    """Where the events of one field of Subscription come from, and what it returns for each."""

    streams: Annotated[
        tuple[str, ...],
        Meta(description="Redis streams; `events:{0..7}` stands for eight names."),
    ] = ()
    channels: Annotated[
        tuple[str, ...],
        Meta(
            description="Redis channels (Pub/Sub), instead of streams: they have no cursors, and missed"
            " events"
            " are lost."
        ),
    ] = ()
    value: Annotated[
        str,
        Meta(
            description="What the field returns, as JSON, in which `{payload.id}` as a text stands for a"
            " value"
            " of the event. An object of an entity's type needs its key alone."
        ),
    ] = "null"
    where: Annotated[tuple[EventCondition, ...], Meta(description="All of them must be met.")] = ()
    json_fields: Annotated[
        tuple[str, ...], Meta(description="Fields of the stream's entries that are JSON.")
    ] = ("payload",)
    id: Annotated[
        str | None,
        Meta(
            description="The path of the event's id, if publishers may repeat events; repetitions are"
            " dropped."
        ),
    ] = None
    repeated_within: Annotated[
        Seconds, Meta(description="How long after the first time an event may be repeated.")
    ] = 120.0
    cursor_argument: Annotated[
        str | None, Meta(description="The field's argument with the cursor after which to go on.")
    ] = None
    skip_null: Annotated[
        bool,
        Meta(
            description="Whether subscribers receive nothing for an event whose field is null, since the"
            " subgraph does not show them the entity."
        ),
    ] = False
    invalidates: Annotated[
        bool, Meta(description="Whether the cached values of the event's entities are invalid from then on.")
    ] = True

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for a field without a source, or with two kinds of it."""
        if bool(self.streams) == bool(self.channels):
            yield "streams", "expected either `streams` or `channels`"
        try:
            json.loads(self.value)
        except ValueError as error:
            yield "value", f"expected JSON: {error}"

    @property
    def stream_names(self) -> tuple[str, ...]:
        """Return the names of the streams, patterns expanded."""
        return tuple(name for pattern in self.streams for name in expanded(pattern))


@dataclass(frozen=True, slots=True)
class EventSettings:
    """Events that come from Redis. Their fields are in a subgraph's SDL; that subgraph needs no server."""

    url: Annotated[
        Secret | None, Meta(description="The URL of the Redis server; by default that of `redis.url`.")
    ] = None
    fields: Annotated[
        Mapping[str, EventFieldSettings], Meta(description="The fields of Subscription, by name.")
    ] = field(default_factory=dict)
    block: Annotated[
        Seconds, Meta(description="How long Redis waits for an event before it replies that there is none.")
    ] = 1.0
    page: Annotated[Count, Meta(description="Events that are read at once.")] = 500
