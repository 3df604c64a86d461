"""A fetch's request as bytes: what stands before and after its variables is written once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Template:
    """`joints` are the names of the lookups' variables as JSON members, `fields` the keys of their entities in the reply."""

    start: bytes
    end: bytes
    joints: tuple[bytes, ...] = ()
    fields: tuple[str, ...] = ()

    def body(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> bytes:
        """The request's body, out of the other variables as JSON members and each lookup's representations."""
        found = [*members]
        for joint, one in zip(self.joints, representations, strict=True):
            found.append(b"%b[%b]" % (joint, b",".join(one)))
        if not found:
            return self.start + self.end
        return b'%b,"variables":{%b}%b' % (self.start, b",".join(found), self.end)


def template_of(text: str, operation_name: str | None, lookups: Iterable[tuple[str, str]]) -> Template:
    """The template of a request; `lookups` are pairs of a variable and the key of its entities in the reply."""
    pairs = tuple(lookups)
    end = b',"operationName":%b}' % orjson.dumps(operation_name) if operation_name else b"}"
    return Template(
        b'{"query":' + orjson.dumps(text),
        end,
        tuple(orjson.dumps(variable) + b":" for variable, _ in pairs),
        tuple(key for _, key in pairs),
    )


def members_of(names: Iterable[str], variables: Mapping[str, Any]) -> list[bytes]:
    """Variables as JSON members, those that were given. Raises TypeError for a value that JSON can't hold."""
    return [
        b"%b:%b" % (orjson.dumps(name), orjson.dumps(variables[name], option=orjson.OPT_NON_STR_KEYS))
        for name in names
        if name in variables
    ]
