"""A request to a subgraph as bytes: the parts before and after its variables are encoded once per plan.

Example: the template of `query($representations:[_Any!]!){_entities(representations:$representations){...on
A{x}}}` has the start `{"query":"query(...)..."`, the variable start `"representations":`, the entity key
`_entities` and the end `}`. With the representations `{"__typename":"A","id":"1"}` and
`{"__typename":"A","id":"2"}` the body is
`{"query":"...","variables":{"representations":[{"__typename":"A","id":"1"},{"__typename":"A","id":"2"}]}}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.envelope import encode_json

Representations = Sequence[Sequence[bytes]]
"""The representations of each entity lookup of a request, as JSON."""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request without the values of its variables.

    - `text`, `operation_name`: the GraphQL request. `start`, `end`: the encoded parts of the body.
    - `variable_starts`: for each entity lookup the name of its variable, as the start of a JSON member.
    - `fields`: for each entity lookup the key of its entities in the reply.
    - `entities_only`: the request has only entity lookups, so it can be batched.
    """

    text: str
    operation_name: str | None
    start: bytes
    end: bytes
    variable_starts: tuple[bytes, ...] = ()
    fields: tuple[str, ...] = ()
    entities_only: bool = False

    def body(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> bytes:
        """The body, from the other variables as JSON members and the representations of each lookup."""
        if self.variable_starts:
            members = self.members(members, representations)
        if not members:
            return self.start + self.end
        return b'%b,"variables":{%b}%b' % (self.start, b",".join(members), self.end)

    def members(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> list[bytes]:
        """All variables as JSON members."""
        found = [*members]
        for start, one in zip(self.variable_starts, representations, strict=True):
            found.append(b"%b[%b]" % (start, b",".join(one)))
        return found


def template_of(
    text: str,
    operation_name: str | None = None,
    lookups: Iterable[tuple[str, str]] = (),
    entities_only: bool = False,
) -> RequestTemplate:
    """The template of a request: its JSON body, with gaps for the variables.

    `lookups`: for each `_entities` field the variable of its representations, and its alias in the reply.
    `entities_only`: the request has no other variables, so its replies can be batched."""
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
    """The given ones of these variables, as JSON members. Raises TypeError for a value that JSON can't
    represent.
    """
    given = [name for name in names if name in variables]
    return [b"%b:%b" % (encode_json(name), encode_json(variables[name])) for name in given]
