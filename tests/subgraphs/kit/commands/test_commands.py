"""Tests of the command log: an id is executed once, a repeated command gets the first result, an interrupted
command is executed later, and a command's status is for its sender and admins.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.cause import Cause, because
from subgraphs.kit.commands.log import CommandFailed, CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database, Session
from subgraphs.kit.errors import BadUserInput, Conflict, IdempotencyKeyReused
from subgraphs.kit.idempotency_keys import command_id_of
from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.musicians import handlers as musicians
from subgraphs.musicians.app import bootstrap as musicians_bootstrap
from subgraphs.requests import handlers as requests
from subgraphs.requests.app import bootstrap
from tests.subgraphs.musicians.test_profiles import PLACE, UPDATE, make, money
from tests.subgraphs.requests.test_requests import PUBLISH, wanted

STATUS = """query($key: String!) { requestCommand(idempotencyKey: $key) {
  type status errorCode errorMessage processingTimeMs } }"""
UPDATE_REQUEST = """mutation($id: ID!, $key: String) {
  updateRequest(id: $id, input: {title: "x"}, idempotencyKey: $key) { userErrors { code field message } } }"""
ONCE = PUBLISH.replace(
    "$input: PublishRequestInput!)", "$input: PublishRequestInput!, $key: String)"
).replace("input: $input)", "input: $input, idempotencyKey: $key)")


@pytest.fixture(scope="module")
async def client(running: Running) -> Any:
    """A client of a requests service that runs with all its parts."""
    async with running("requests", bootstrap) as service:
        yield Client(service)


@pytest.fixture
def database(client: Client) -> Database:
    """The service's database."""
    return client.service.database


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A user with the role client."""
    return ApiUser.make(keys, "client")


@dataclass(frozen=True)
class Count(Command[int]):
    """A command that inserts a row into the table `inbox`, which serves as an example."""

    word: str


class Counting:
    """A command log with the command Count, whose handler can be made to fail."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.failing: Exception | None = None
        self.log = CommandLog(database, {Count: self.count}, {Count: self.again})

    async def count(self, uow: UnitOfWork, command: Count) -> int:
        """Insert the row; the handler of Count."""
        await uow.execute(
            text("INSERT INTO inbox VALUES (:word, gen_random_uuid())").bindparams(word=command.word)
        )
        if self.failing is not None:
            raise self.failing
        return await self.effects(command.word, uow)

    async def again(self, session: Session, key: UUID) -> int:
        """Fail: the result of Count is a number, which the log stores, so it is never loaded."""
        raise AssertionError(key)

    async def effects(self, word: str, session: Session | None = None) -> int:
        """Return how often Count was executed."""
        statement = text("SELECT count(*) FROM inbox WHERE consumer = :word")
        return int(await (session or self.database).fetch_value(statement, word=word))

    async def send(self, word: str, key: UUID | None, by: str = "ann") -> Any:
        """Execute Count for a user."""
        with because(Cause(by, "together")):
            return await self.log.execute(Count(word), key)

    async def status(self, key: UUID) -> tuple[str, str | None]:
        """Return the status and the error code of a command."""
        row = await self.database.fetch_one(
            text("SELECT * FROM pending_commands WHERE command_id = :key"), key=key
        )
        assert row is not None
        return row.status, row.error_code

    async def age(self, key: UUID) -> None:
        """Set the time of a command's last change an hour into the past."""
        old = text(
            "UPDATE pending_commands SET updated_at = now() - interval '1 hour' WHERE command_id = :key"
        )
        await self.database.execute(old.bindparams(key=key))


@pytest.fixture
def counting(database: Database) -> Counting:
    """A Counting on a fresh database."""
    return Counting(database)


async def test_an_id_is_accepted_once(counting: Counting) -> None:
    """Eight concurrent commands with one id get the same result, and one of them is executed; so does a later
    command.
    """
    word, key = uuid4().hex, uuid4()
    assert await asyncio.gather(*(counting.send(word, key) for _ in range(8))) == [1] * 8
    assert await counting.send(word, key) == 1
    assert await counting.effects(word) == 1
    assert await counting.status(key) == ("completed", None)


