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

from gateway.core.jsontext import encode_json

Representations = Sequence[Sequence[bytes]]
"""The representations of each entity lookup of a request, as JSON."""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request without the values of its variables.

    - `text`, `operation_name`: the GraphQL request. `start`, `end`: the encoded parts of the body.
    - `variable_starts`: for each entity lookup the start of its variable as a JSON member (`"name":`).
    - `fields`: for each entity lookup the key of its entities in the reply.
    - `entities_only`: whether the request has only entity lookups, so that it can be batched.
    """

    text: str
    operation_name: str | None
    start: bytes
    end: bytes
    variable_starts: tuple[bytes, ...] = ()
    fields: tuple[str, ...] = ()
    entities_only: bool = False

    def body(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> bytes:
        """Return the body of a request.

        `members`: the other variables as encoded JSON members. `representations`: of each entity lookup.
        """
        if self.variable_starts:
            members = self.members(members, representations)
        if not members:
            return self.start + self.end
        return b'%b,"variables":{%b}%b' % (self.start, b",".join(members), self.end)

    def members(self, members: Sequence[bytes], representations: Iterable[Iterable[bytes]]) -> list[bytes]:
        """Return all variables as encoded JSON members, those with representations included."""
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
    """Return the template of a request.

    `lookups`: for each `_entities` field the variable of its representations, and its key in the reply.
    `entities_only`: whether the request has only these fields, so that it can be batched.
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
    """Return those of the variables `names` that have a value, as encoded JSON members (`"a":1`).

    Raises TypeError for a value that JSON can't represent.
    """
    given = [name for name in names if name in variables]
    return [b"%b:%b" % (encode_json(name), encode_json(variables[name])) for name in given]
