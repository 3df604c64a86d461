"""Commands by id: accepted once, answered as often as asked, carried out although their process died, and
told of to who sent them.
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
from subgraphs.kit.commands.log import CommandFailed, CommandIdReused, CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database, Session
from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.kit.messages import Command
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.musicians import handlers as musicians
from subgraphs.musicians.app import bootstrap as musicians_bootstrap
from subgraphs.requests import handlers as requests
from subgraphs.requests.app import bootstrap
from tests.subgraphs.musicians.test_profiles import PLACE, UPDATE, make
from tests.subgraphs.requests.test_requests import PUBLISH, wanted

STATUS = "query($id: ID!) { requestCommand(id: $id) { type status errorCode errorMessage aggregateId processingTimeMs } }"
ONCE = PUBLISH.replace("$input: PublishRequestInput!)", "$input: PublishRequestInput!, $key: ID)").replace(
    "input: $input)", "input: $input, commandId: $key)"
)


@pytest.fixture(scope="module")
async def client(running: Running) -> Any:
    """Asks a requests service with all its parts."""
    async with running("requests", bootstrap) as service:
        yield Client(service)


@pytest.fixture
def database(client: Client) -> Database:
    """The service's database."""
    return client.service.database


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A client."""
    return ApiUser.make(keys, "client")


@dataclass(frozen=True)
class Count(Command[int]):
    """Adds a row to the inbox, which is as good a table as any."""

    word: str


class Counting:
    """A log of one kind of command, whose handler can be told to fail."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.failing: Exception | None = None
        self.log = CommandLog(database, {Count: self.count}, {Count: self.again})

    async def count(self, uow: UnitOfWork, command: Count) -> int:
        """The effect."""
        await uow.execute(
            text("INSERT INTO inbox VALUES (:word, gen_random_uuid())").bindparams(word=command.word)
        )
        if self.failing is not None:
            raise self.failing
        return await self.effects(command.word, uow)

    async def again(self, session: Session, key: UUID) -> int:
        """Never asked: the answer is a number, which the log keeps."""
        raise AssertionError(key)

    async def effects(self, word: str, session: Session | None = None) -> int:
        """How often it was done."""
        statement = text("SELECT count(*) FROM inbox WHERE consumer = :word")
        return int(await (session or self.database).fetch_value(statement, word=word))

    async def send(self, word: str, key: UUID | None, by: str = "ann") -> Any:
        """Have it carried out for somebody."""
        with because(Cause(by, "together")):
            return await self.log.execute(Count(word), key)

    async def status(self, key: UUID) -> tuple[str, str | None]:
        """What is known of a command."""
        row = await self.database.fetch_one(
            text("SELECT * FROM pending_commands WHERE command_id = :key"), key=key
        )
        assert row is not None
        return row.status, row.error_code

    async def age(self, key: UUID) -> None:
        """Let it be long ago that somebody touched a command."""
        old = text(
            "UPDATE pending_commands SET updated_at = now() - interval '1 hour' WHERE command_id = :key"
        )
        await self.database.execute(old.bindparams(key=key))


@pytest.fixture
def counting(database: Database) -> Counting:
    """A log with one kind of command."""
    return Counting(database)


async def test_an_id_is_accepted_once(counting: Counting) -> None:
    """Eight who send the same at once get the same answer, and it is done once; afterwards as well."""
    word, key = uuid4().hex, uuid4()
    assert await asyncio.gather(*(counting.send(word, key) for _ in range(8))) == [1] * 8
    assert await counting.send(word, key) == 1
    assert await counting.effects(word) == 1
    assert await counting.status(key) == ("completed", None)


async def test_without_an_id_each_is_another_command(counting: Counting) -> None:
    """Who names no command wants it done again."""
    word = uuid4().hex
    assert [await counting.send(word, None) for _ in range(2)] == [1, 2]


async def test_an_id_is_of_one_command_and_one_user(counting: Counting) -> None:
    """Another input, or another user, is refused."""
    word, key = uuid4().hex, uuid4()
    await counting.send(word, key)
    with pytest.raises(CommandIdReused):
        await counting.send("other", key)
    with pytest.raises(CommandIdReused):
        await counting.send(word, key, by="bob")
    assert await counting.effects(word) == 1


async def test_a_refusal_stays(counting: Counting) -> None:
    """What the rules forbid is refused again in the same words, whatever has changed since."""
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
    """An outage is no refusal: nothing is kept of the attempt, and the same id works afterwards."""
    word, key = uuid4().hex, uuid4()
    counting.failing = OSError("the cable")
    with pytest.raises(OSError, match="cable"):
        await counting.send(word, key)
    assert await counting.status(key) == ("pending", None)
    counting.failing = None
    assert await counting.send(word, key) == 1


async def test_what_was_left_is_carried_out(counting: Counting) -> None:
    """A named command whose process has died is done by who finds it, once; an unnamed one is given up."""
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
    """Its process died before it could say anything."""
    key = uuid4()
    await counting.send(uuid4().hex, key)
    reset = "UPDATE pending_commands SET status = 'processing', is_named = false WHERE command_id = :key"
    await counting.database.execute(text(reset).bindparams(key=key))
    await counting.age(key)
    await Recovery(counting.database, counting.log).sweep()
    assert await counting.status(key) == ("failed", "ABANDONED")