async def test_without_an_id_each_is_another_command(counting: Counting) -> None:
    """Two equal commands without an id are both executed."""
    word = uuid4().hex
    assert [await counting.send(word, None) for _ in range(2)] == [1, 2]


async def test_an_id_is_of_one_command_and_one_user(counting: Counting) -> None:
    """An id that was used with other input or by another user is refused."""
    word, key = uuid4().hex, uuid4()
    await counting.send(word, key)
    with pytest.raises(IdempotencyKeyReused):
        await counting.send("other", key)
    with pytest.raises(IdempotencyKeyReused):
        await counting.send(word, key, by="bob")
    assert await counting.effects(word) == 1


async def test_a_refusal_stays(counting: Counting) -> None:
    """A command that a rule has refused is refused again with the same message, although the state now allows
    it.
    """
    word, key = uuid4().hex, uuid4()
    counting.failing = Conflict("Not today")
    with pytest.raises(Conflict, match="Not today"):
        await counting.send(word, key)
    counting.failing = None
    with pytest.raises(CommandFailed, match="Not today") as caught:
        await counting.send(word, key)
    assert (caught.value.code, await counting.effects(word)) == ("CONFLICT", 0)
    assert await counting.status(key) == ("failed", "CONFLICT")


async def test_what_broke_off_is_done_when_it_is_sent_again(counting: Counting) -> None:
    """After a technical error the same id can be executed, and nothing is left of the first attempt."""
    word, key = uuid4().hex, uuid4()
    counting.failing = OSError("the cable")
    with pytest.raises(OSError, match="cable"):
        await counting.send(word, key)
    assert await counting.status(key) == ("pending", None)
    counting.failing = None
    assert await counting.send(word, key) == 1


async def test_what_was_left_is_carried_out(counting: Counting) -> None:
    """Recovery executes an interrupted command with a caller's id once, and marks one without as failed."""
    recovery = Recovery(counting.database, counting.log)
    word, key = uuid4().hex, uuid4()
    counting.failing = OSError("the cable")
    for name in (key, None):
        with pytest.raises(OSError, match="cable"):
            await counting.send(word, name)
    counting.failing = None
    await recovery.sweep()
    assert await counting.effects(word) == 0  # too fresh
    await counting.age(key)
    await asyncio.gather(recovery.sweep(), recovery.sweep())
    assert await counting.effects(word) == 1
    assert await counting.status(key) == ("completed", None)
    assert await counting.send(word, key) == 1
    left = text("SELECT error_code FROM pending_commands WHERE NOT is_named ORDER BY created_at DESC LIMIT 1")
    assert await counting.database.fetch_value(left) == "INTERNAL"


async def test_an_unnamed_command_that_was_left_is_abandoned(counting: Counting) -> None:
    """Recovery marks an interrupted command without a caller's id as failed."""
    key = uuid4()
    await counting.send(uuid4().hex, key)
    reset = "UPDATE pending_commands SET status = 'processing', is_named = false WHERE command_id = :key"
    await counting.database.execute(text(reset).bindparams(key=key))
    await counting.age(key)
    await Recovery(counting.database, counting.log).sweep()
    assert await counting.status(key) == ("failed", "ABANDONED")


async def test_what_was_left_for_too_long_is_abandoned(counting: Counting) -> None:
    """Recovery marks a command that was interrupted over an hour ago as failed, and deletes its input."""
    word, key = uuid4().hex, uuid4()
    counting.failing = OSError("the cable")
    with pytest.raises(OSError, match="cable"):
        await counting.send(word, key)
    counting.failing = None
    await counting.age(key)
    older = text(
        "UPDATE pending_commands SET created_at = now() - interval '2 hours' WHERE command_id = :key"
    )
    await counting.database.execute(older.bindparams(key=key))
    await Recovery(counting.database, counting.log).sweep()
    assert await counting.status(key) == ("failed", "ABANDONED")
    assert await counting.effects(word) == 0


