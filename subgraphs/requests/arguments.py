"""The arguments of the lists that are nested in users, musicians and requests."""

from typing import Annotated

import strawberry

from subgraphs.kit.between import BetweenInput
from subgraphs.kit.vocabulary import RequestStatus
from subgraphs.requests.enums import ApplicationStatus, BookingStatus

RequestStatuses = Annotated[
    list[RequestStatus] | None, strawberry.argument(description="Only requests with these statuses.")
]
BookingStatuses = Annotated[
    list[BookingStatus] | None, strawberry.argument(description="Only bookings with these statuses.")
]
ApplicationStatuses = Annotated[
    list[ApplicationStatus] | None, strawberry.argument(description="Only applications with these statuses.")
]
Between = Annotated[
    BetweenInput | None, strawberry.argument(description="Only events that start in this time range.")
]
