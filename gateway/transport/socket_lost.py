"""Why a WebSocket to a subgraph has ended, in words and as the code of an error."""

from collections.abc import Mapping
from typing import NamedTuple

BROKEN = 1006  # the code of a connection that ended without a close frame; it is never sent
INIT_TOO_LATE = 4408
CLOSES: Mapping[int, str] = {
    1000: "without an error",
    1001: "because it is going away",
    1002: "because of a violation of the protocol",
    1003: "because it does not accept a kind of data",
    1005: "without a code",
    1008: "because of its policy",
    1009: "because a message was too big for it",
    1011: "because of an internal error",
    1012: "because it restarts",
    1013: "because it is overloaded",
    4400: "because it does not accept a message",
    4401: "because the connection is not authorized",
    4403: "because access is forbidden",
    4406: "because it does not speak the sub-protocol",
    INIT_TOO_LATE: "because connection_init came too late",
    4409: "because an id was used twice",
    4429: "because connection_init came twice",
    4500: "because of an internal error",
}


class SocketLost(NamedTuple):
    """Why a WebSocket has ended.

    `message`: a predicate. `code`: of errors. `close_code`: that of the peer, or the one that was sent to it;
    None if there was no WebSocket yet. `status`: of a reply that refused the WebSocket, else None.
    """

    message: str
    code: str
    close_code: int | None = None
    close_reason: str = ""
    status: int | None = None
    cause: BaseException | None = None

    @property
    def extensions(self) -> dict[str, object]:
        """Return the extensions of the errors for those who use the socket."""
        if self.close_code is not None:
            return {"closeCode": self.close_code, "closeReason": self.close_reason}
        return {} if self.status is None else {"status": self.status}


def closed_by_peer(code: int, reason: str) -> SocketLost:
    """Return why the peer has closed a socket.

    Codes from 4400 to 4499 say that the client is wrong, except the one for a late connection_init.
    """
    why = CLOSES.get(code, "")
    shown = f"{code} {reason!r}" if reason else f"{code}"
    message = (
        f"closed the WebSocket {why} ({shown})" if why else f"closed the WebSocket with the code {shown}"
    )
    if code == INIT_TOO_LATE:
        return SocketLost(message, "SUBGRAPH_TIMEOUT", code, reason)
    kind = "SUBGRAPH_ERROR" if 4400 <= code < 4500 else "SUBGRAPH_UNREACHABLE"
    return SocketLost(message, kind, code, reason)
