"""A request to a subgraph as bytes: what stands before and after its variables is written once per plan.

Example: the template of `query($representations:[_Any!]!){_entities(representations:$representations){...on
A{x}}}` has the start `{"query":"query(...)..."`, the joint `"representations":`, the entity key `_entities`
and the end `}`. With the representations `{"__typename":"A","id":"1"}` and `{"__typename":"A","id":"2"}` the
body is
`{"query":"...","variables":{"representations":[{"__typename":"A","id":"1"},{"__typename":"A","id":"2"}]}}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.envelope import encode_json

Representations = Sequence[Sequence[bytes]]
"""For each entity lookup of a request its representations, each as JSON."""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request without its variables.

    `text` and `operation_name` are what it asks. `joints` are the names of the variables with
    representations, as the beginnings of JSON members; `fields` the keys of their entities in the reply.
    `entities_only`: it asks for nothing but entities, so that requests with other representations can be
    joined with it.
    """

    text: str
    operation_name: str | None
    start: bytes
    end: bytes
    joints: tuple[bytes, ...] = ()
    fields: tuple[str, ...] = ()
    entities_only: bool = False

    def body(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> bytes:
        """The request's body, out of the other variables as JSON members and each lookup's
        representations.
        """
        if self.joints:
            members = self.members(members, representations)
        if not members:
            return self.start + self.end
        return b'%b,"variables":{%b}%b' % (self.start, b",".join(members), self.end)

    def members(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> list[bytes]:
        """All variables as JSON members."""
        found = [*members]
        for joint, one in zip(self.joints, representations, strict=True):
            found.append(b"%b[%b]" % (joint, b",".join(one)))
        return found


def template_of(
    text: str,
    operation_name: str | None = None,
    lookups: Iterable[tuple[str, str]] = (),
    entities_only: bool = False,
) -> RequestTemplate:
    """The template of a request; `lookups` are pairs of a variable and the key of its entities in the
    reply.
    """
    pairs = tuple(lookups)
    end = b',"operationName":%b}' % encode_json(operation_name) if operation_name else b"}"
    return RequestTemplate(
        text,
        operation_name,
        b'{"query":' + encode_json(text),
        end,
        tuple(encode_json(variable) + b":" for variable, _ in pairs),
        tuple(key for _, key in pairs),
        entities_only and bool(pairs),
    )


def members_of(names: Iterable[str], variables: Mapping[str, Any]) -> list[bytes]:
    """Variables as JSON members, those that were given. Raises TypeError for a value that JSON can't hold."""
    given = [name for name in names if name in variables]
    return [b"%b:%b" % (encode_json(name), encode_json(variables[name])) for name in given]