async def test_what_was_left_for_too_long_is_abandoned(counting: Counting) -> None:
    """After an hour nobody waits for it any more, and what was asked for is forgotten."""
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
    """Neither of a command that is done nor of one that was refused."""
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
    """More commands than one look takes fail whenever they are tried.

    The one behind them is carried out at the next look.
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
    """An object in an object, and so on."""
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"in": found}
    return found


@pytest.mark.parametrize("word", [math.inf, math.nan, "\ud800", nested(3_000)])
async def test_what_cannot_be_written_down_is_refused(counting: Counting, word: Any) -> None:
    """What JSON or Unicode cannot hold is the caller's mistake, and no command."""
    with pytest.raises(BadUserInput):
        await counting.send(word, uuid4())


async def test_a_mutation_sent_twice_is_one(client: Client, host: ApiUser) -> None:
    """The second answer is the first, and the request exists once; its event follows from the command."""
    key = str(uuid4())
    answers = [await client.data(ONCE, host, input=wanted(title="Once"), key=key) for _ in range(2)]
    assert answers[0] == answers[1]
    made = UUID(answers[0]["publishRequest"]["id"])
    events = text("SELECT causation_id FROM events WHERE aggregate_id = :id")
    assert [str(row.causation_id) for row in await client.service.database.fetch_all(events, id=made)] == [
        key
    ]
    status = (await client.data(STATUS, host, id=key))["requestCommand"]
    assert status.pop("processingTimeMs") > 0
    assert status == {
        "type": "PublishRequest",
        "status": "completed",
        "errorCode": None,
        "errorMessage": None,
        "aggregateId": str(made),
    }
    assert await client.codes(ONCE, host, input=wanted(title="Twice"), key=key) == ["COMMAND_ID_REUSED"]
    assert await client.codes(ONCE, host, input=wanted(), key="mine") == ["BAD_USER_INPUT"]


async def test_only_who_sent_a_command_sees_it(client: Client, host: ApiUser, keys: SigningKeys) -> None:
    """Others do not even learn that there is one; admins see all."""
    key = str(uuid4())
    assert await client.codes(ONCE, host, input=wanted(budgetMin="-1"), key=key) == ["BAD_USER_INPUT"]
    status = (await client.data(STATUS, ApiUser.make(keys, "admin"), id=key))["requestCommand"]
    assert (status["status"], status["errorCode"]) == ("failed", "BAD_USER_INPUT")
    assert await client.codes(STATUS, ApiUser.make(keys), id=key) == ["NOT_FOUND"]
    assert await client.codes(STATUS, None, id=key) == ["UNAUTHENTICATED"]


@asynccontextmanager
async def without(database: Database, table: str) -> AsyncIterator[None]:
    """A table is missing meanwhile, which is nobody's refusal."""
    await database.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    yield
    await database.execute(text(f"ALTER TABLE away RENAME TO {table}"))


async def recover(database: Database, key: UUID, log: CommandLog) -> None:
    """As if the command had been left some time ago."""
    aged = text(
        "UPDATE pending_commands SET updated_at = now() - interval '50 minutes' WHERE command_id = :key"
    )
    await database.execute(aged.bindparams(key=key))
    await Recovery(database, log).sweep()


async def test_a_request_that_was_left_is_published(client: Client, host: ApiUser) -> None:
    """A command with money, times and a place comes back from the table as it was sent, in its sender's
    name.
    """
    database, key, title = client.service.database, uuid4(), uuid4().hex
    await client.data(ONCE, host, input=wanted(title=title))
    async with without(database, "musician_requests"):
        codes = await client.codes(ONCE, host, input=wanted(title=title), key=str(key))
    assert codes == ["INTERNAL_SERVER_ERROR"]
    await recover(database, key, CommandLog(database, requests.COMMAND_HANDLERS, requests.RESULTS))
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
    """A command with values of any shape, too: as long as it is not done, the profile is without them."""
    async with running("musicians", musicians_bootstrap) as service:
        asking, key, player = Client(service), uuid4(), ApiUser.make(keys, "musician")
        await make(asking, player)
        change = UPDATE.replace(
            "$input: UpdateMusicianProfileInput!)", "$input: UpdateMusicianProfileInput!, $key: ID)"
        )
        change = change.replace("input: $input)", "input: $input, commandId: $key)")
        given = {"hourlyRate": "12.5", "location": PLACE, "availability": {"monday": []}, "skills": ["drums"]}
        made = (await asking.data(UPDATE, player, input=given))["updateMusicianProfile"]
        await asking.data(UPDATE, player, input={"hourlyRate": "1", "location": None, "skills": []})
        async with without(service.database, "musician_skills"):
            assert await asking.codes(change, player, input=given, key=str(key)) == ["INTERNAL_SERVER_ERROR"]
        log = CommandLog(service.database, musicians.COMMAND_HANDLERS, musicians.RESULTS)
        await recover(service.database, key, log)
        assert (await asking.data(change, player, input=given, key=str(key)))["updateMusicianProfile"] == made
