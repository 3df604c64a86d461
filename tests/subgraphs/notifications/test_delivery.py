"""Tests of sending e-mail with real SMTP servers (aiosmtpd): what servers refuse, answer late or lose is
repeated or ended, and nothing is lost or sent twice.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.notifications.addresses import AccountMail, Contact
from subgraphs.notifications.deliverer import Skipper
from subgraphs.notifications.messages import SendDue
from subgraphs.notifications.smtp import SmtpChannel, SmtpServer
from tests.gateway.certificates import Authority
from tests.subgraphs.notifications.delivery_rig import Post, World, free_port, smtp_server

DELIVERIES = """query($filter: DeliveryFilter) { deliveries(first: 100, filter: $filter) {
  totalCount
  edges { node { id uuid channel kind title error user { uuid } attempts { number outcome error } } } } }"""
AGAIN = """mutation($id: ID!, $key: String) {
  sendAgain(id: $id, idempotencyKey: $key) { delivery { status } userErrors { code field message } } }"""


def by_smtp(url: str) -> SmtpChannel:
    """Return the channel for a server."""
    return SmtpChannel(SmtpServer.of_url(url), timeout=5)


async def test_a_notification_is_sent_once(world: World) -> None:
    """Each message arrives once with its own id, also with several processes; the attempts are recorded."""
    post = Post()
    with smtp_server(post, free_port()) as url:
        await world.due(25)
        processes = [world.process(by_smtp(url)) for _ in range(3)]
        sent = await asyncio.gather(*[process.deliver() for process in processes])
        assert sum(sent) == 25
        assert [await process.deliver() for process in processes] == [0, 0, 0]
    assert len(set(post.ids)) == len(post.ids) == 25
    assert post.recipients == ["ada@mail.example"] * 25
    assert b"Welcome to MussikOn, ada" in post.received[0]
    assert await world.states() == [("sent", 1, 0)] * 25
    assert await world.outcomes() == ["sent"] * 25


async def test_a_dead_server_delays(world: World) -> None:
    """While nothing listens, attempts count as no failure; afterwards each message arrives once."""
    port = free_port()
    process, post = world.process(by_smtp(f"smtp://127.0.0.1:{port}?from=robot@mussikon.example")), Post()
    await world.due(3)
    for _ in range(15):
        assert await process.deliver() == 3
        assert await process.deliver() == 0
        await world.again()
    assert await world.states() == [("pending", 15, 0)] * 3
    with smtp_server(post, port):
        assert await process.deliver() == 3
        await world.again()
        assert await process.deliver() == 0
    assert len(set(post.ids)) == len(post.ids) == 3
    assert (await world.outcomes()).count("unreachable") == 45


async def test_a_busy_server_is_tried_again(world: World) -> None:
    """An answer 4xx is repeated under the same id; ten of them end the delivery as failed."""
    post = Post(answers=["451 later", "452 full"])
    with smtp_server(post, free_port()) as url:
        process = world.process(by_smtp(url))
        await world.due()
        for _ in range(3):
            await process.deliver()
            await world.again()
        assert await world.states() == [("sent", 3, 2)]
        post.answers = ["451 never"] * 20
        await world.due()
        for _ in range(12):
            await process.deliver()
            await world.again()
    assert await world.states() == [("sent", 3, 2), ("failed", 10, 10)]
    assert len(post.ids) == 1


async def test_what_a_server_refuses_is_not_repeated(world: World) -> None:
    """An answer 5xx to the recipient or to the text ends the delivery."""
    post = Post(answers=["554 spam"])
    with smtp_server(post, free_port()) as url:
        await world.due()
        await world.process(by_smtp(url)).deliver()
        world.book.known[world.person.id] = Contact(world.person.id, "ada", "unknown@mail.example", None)
        await world.due()
        await world.process(by_smtp(url)).deliver()
        world.book.known[world.person.id] = Contact(world.person.id, "ada", "a,b@mail.example", None)
        await world.due()
        await world.process(by_smtp(url)).deliver()
    assert await world.states() == [("failed", 1, 1)] * 3
    assert post.ids == []
    errors = text("SELECT error FROM deliveries WHERE user_id = :id ORDER BY created_at")
    found = await world.database.fetch_all(errors.bindparams(id=world.person.id))
    assert "554" in found[0].error
    assert "550" in found[1].error


async def test_a_killed_process_loses_nothing(world: World) -> None:
    """A delivery whose process died after the claim is sent by another one after the lease; if it was sent
    already, the copy has the same Message-ID.
    """
    post = Post()
    with smtp_server(post, free_port()) as url:
        process = world.process(by_smtp(url))
        await world.due(2)
        forget = """UPDATE deliveries SET status = 'pending', ended_at = NULL,
            next_attempt_at = now() + interval '2 minutes' WHERE user_id = :id"""
        await process.deliver()
        await world.database.execute(text(forget).bindparams(id=world.person.id))
        assert await process.deliver() == 0
        await world.again()
        assert await process.deliver() == 2
    assert len(post.ids) == 4
    assert len(set(post.ids)) == 2
    assert await world.states() == [("sent", 2, 0)] * 2


async def test_a_stop_waits_for_what_is_being_sent(world: World) -> None:
    """A process that is stopped while the server is answering stores the outcome; nothing is sent twice."""
    post = Post(pause=0.3)
    with smtp_server(post, free_port()) as url:
        await world.due(3)
        process = world.process(by_smtp(url))
        await process.start()
        assert await asyncio.to_thread(post.has_begun.wait, 10)
        await process.stop()
        assert await world.states() == [("sent", 1, 0)] * 3
        await world.again()
        assert await world.process(by_smtp(url)).deliver() == 0
    assert len(post.ids) == 3


async def test_without_the_users_service_it_waits(world: World) -> None:
    """Addresses that cannot be read delay; unknown users are skipped; an old delivery fails."""
    post = Post()
    with smtp_server(post, free_port()) as url:
        process = world.process(by_smtp(url))
        await world.due()
        world.book.is_down = True
        await process.deliver()
        assert await world.states() == [("pending", 1, 0)]
        world.book.is_down = False
        world.book.known.clear()
        await world.again()
        await process.deliver()
        assert await world.states() == [("skipped", 2, 0)]
        await world.due()
        await world.database.execute(
            text("UPDATE deliveries SET expires_at = now() WHERE status = 'pending'")
        )
        assert await process.deliver() == 0
    assert [state for state, _, _ in await world.states()] == ["skipped", "failed"]


async def test_account_mail(world: World) -> None:
    """The event makes one delivery without the secret; the mail has it; an outdated mail is skipped."""
    post, mail_id, token = Post(), uuid4(), "the-secret-token"
    world.book.mails[mail_id] = AccountMail("ada", "ada@mail.example", token)
    facts = {"user_id": world.person.id, "kind": "reset_password", "expires_at": "2100-01-01T00:00:00+00:00"}
    with smtp_server(post, free_port()) as url:
        for _ in range(2):
            await world.tell("AccountMailRequested", mail_id=mail_id, **facts)
        await world.tell("AccountMailRequested", mail_id=uuid4(), **facts)
        await world.tell("AccountMailRequested", mail_id=uuid4(), **{**facts, "user_id": None})
        await world.process(by_smtp(url)).deliver()
    assert len(post.received) == 1
    assert b"Code: the-secret-token" in post.received[0]
    assert sorted(state for state, _, _ in await world.states()) == ["sent", "skipped"]
    stored = await world.database.fetch_value(text("SELECT string_agg(d::text, ' ') FROM deliveries AS d"))
    assert token not in stored


async def test_tls_and_passwords(world: World, tmp_path: Path) -> None:
    """With STARTTLS and a password the message arrives; a wrong password or an unknown authority delays."""
    authority = Authority(tmp_path)
    issued = authority.issue("server")
    post, port = Post(), free_port()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given == LoginPassword(b"robot", b"pa:ss"))

    options = {"tls_context": issued.server(), "require_starttls": True}
    with smtp_server(post, port, authenticator=check, auth_required=True, **options):
        base = f"127.0.0.1:{port}?from=robot@mussikon.example&starttls=true"
        for login, ca, expected in (
            ("robot:wrong", f"&ca={authority.ca}", "pending"),
            ("robot:pa%3Ass", "", "pending"),
            ("robot:pa%3Ass", f"&ca={authority.ca}", "sent"),
        ):
            await world.due()
            await world.process(by_smtp(f"smtp://{login}@{base}{ca}")).deliver()
            assert (await world.states())[-1][0] == expected
    assert len(post.ids) == 1


async def test_channels_without_a_server_are_skipped(world: World) -> None:
    """Without a webhook, deliveries by push end as skipped, so that they do not pile up."""
    await world.due(channels="{push}")
    skipper = Skipper(world.database, "push", "no server for push is set")
    await skipper.start()
    for _ in range(100):
        if await world.states() == [("skipped", 0, 0)]:
            break
        await asyncio.sleep(0.02)
    await skipper.stop()
    assert await world.states() == [("skipped", 0, 0)]


async def test_tls_from_the_beginning(world: World, tmp_path: Path) -> None:
    """smtps:// sends to a server with a certificate of the authority, and to no other."""
    authority, other = Authority(tmp_path), tmp_path / "other"
    other.mkdir()
    post, port = Post(), free_port()
    with smtp_server(post, port, ssl_context=authority.issue("server").server()):
        base = f"smtps://127.0.0.1:{port}?from=robot@mussikon.example&ca="
        for ca, expected in ((Authority(other).ca, "pending"), (authority.ca, "sent")):
            await world.due()
            await world.process(by_smtp(f"{base}{ca}")).deliver()
            assert (await world.states())[-1][0] == expected
    assert len(post.ids) == 1


