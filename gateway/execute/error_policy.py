"""Masks errors of subgraphs: their texts go to the log, under the id that the client receives.

Example: `{"message": "no row 7", "path": ["user"], "extensions": {"code": "DB", "service": "users"}}` becomes
`{"message": "a part of ...", "path": ["user"], "extensions": {"code": "DB", "id": "5f0c"}}`.

The subgraph writes all of such an error, so a code must look like a code, and a path like a path.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.context import RequestContext
from gateway.observe.facts import ErrorMasked
from gateway.settings import ErrorSettings, Settings

Error = dict[str, Any]
QUOTING = frozenset({"SUBGRAPH_WRONG_VALUE", "SUBGRAPH_BAD_RESPONSE"})
"""Codes of errors of the gateway itself that may quote a value from a subgraph."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ErrorPolicy:
    """Which errors are masked. `modes`: those of subgraphs that differ from the common one."""

    def __init__(self, settings: ErrorSettings, modes: Mapping[str, str]) -> None:
        self.settings = settings
        self.modes = modes

    def applied(self, errors: Sequence[Error], context: RequestContext) -> list[Error]:
        """Return the errors for the client; report each different text of a masked one."""
        reported: set[tuple[str, str, str]] = set()
        return [
            self._masked(error, context, reported) if self._is_masked(error) else error for error in errors
        ]

    def _is_masked(self, error: Error) -> bool:
        """Return whether an error is masked: one of a subgraph, or one that quotes a subgraph's value."""
        extensions = error["extensions"]
        service = extensions.get("service")
        if service is None and extensions.get("code") not in QUOTING:
            return False
        return self.modes.get(str(service), self.settings.mode) == "masked"

    def _masked(self, error: Error, context: RequestContext, reported: set[tuple[str, str, str]]) -> Error:
        extensions, path = error["extensions"], error.get("path")
        given = extensions.get("code")
        code = given if isinstance(given, str) and _CODE.fullmatch(given) else "SUBGRAPH_ERROR"
        key = (str(extensions.get("service", "")), code, error["message"])
        if key not in reported:
            reported.add(key)
            context.observer.emit(ErrorMasked(context.id, *key, tuple(path or ()), extensions))
        kept = {name: value for name, value in extensions.items() if name in self.settings.extensions}
        shown = code in self.settings.show_codes
        out: Error = {"message": error["message"] if shown else self.settings.message}
        if path is not None and all(isinstance(one, int) or _NAME.fullmatch(one) for one in path):
            out["path"] = path
        return {**out, "extensions": {**kept, "code": code, "id": context.id}}


def error_policy(settings: Settings) -> ErrorPolicy | None:
    """Return the policy of the settings; None if all errors are shown in full."""
    modes = {name: one.errors for name, one in settings.subgraphs.items() if one.errors is not None}
    masks = "masked" in (settings.errors.mode, *modes.values())
    return ErrorPolicy(settings.errors, modes) if masks else None
