"""A worker process of DBOS, which executes the five mutations of the booking saga as steps of a workflow.

It runs in a Python environment of its own, so it imports nothing of this project. `bench.sagas.run` starts it
with its number and the number of workers; its settings are JSON in the environment variable SAGA_BENCH.
"""

# mypy: ignore-errors

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import httpx
from dbos import DBOS, SetWorkflowID

TOLD = json.loads(os.environ["SAGA_BENCH"])
CASES = json.loads(Path(TOLD["cases"]).read_text())
CLIENT = httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=100))
INPUTS = {
    "validateAvailability": "requestId: ID!, musicianId: ID!",
    "updateStatus": "requestId: ID!, clientId: ID!, musicianId: ID!, price: Decimal, "
    "acceptOutsideBudget: Boolean!",
    "notify": "userId: ID!, type: String!, title: String!, message: String!, data: JSON!, urgent: Boolean!",
    "createEscrow": "bookingId: ID!, requestId: ID!, clientId: ID!, musicianId: ID!, musicianUserId: ID!, "
    "amount: Decimal!, currency: String!",
    "blockAvailability": "bookingId: ID!, musicianId: ID!, musicianUserId: ID!, startsAt: DateTime!, "
    "endsAt: DateTime!, timeZone: String!, title: String!",
}

DBOS(
    config={
        "name": "bench",
        "system_database_url": TOLD["dbos"],
        "log_level": "ERROR",
        "run_admin_server": False,
    }
)


def names(inputs):
    return [part.partition(":")[0].strip() for part in inputs.split(",")]


@DBOS.step(retries_allowed=True, max_attempts=6)
async def mutate(saga, step, service, field, given):
    inputs = INPUTS[field]
    declared = "".join(f", ${part.strip()}" for part in inputs.split(","))
    passed = "".join(f", {name}: ${name}" for name in names(inputs))
    order = {"sagaId": saga, "step": step, "direction": "DO", "token": "1"}
    body = {
        "query": f"mutation($order: StepOrder!{declared}) {{ {field}(order: $order{passed}) }}",
        "variables": {"order": order, **{name: given[name] for name in names(inputs)}},
    }
    headers = {"authorization": TOLD["authorization"]}
    answer = (
        await CLIENT.post(f"http://127.0.0.1:{TOLD['port']}/{service}", json=body, headers=headers)
    ).json()
    if answer.get("errors"):
        raise RuntimeError(answer["errors"][0]["message"])
    return answer["data"][field]


@DBOS.workflow()
async def book(saga, data):
    await mutate(saga, "validate_availability", "matching", "validateAvailability", data)
    booking = await mutate(saga, "update_status", "requests", "updateStatus", data)
    told = {
        "userId": booking["musicianUserId"],
        "type": "request_update",
        "title": "You are booked",
        "message": "You have been chosen.",
        "data": {},
        "urgent": booking["urgent"],
    }
    await mutate(saga, "notify_musician", "notifications", "notify", told)
    await mutate(saga, "create_escrow", "payments", "createEscrow", {**booking, "amount": booking["price"]})
    await mutate(saga, "block_availability", "calendar", "blockAvailability", booking)


async def main():
    cases = CASES[int(sys.argv[1]) :: int(sys.argv[2])]
    DBOS.launch()
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    limit = asyncio.Semaphore(32)

    async def one(case):
        async with limit:
            with SetWorkflowID(case["id"]):
                handle = await DBOS.start_workflow_async(book, case["id"], case)
            await handle.get_result()

    await asyncio.gather(*(one(case) for case in cases))
    print(json.dumps({"sagas": len(cases), "seconds": time.perf_counter() - begun}), flush=True)


asyncio.run(main())