async def test_what_was_asked_for_is_not_kept(counting: Counting) -> None:
    """The input of a command is deleted when it has completed or was refused."""
    keys = uuid4(), uuid4()
    await counting.send("secret", keys[0])
    counting.failing = Conflict("no")
    with pytest.raises(Conflict):
        await counting.send("secret", keys[1])
    kept = text(
        "SELECT count(*) FROM pending_commands WHERE command_id = ANY (:keys) AND command_data::text <> '{}'"
    )
    assert await counting.database.fetch_value(kept, keys=list(keys)) == 0


async def test_what_cannot_be_carried_out_holds_nobody_up(counting: Counting) -> None:
    """More commands than one sweep reads always fail; the command behind them is executed in the
    next sweep.
    """
    recovery, word, stuck = (
        Recovery(counting.database, counting.log),
        uuid4().hex,
        [uuid4() for _ in range(50)],
    )
    counting.failing = OSError("the cable")
    for key in stuck:
        with pytest.raises(OSError, match="cable"):
            await counting.send("stuck", key)
        await counting.age(key)
    last = uuid4()
    with pytest.raises(OSError, match="cable"):
        await counting.send(word, last)
    counting.failing = None
    spoilt = text(
        """UPDATE pending_commands SET command_data = '{"word": 1}' WHERE command_id = ANY (:keys)"""
    )
    await counting.database.execute(spoilt.bindparams(keys=stuck))
    await counting.age(last)
    for _ in range(2):
        await recovery.sweep()
    assert await counting.effects(word) == 1
    assert await counting.status(stuck[0]) == ("pending", None)


def nested(levels: int) -> dict[str, Any]:
    """Return a dict that is nested `levels` times."""
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"in": found}
    return found


@pytest.mark.parametrize("word", [math.inf, math.nan, "\ud800", nested(3_000)])
async def test_what_cannot_be_written_down_is_refused(counting: Counting, word: Any) -> None:
    """Input that JSON or Unicode cannot represent is BAD_USER_INPUT, and no command is stored."""
    with pytest.raises(BadUserInput):
        await counting.send(word, uuid4())


async def test_a_mutation_sent_twice_is_one(client: Client, host: ApiUser) -> None:
    """A repeated mutation returns the first request, which exists once; the event's cause is the command."""
    key = str(uuid4())
    answers = [await client.data(ONCE, host, input=wanted(title="Once"), key=key) for _ in range(2)]
    assert answers[0] == answers[1]
    made = UUID(answers[0]["publishRequest"]["request"]["uuid"])
    events = text("SELECT causation_id FROM events WHERE aggregate_id = :id")
    assert [str(row.causation_id) for row in await client.service.database.fetch_all(events, id=made)] == [
        str(command_id_of(key, Identity(host.id, "client")))
    ]
    status = (await client.data(STATUS, host, key=key))["requestCommand"]
    assert status.pop("processingTimeMs") > 0
    assert status == {
        "type": "PublishRequest",
        "status": "COMPLETED",
        "errorCode": None,
        "errorMessage": None,
    }
    assert await client.codes(ONCE, host, input=wanted(title="Twice"), key=key) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.codes(UPDATE_REQUEST, host, id=str(made), key=key) == ["IDEMPOTENCY_KEY_REUSED"]
    for wrong in ("", " ", "k" * 101, "a\0b"):
        assert await client.mistakes(ONCE, host, input=wanted(), key=wrong) == [
            ("BAD_USER_INPUT", "idempotencyKey")
        ]