@pytest.mark.parametrize(
    ("answers", "failures"),
    [
        ([], 0),  # it accepts the connection and says nothing
        ([b"220 hello\r\n"], 0),  # it falls silent after its greeting
        ([b"220 hello\r\n", b"250 hello\r\n", b"250 sender\r\n", b"250 recipient\r\n"], 1),  # at DATA
        ([b"\xff\x00 no SMTP\r\n"], 0),
        ([b"220 " + b"x" * 100_000], 0),
    ],
)
async def test_a_broken_server_delays(world: World, answers: list[bytes], failures: int) -> None:
    """A server that falls silent, hangs up or speaks another protocol delays; only once the message was
    under way it counts as a failure.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                await reader.readline()
            writer.write(answer)
            await writer.drain()
        await reader.read(100) if failures else await asyncio.sleep(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = SmtpChannel(SmtpServer("127.0.0.1", port, "robot@mussikon.example", "none"), timeout=0.3)
    await world.due()
    await world.process(channel).deliver()
    assert await world.states() == [("pending", 1, failures)]
    server.close()


async def test_admins_see_and_repeat_what_failed(world: World, keys: SigningKeys) -> None:
    """The list has attempts and errors; what has failed can be sent again, what was sent cannot; for admins
    only.
    """
    admin, client, post = ApiUser.make(keys, "admin"), world.client, Post(answers=["554 spam"])
    with smtp_server(post, free_port()) as url:
        await world.due(2)
        await world.process(by_smtp(url)).deliver()
        own = {"uuid": str(world.person.id)}
        (failed,) = [one for one in await listed(client, admin, "FAILED") if one["user"] == own]
        assert [one["outcome"] for one in failed["attempts"]] == ["REFUSED"]
        assert "554" in failed["attempts"][0]["error"]
        for _ in range(2):
            again = (await client.data(AGAIN, admin, id=failed["id"], key="again"))["sendAgain"]
            assert again["delivery"] == {"status": "PENDING"}
        assert await client.codes(AGAIN, admin, id=failed["uuid"]) == ["CONFLICT"]
        await world.process(by_smtp(url)).deliver()
    assert failed["uuid"] not in {one["uuid"] for one in await listed(client, admin, "FAILED")}
    sent = [one for one in await listed(client, admin, "SENT") if one["uuid"] == failed["uuid"]]
    assert [one["outcome"] for one in sent[0]["attempts"]] == ["SENT", "REFUSED"]
    assert len(set(post.ids)) == 2
    for query, variables in ((DELIVERIES, {}), (AGAIN, {"id": failed["uuid"]})):
        assert await client.codes(query, None, **variables) == ["UNAUTHENTICATED"]
        assert await client.codes(query, world.person, **variables) == ["FORBIDDEN"]
    assert await client.codes(AGAIN, admin, id=str(uuid4())) == ["NOT_FOUND"]
    wrong = encode("Notification", failed["uuid"])
    assert await client.mistakes(AGAIN, admin, id=wrong) == [("BAD_USER_INPUT", "id")]


async def test_admins_filter_deliveries(world: World, keys: SigningKeys) -> None:
    """States, channels, kinds and the recipient restrict the list, and combine."""
    admin, client = ApiUser.make(keys, "admin"), world.client
    await world.due(2, channels="{email,sms}")
    facts = {"user_id": world.person.id, "kind": "reset_password", "expires_at": "2100-01-01T00:00:00+00:00"}
    await world.tell("AccountMailRequested", mail_id=uuid4(), **facts)

    async def count(**conditions: Any) -> int:
        wanted = {"userId": encode("User", world.person.id), **conditions}
        found: int = (await client.data(DELIVERIES, admin, filter=wanted))["deliveries"]["totalCount"]
        return found

    assert await count() == await count(statuses=["PENDING", "SENT"], channels=[]) == 5
    assert await count(channels=["SMS"]) == await count(channels=["SMS"], kinds=["NOTIFICATION"]) == 2
    assert await count(kinds=["RESET_PASSWORD"]) == 1
    assert await count(userId=encode("User", uuid4())) == 0
    wrong = await client.send(DELIVERIES, admin, filter={"userId": encode("Musician", uuid4())})
    assert wrong["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "userId"}
    backwards = "{ deliveries(last: 1) { pageInfo { hasNextPage } edges { node { id } } } }"
    assert len((await client.data(backwards, admin))["deliveries"]["edges"]) == 1


async def test_old_deliveries_are_deleted(world: World) -> None:
    """Deliveries that ended more than 90 days ago, and their attempts, are deleted as new ones are added."""
    post = Post()
    with smtp_server(post, free_port()) as url:
        await world.due()
        await world.process(by_smtp(url)).deliver()
    old = "UPDATE deliveries SET ended_at = now() - interval '91 days' WHERE user_id = :id"
    await world.database.execute(text(old).bindparams(id=world.person.id))
    await world.due()
    assert await world.states() == [("pending", 0, 0)]
    assert await world.outcomes() == []


async def listed(client: Client, admin: ApiUser, status: str) -> list[Any]:
    """Return the deliveries with a status, as an admin sees them."""
    found = (await client.data(DELIVERIES, admin, filter={"statuses": [status]}))["deliveries"]
    return [edge["node"] for edge in found["edges"]]


async def test_quiet_hours_hold_deliveries(world: World) -> None:
    """A notification whose delivery time has not come has no delivery."""
    await world.tell("UserRegistered", user_id=world.person.id, username="ada", user_type="client")
    later = "UPDATE notifications SET deliver_after = now() + interval '1 hour' WHERE user_id = :id"
    await world.database.execute(text(later).bindparams(id=world.person.id))
    await world.bus.handle(SendDue())
    assert await world.states() == []
