"""`make booking-machine`: a state machine plays clients, musicians, admins, time and failures at random, over
the real services, and checks after each run that no money, evening or notification is stranded.

Hypothesis draws the steps; workers and PostgreSQL are killed between them. The last line has the numbers of
runs, steps, kills and faults.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from subgraphs.kit.testing import SigningKeys
from subgraphs.orchestration.sagas import (
    ASSIGNMENT,
    CANCELLATION,
    CLOSURE,
    CONFIRMATION,
    EXPIRY,
    NOTICES,
    OBJECTION,
    OFFER,
    PAYOUT,
)
from tests.crash.play import By, Play, Stuck, without_refund
from tests.crash.run import Ground, ground
from tests.crash.services import Town

MOST_CASES = 60
WEIGHTS = {
    "book": 4,
    "offer": 2,
    "answer": 4,
    "cancel": 3,
    "object_to": 2,
    "decide": 1,
    "cancel_request": 1,
    "close_account": 1,
    "operate": 2,
    "undo": 1,
    "pass_time": 2,
    "rest": 2,
    "kill_worker": 4,
    "pause_worker": 1,
    "kill_server": 1,
}
"""What happens, and how often."""
ACTION = st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)])
PARTIES: Sequence[By] = ("client", "musician", "stranger")
HOURS = (1, 12, 24, 49, 24 * 8, 24 * 21)
PRICES = (None, None, "400", "0", "900")
OPERABLE = (ASSIGNMENT, OFFER, EXPIRY, CANCELLATION, CONFIRMATION, OBJECTION, PAYOUT, CLOSURE, NOTICES)


class BookingLife(RuleBasedStateMachine):
    """What users, admins, time and failures do. `counts`: of all runs.

    It has one rule with many actions, because hypothesis leaves out most rules of a run, so that few bookings
    would get far.
    """

    place: ClassVar[Ground]
    counts: ClassVar[dict[str, int]] = {"runs": 0, "steps": 0, "kills": 0, "restarts": 0}
    found: ClassVar[list[str]] = []
    play: Play
    is_stuck = False

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        """Start the workers, and publish the first request."""
        self.play = Play.begin(self.place, seed)
        self.counts["runs"] += 1
        asyncio.run(self.play.request())

    @rule(action=ACTION, number=st.integers(0, MOST_CASES), choice=st.integers(0, 59))
    def act(self, action: str, number: int, choice: int) -> None:
        """Do something. `number`: of the case; `choice`: what else there is to choose."""
        self.counts["steps"] += 1
        if self.is_stuck:
            return
        self.play.wake_workers()
        try:
            getattr(self, action)(number, choice)
        except Stuck as error:
            self.report([f"stuck: {error}"])
            self.is_stuck = True

    def report(self, faults: Sequence[str]) -> None:
        """Print and record faults of this run."""
        for fault in faults:
            print(f"fault in run {self.counts['runs']}: {fault}", flush=True)
        self.found.extend(faults)

    def book(self, number: int, choice: int) -> None:
        if len(self.play.cases) >= MOST_CASES:
            return
        asyncio.run(self.play.request())
        asyncio.run(self.play.offer(-1, None, accept=False))
        if choice % 3:
            asyncio.run(self.play.rest())
            asyncio.run(self.play.act(CONFIRMATION, -1, "musician"))

    def offer(self, number: int, choice: int) -> None:
        price = PRICES[choice % len(PRICES)]
        asyncio.run(self.play.offer(number, price, accept=choice < 30))

    def answer(self, number: int, choice: int) -> None:
        saga = CONFIRMATION if choice % 2 else PAYOUT
        by = PARTIES[choice % 3] if choice < 20 else ("musician" if choice % 2 else "client")
        asyncio.run(self.play.act(saga, number, by))

    def cancel(self, number: int, choice: int) -> None:
        by = PARTIES[choice % 3]
        asyncio.run(self.play.act(CANCELLATION, number, by, requestId=None, reason="rain"))

    def object_to(self, number: int, choice: int) -> None:
        asyncio.run(self.play.act(OBJECTION, number, PARTIES[choice % 3], reason="no music"))

    def decide(self, number: int, choice: int) -> None:
        asyncio.run(self.play.decide(number, (0, 30, 100)[choice % 3]))

    def cancel_request(self, number: int, choice: int) -> None:
        asyncio.run(self.play.cancel_request(number))

    def close_account(self, number: int, choice: int) -> None:
        asyncio.run(self.play.close_account(number, PARTIES[choice % 2]))

    def operate(self, number: int, choice: int) -> None:
        asyncio.run(self.play.operate(("cancel", "retry")[choice % 2], OPERABLE))

    def undo(self, number: int, choice: int) -> None:
        asyncio.run(self.play.operate("compensate", (ASSIGNMENT,)))

    def pass_time(self, number: int, choice: int) -> None:
        asyncio.run(self.play.pass_time(hours=HOURS[choice % len(HOURS)]))

    def rest(self, number: int, choice: int) -> None:
        asyncio.run(self.play.rest())

    def kill_worker(self, number: int, choice: int) -> None:
        self.play.kill_worker()

    def pause_worker(self, number: int, choice: int) -> None:
        self.play.pause_worker()

    def kill_server(self, number: int, choice: int) -> None:
        if choice % 4 == 0:
            self.play.kill_server()

    def teardown(self) -> None:
        """Let everything come to its end, and record the faults."""
        if not hasattr(self, "play"):
            return
        try:
            if not self.is_stuck:
                self.report(asyncio.run(self.play.finish()))
        except Stuck as error:
            self.report([f"stuck: {error}"])
        finally:
            self.play.stop()
            self.counts["kills"] += self.play.kills
            self.counts["restarts"] += self.play.restarts
        print(f"run {self.counts['runs']}: {self.counts}, faults {len(self.found)}", flush=True)


def run(place: Ground, runs: int, steps: int, seed: int) -> list[str]:
    """Play a number of runs; return the faults."""
    from hypothesis import seed as seeded  # noqa: PLC0415

    BookingLife.place, BookingLife.found = place, []
    rules = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seeded(seed)(BookingLife)
    run_state_machine_as_test(BookingLife, settings=rules)
    return BookingLife.found


def main() -> int:
    """Play; return exit code 1 if an invariant is broken, or a planted fault is not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500, help="of each run")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with ground() as place:
        found = run(place, options.runs + 1, options.steps, options.seed)  # the first one is trivial
    counts = dict(BookingLife.counts)
    print("\nwithout the refund of a cancellation, to see that this test can see:")
    made = Town.__init__

    def blinded(self: Town, urls: Mapping[str, str], keys: SigningKeys) -> None:
        made(self, urls, keys)
        without_refund(self)

    setattr(Town, "__init__", blinded)  # noqa: B010 - the workers make their own
    with ground() as place:
        blind = run(place, 3, min(options.steps, 120), options.seed)  # the first run is always a trivial one
    for line in found[:20]:
        print(line)
    print(f"without the refund: {len(blind)} faults (has to be above 0)")
    about = ", ".join(f"{value} {name}" for name, value in counts.items())
    print(f"{about}, {len(found)} broken invariants")
    return 0 if blind and not found else 1


if __name__ == "__main__":
    sys.exit(main())