async def test_only_who_sent_a_command_sees_it(client: Client, host: ApiUser, keys: SigningKeys) -> None:
    """Another user gets NOT_FOUND for a command's status, and may use the same key for another change."""
    key = str(uuid4())
    assert await client.codes(UPDATE_REQUEST, host, id=str(uuid4()), key=key) == ["NOT_FOUND"]
    status = (await client.data(STATUS, host, key=key))["requestCommand"]
    assert (status["status"], status["errorCode"]) == ("FAILED", "NOT_FOUND")
    other = ApiUser.make(keys)
    assert await client.codes(STATUS, other, key=key) == ["NOT_FOUND"]
    assert await client.codes(STATUS, None, key=key) == ["UNAUTHENTICATED"]
    assert (await client.data(ONCE, other, input=wanted(), key=key))["publishRequest"]["request"]


@asynccontextmanager
async def without(database: Database, table: str) -> AsyncIterator[None]:
    """Rename a table while the `with` block runs, so that statements on it fail."""
    await database.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    yield
    await database.execute(text(f"ALTER TABLE away RENAME TO {table}"))


def command_of(key: object, by: ApiUser) -> UUID:
    """Return the id of the command that a user has given a key."""
    found = command_id_of(str(key), Identity(by.id, by.role))
    assert found is not None
    return found


async def recover(database: Database, key: UUID, log: CommandLog) -> None:
    """Execute the interrupted commands, after making them look old enough."""
    aged = text(
        "UPDATE pending_commands SET updated_at = now() - interval '50 minutes' WHERE command_id = :key"
    )
    await database.execute(aged.bindparams(key=key))
    await Recovery(database, log).sweep()


async def test_a_request_that_was_left_is_published(client: Client, host: ApiUser) -> None:
    """An interrupted command with money, times and a place is decoded exactly, and executed in its sender's
    name.
    """
    database, key, title = client.service.database, uuid4(), uuid4().hex
    await client.data(ONCE, host, input=wanted(title=title))
    async with without(database, "musician_requests"):
        codes = await client.codes(ONCE, host, input=wanted(title=title), key=str(key))
    assert codes == ["INTERNAL_SERVER_ERROR"]
    await recover(
        database, command_of(key, host), CommandLog(database, requests.COMMAND_HANDLERS, requests.RESULTS)
    )
    rows = await database.fetch_all(text("SELECT * FROM musician_requests WHERE title = :title"), title=title)
    assert len(rows) == 2
    ours = {"id", "created_at", "updated_at"}
    first, second = [
        {name: value for name, value in row._asdict().items() if name not in ours} for row in rows
    ]
    assert first == second
    who = text("SELECT created_by FROM events WHERE aggregate_id = ANY (:ids)")
    assert {row.created_by for row in await database.fetch_all(who, ids=[row.id for row in rows])} == {
        str(host.id)
    }


async def test_a_profile_that_was_left_is_changed(running: Running, keys: SigningKeys) -> None:
    """An interrupted command with values of any shape is decoded and executed."""
    async with running("musicians", musicians_bootstrap) as service:
        asking, player = Client(service), ApiUser.make(keys, "musician")
        key = command_id_of("left", Identity(player.id, "musician"))
        assert key is not None
        await make(asking, player)
        given = {"location": PLACE, "availability": {"monday": []}, "skills": ["drums"]}
        given["hourlyRate"] = {"amount": "12.5", "currency": "CHF"}
        made = (await asking.data(UPDATE, player, input=given))["updateMusicianProfile"]["musician"]
        await asking.data(UPDATE, player, input={"hourlyRate": money("1"), "location": None, "skills": []})
        async with without(service.database, "musician_skills"):
            codes = await asking.codes(UPDATE, player, input=given, key="left")
        assert codes == ["INTERNAL_SERVER_ERROR"]
        log = CommandLog(service.database, musicians.COMMAND_HANDLERS, musicians.RESULTS)
        await recover(service.database, key, log)
        again = (await asking.data(UPDATE, player, input=given, key="left"))["updateMusicianProfile"]
        assert again["musician"] == {**made, "version": made["version"] + 2}
