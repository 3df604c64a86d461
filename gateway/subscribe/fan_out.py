"""Passes the parts of one stream to many receivers, without holding up the event loop.

Example: 100,000 receivers, one part. 500 of them receive it in each turn of the event loop; in between, other
requests are answered. The second part follows when all have the first.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from gateway.core.clock import Clock
from gateway.core.context import RequestContext
from gateway.core.streams import PartSink, StreamEnd, StreamPart

AT_ONCE = 500  # receivers of a part in one turn of the event loop


class Owner(Protocol):
    """The owner of a stream's receivers."""

    def emptied(self) -> None:
        """The last member has left."""
        ...

    def over(self) -> None:
        """The stream has ended."""
        ...

    def renew(self, member: "Member", context: RequestContext) -> None:
        """A member has another token."""
        ...


class Member:
    """A receiver of the parts. `sink`: None after it was cancelled, or after the end."""

    __slots__ = ("fan_out", "sink")

    def __init__(self, fan_out: "FanOut", sink: PartSink) -> None:
        self.fan_out = fan_out
        self.sink: PartSink | None = sink

    def cancel(self) -> None:
        """Receive nothing more; the last member that leaves ends the stream."""
        if self.sink is not None:
            self.sink = None
            self.fan_out.left(self)

    def renew(self, context: RequestContext) -> None:
        """Go on with the identity of another context, if its token is valid."""
        if self.sink is not None:
            self.fan_out.owner.renew(self, context)


class FanOut:
    """The receivers of one stream; it implements `PartSink`.

    - `members`: the receivers, in the order in which they came.
    - `outgoing`: the parts that not all members have, each with the members that receive it.
    - `owner`: learns when the last member has left, when the stream has ended, and of members' new tokens.
    """

    __slots__ = ("clock", "is_over", "members", "outgoing", "owner", "position")

    def __init__(self, clock: Clock, owner: "Owner") -> None:
        self.clock = clock
        self.owner = owner
        self.members: dict[Member, None] = {}
        self.outgoing: deque[tuple[StreamPart | StreamEnd, Sequence[Member]]] = deque()
        self.position = 0
        self.is_over = False

    def join(self, sink: PartSink) -> Member:
        """Add a receiver of all later parts."""
        member = Member(self, sink)
        self.members[member] = None
        return member

    def left(self, member: Member) -> None:
        """Remove a receiver."""
        self.members.pop(member, None)
        if not self.members and not self.is_over:
            self.is_over = True
            self.owner.emptied()

    def move(self, member: Member, other: "FanOut") -> None:
        """Give a member to another stream; if it was the last one, end this stream without a word to it."""
        member.fan_out = other
        other.members[member] = None
        self.left(member)

    @property
    def is_idle(self) -> bool:
        """Return whether all members have all parts."""
        return not self.outgoing

    def part(self, part: StreamPart) -> None:
        self._add(part)

    def ended(self, end: StreamEnd) -> None:
        if not self.is_over:
            self.is_over = True
            self.owner.over()
            self._add(end)

    def _add(self, part: StreamPart | StreamEnd) -> None:
        self.outgoing.append((part, tuple(self.members)))
        if len(self.outgoing) == 1:
            self._pass_on()

    def _pass_on(self) -> None:
        """Pass the current part to the next members, and go on later if there are more."""
        outgoing = self.outgoing
        while outgoing:
            part, members = outgoing[0]
            upto = self.position + AT_ONCE
            give = _part if isinstance(part, StreamPart) else _end
            give(members[self.position : upto], part)
            if upto < len(members):
                self.position = upto
                self.clock.call_soon(self._pass_on)
                return
            self.position = 0
            outgoing.popleft()


def _part(members: Sequence[Member], part: Any) -> None:
    """Pass a part on to members."""
    for member in members:
        sink = member.sink
        if sink is not None:
            sink.part(part)


def _end(members: Sequence[Member], end: Any) -> None:
    """Pass the end on to members."""
    for member in members:
        sink, member.sink = member.sink, None
        if sink is not None:
            sink.ended(end)
