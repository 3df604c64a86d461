"""The private parts of uvicorn that the direct protocol uses, all in one place.

uvicorn does not guarantee them. `check_uvicorn` fails at start-up, with uvicorn's version, when a part is
missing; a test compares these lists with the parts that `direct` uses.
"""

import inspect

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.core.errors import SettingsError

__all__ = ["METHODS", "STATE", "STATUS_LINE", "HttpToolsProtocol", "ServerState", "check_uvicorn"]

METHODS = frozenset(
    {
        "__init__",
        "_start_asgi_task",
        "_unset_keepalive_if_required",
        "connection_lost",
        "connection_made",
        "data_received",
        "on_body",
        "on_headers_complete",
        "on_message_begin",
        "on_message_complete",
        "on_response_complete",
        "pause_writing",
        "resume_writing",
        "shutdown",
    }
)
"""Methods of HttpToolsProtocol that are overridden or called."""

STATE = frozenset(
    {
        "client",
        "connections",
        "cycle",
        "expect_100_continue",
        "flow",
        "headers",
        "limit_concurrency",
        "parser",
        "pipeline",
        "root_path",
        "server_state",
        "tasks",
        "timeout_keep_alive",
        "timeout_keep_alive_task",
        "transport",
        "url",
    }
)
"""Attributes of HttpToolsProtocol that are read or set.

`cycle` needs `response_complete`, `message_event`, `disconnected`, `keep_alive` and `more_body`; members of
`tasks` need `cancel(message)`.
"""

FLOW = frozenset({"drain", "resume_reading"})


def check_uvicorn(protocol: type = HttpToolsProtocol) -> None:
    """Raise SettingsError BAD_OPTION when this version of uvicorn lacks a part that the direct protocol
    needs.
    """
    source = inspect.getsource(protocol)
    missing = [name for name in sorted(METHODS) if not callable(getattr(protocol, name, None))]
    missing += [name for name in sorted(STATE) if f"self.{name}" not in source]
    missing += [name for name in sorted(FLOW) if not callable(getattr(FlowControl, name, None))]
    if missing:
        message = (
            f"uvicorn {uvicorn.__version__} has no {', '.join(missing)}, which the gateway's protocol needs"
        )
        raise SettingsError(f"{message}; install the version that requirements.lock pins", "BAD_OPTION")
