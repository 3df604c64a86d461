"""Descriptions of the GraphQL types that several services declare.

All subgraphs must describe a shared type in the same words, so the words are here; `kit/graphql` uses them
instead of the docstring of the service's class, which says what that service knows about the type.
"""

from collections.abc import Mapping
from typing import Final

ID: Final = "The global id of the object. It is opaque: store it, pass it as an argument, give it to `node`."
ID_OF_PART: Final = "The global id of the object. It is opaque: store it, pass it as an argument."
"""For types that are no entities, which `node` does not return."""
UUID: Final = "The key of the object within the federation."

TYPES: Final[Mapping[str, str]] = {
    "Query": "Everything that can be read.",
    "Mutation": "Everything that can be changed.",
    "User": "A user of the platform: a client, a musician or an admin.",
    "Musician": "A musician who can be booked: the public profile of a user.",
    "Skill": "An instrument, a genre or a style that musicians have and requests ask for.",
    "MusicianRequest": "A client's request for a musician for an event.",
    "Application": "A musician's application to a request; for the musician, the client and admins.",
    "Booking": "A musician's booking for an event; for its client, its musician and admins.",
    "Review": "A client's review of a completed booking.",
    "Escrow": "The client's payment for a booking, until it is paid to the musician or refunded; for its "
    "client, its musician and admins.",
    "Payment": "A charge of a client.",
    "Notification": "A notification of a user.",
    "Message": "A message between the parties of a booking; for them and admins.",
    "CalendarSlot": "A slot in the caller's calendar as a musician.",
    "MatchingAlgorithm": "An algorithm for ranking musicians.",
    "MatchingResult": "A stored ranking; for the client of the request and admins.",
    "AuditEvent": "An event of a service, with its author and its cause; for admins.",
    "PendingSync": "An event of one service at one service that consumes it, with its status; for admins.",
    "SyncLog": "An outcome that the target service confirmed, or a replay that an admin requested; for "
    "admins.",
    "ConsistencyCheck": "The result of a comparison of a service's rows with another service's copies of "
    "them; for admins.",
    "Saga": "An operation over several services, which is done in all of them or undone; for the user who "
    "started it and for admins.",
}

ARGUMENTS: Final[Mapping[str, str]] = {
    "id": "The global id of the object.",
    "ids": "The global ids of the objects.",
    "input": "The values.",
    "filter": "Conditions on the elements of the list.",
    "orderBy": "The order of the list.",
    "first": "Return at most this number of elements.",
}
"""Descriptions of arguments, by name, for fields that do not describe theirs."""
