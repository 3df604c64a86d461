"""Makes the steps of sagas, which call hidden mutations of the services."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.saga.definition import Action, RetryPolicy, Step, StepCall
from subgraphs.kit.client import ServiceClient
from subgraphs.orchestration.notices import Notice, booking_of

Given = Mapping[str, Any]
When = Callable[[Given, Given], bool]
RETRY = RetryPolicy(attempts=6, first=0.2, longest=10.0)
UNDO_RETRY = RetryPolicy(attempts=12, first=0.2, longest=30.0)
# What nobody waits for is tried again for months: a timer that gives up would strand money.
PATIENT_RETRY = RetryPolicy(attempts=10_000, first=0.2, longest=900.0)


class Steps:
    """Makes the steps of sagas, which call services' mutations with `client`."""

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    def step(
        self,
        name: str,
        service: str,
        field: str,
        inputs: str,
        request: Any,
        *,
        undone: bool = True,
        when: When | None = None,
        retry: RetryPolicy = RETRY,
    ) -> Step:
        """Return the step `name`, which calls the mutation `field` of a service.

        `inputs` declares the mutation's arguments (`ServiceClient.step`); the function `request` computes
        their values from the saga's input and the results of earlier steps, by step name. `undone` False: the
        step has no effect to undo. `when`: whether the step is needed (`Step.when`).
        """

        async def act(call: StepCall) -> Any:
            return await self.client.step(service, field, call, inputs, call.request)

        action: Action = act
        undo = action if undone else None
        return Step(name, action, undo, request, service, field, 10.0, retry, UNDO_RETRY, when)

    def notification(
        self,
        name: str,
        user: str,
        notice: Notice,
        *,
        when: When | None = None,
        retry: RetryPolicy = RETRY,
    ) -> Step:
        """Return a step that adds a notification, which is held until the saga has ended.

        `user`: the name of the user's id in the booking's values.
        """

        def request(data: Given, results: Given) -> Given:
            booking = booking_of(results)
            return {
                "userId": booking[user],
                "type": "request_update",
                "title": notice.title,
                "message": notice.message(data, results),
                "data": {"request_id": booking["requestId"], "booking_id": booking["bookingId"]},
                "urgent": booking["urgent"],
            }

        inputs = "userId: ID!, type: String!, title: String!, message: String!, data: JSON!, urgent: Boolean!"
        return self.step(name, "notifications", "notify", inputs, request, when=when, retry=retry)

    def sending(self, request: Callable[[Given, Given], Given]) -> Step:
        """Return the step that sends held notifications, or deletes them.

        `request` returns their `ids`, and whether to `discard` them.
        """
        return self.step(
            "send_notifications",
            "notifications",
            "sendNotifications",
            "ids: [ID!]!, discard: Boolean!",
            request,
            undone=False,
            retry=PATIENT_RETRY,
        )
