"""Sends calls with files as forms (GraphQL multipart request specification), while the files still arrive.

Such calls have connections of their own: clients that send slowly do not occupy those of other calls.
A call with a file is never sent twice. A signed call waits until its files are there, since the digest of
the whole body is in its head.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import quote

from gateway.core.jsontext import encode_json, read_json
from gateway.security.signatures import RequestSigner, digest_line
from gateway.transport.base import Call, Done, Handle, Reply, Transport
from gateway.transport.connection import Connection
from gateway.transport.exchange import ExchangeTransport, SubgraphExchange
from gateway.transport.http import HttpTransport
from gateway.transport.pool import Origin
from gateway.uploads.files import UploadedFile, UploadFailed

JSON_TYPE = b"content-type: application/json\r\n"


class CallForm:
    """The form of one call: `operations`, `map` and the files. `boundary`: between the parts."""

    def __init__(self, call: Call) -> None:
        self.boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={self.boundary}".encode()
        operations = read_json(call.body)
        uploads = call.context.uploads if call.context is not None else None
        found = uploads.take_from(operations["variables"]) if uploads is not None else []
        places: dict[UploadedFile, list[str]] = {}
        for file, path in found:
            places.setdefault(file, []).append(path)
        self.files: Mapping[str, UploadedFile] = {str(number): file for number, file in enumerate(places)}
        mapping = {str(number): paths for number, paths in enumerate(places.values())}
        self.fields = {"operations": encode_json(operations), "map": encode_json(mapping)}

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of the form as its files arrive. Raises UploadFailed."""
        fields = b"".join(
            self._head(f'name="{name}"', "application/json") + value for name, value in self.fields.items()
        )
        yield fields.removeprefix(b"\r\n")
        for name, file in self.files.items():
            await file.begun()
            shown = quote(file.filename, safe=" !#$&'()+,;=@[]^_`{}~.-") or "file"
            yield self._head(f'name="{name}"; filename="{shown}"', file.content_type)
            position = 0
            while piece := await file.read_at(position):
                position += len(piece)
                yield piece
        yield f"\r\n--{self.boundary}--\r\n".encode()

    def _head(self, disposition: str, content_type: str) -> bytes:
        head = f"\r\n--{self.boundary}\r\ncontent-disposition: form-data; {disposition}\r\n"
        return f"{head}content-type: {content_type}\r\n\r\n".encode()


class UploadExchange(SubgraphExchange):
    """One call with files, and its reply. `form`: its body. `checksum`: that of the form if it is signed."""

    __slots__ = ("checksum", "form", "sending")

    def __init__(
        self,
        transport: ExchangeTransport,
        call: Call,
        origin: Origin,
        head: bytes,
        done: Done,
        signer: RequestSigner | None = None,
    ) -> None:
        once = call.replaced()
        once.repeatable = False
        super().__init__(transport, once, origin, head, done, signer)
        self.form = CallForm(call)
        self.checksum = b""
        self.sending: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Occupy a place among the connections to the origin; a signed form is read first."""
        if self.signer is None:
            super().begin()
        else:
            self.holds_place = True
            self.origin.busy += 1
            self.sending = asyncio.ensure_future(self.sign())

    async def sign(self) -> None:
        """Read the files, whose digest the signature needs, then connect."""
        found = hashlib.sha256()
        try:
            async with aclosing(self.form.pieces()) as pieces:
                async for piece in pieces:
                    found.update(piece)
                    self.postpone()
        except UploadFailed as failure:
            self.fail(f"did not get the files: {failure}", failure.code, failure)
            return
        self.checksum = found.digest()
        self.send_or_connect()

    def send(self, connection: Connection) -> None:
        """Send the head, and then the form as its files arrive."""
        self.connection = connection
        call = self.call
        lines = call.headers.lines
        if self.signer is not None:
            kind, checksum = self.form.content_type, digest_line(self.checksum)
            lines += self.signer.lines_for(call.headers.raw, checksum, kind)
        own = b"content-type: %b\r\n" % self.form.content_type
        head = self.head.replace(JSON_TYPE, own, 1)
        connection.request(self, b"%b%btransfer-encoding: chunked\r\n\r\n" % (head, lines), b"")
        if self.done is not None:
            self.sending = asyncio.ensure_future(self.send_form(connection))

    async def send_form(self, connection: Connection) -> None:
        """Send the form as chunks (RFC 9112, 7.1), as fast as its files arrive and the subgraph reads."""
        try:
            async with aclosing(self.form.pieces()) as pieces:
                async for piece in pieces:
                    connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.postpone()
                    await connection.drain()
        except UploadFailed as failure:
            self.fail(f"did not get the files: {failure}", failure.code, failure)
            return
        connection.write(b"0\r\n\r\n")
        self.postpone()

    def postpone(self) -> None:
        """Wait for the reply from now on: the call's timeout does not count while files arrive."""
        context = self.call.context
        due = self.transport.clock.time() + self.call.timeout
        limit = context.deadline if context is not None else None
        self.deadline = due if limit is None else min(due, limit)

    def began(self) -> None:
        """The reply has begun."""
        self.postpone()

    def replied(self, connection: Connection, reply: Reply) -> None:
        """End with the reply. A connection on which the form was not sent whole is not used again."""
        if self.sending is not None and not self.sending.done():
            connection.usable = False
        super().replied(connection, reply)

    def release(self) -> None:
        """Stop sending, and release the rest."""
        if self.sending is not None:
            self.sending.cancel()
        super().release()


class FormTransport(HttpTransport):
    """Sends calls with files, over connections of its own."""

    exchange = UploadExchange


class UploadTransport:
    """Sends calls with files by `forms`, and the others by `rest`."""

    def __init__(self, rest: Transport, forms: Transport) -> None:
        self.rest = rest
        self.forms = forms

    def __repr__(self) -> str:
        return f"UploadTransport({self.rest!r})"

    def post(self, call: Call, done: Done) -> Handle:
        context = call.context
        if context is None or context.uploads is None or not context.uploads.used_in(call.body):
            return self.rest.post(call, done)
        return self.forms.post(call, done)

    async def close(self) -> None:
        await self.rest.close()
        await self.forms.close()
