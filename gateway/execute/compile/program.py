"""Compiles a plan: does once everything that does not depend on a request's variables.

Example: `{ product { stock } }`, with fetch 0 `{product{id}}` from a and fetch 1, an `_entities` request with
the representations `Product { id }`, from b. The `Program` has two `CompiledFetch`. Fetch 0 needs no
generated function; for fetch 1 and the whole plan `source` generates

    collect_0(s)                 the products in s.data_0, and the first of those with equal ids
    prepare_1(s)                 ([b'{"__typename":"Product","id":"1"}'],), one list for each lookup
    accept_1(s, data, counts)    assigns stock of each entity in data to the product with its id
    finish(s)                    removes the ids, which the client did not select
    check(s)                     raises NeedsExactPath for a forbidden null in a custom scalar

`compile/run` calls `prepare`, `decode` and `accept` for each fetch, and `encode_answer` at the end, which
returns `{"data":{"product":{"stock":3}}}`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from gateway.core.errors import RequestError
from gateway.core.jsontext import encode_json
from gateway.core.numbers import exact_number
from gateway.execute.compile.layout import Layout, NoLayout, lay_out
from gateway.execute.compile.runtime import (
    NULL,
    NeedsExactPath,
    RunState,
    by_type,
    decoded_text,
    encode,
    entity,
    hashable,
)
from gateway.execute.compile.source import SourceWriter, null_in
from gateway.execute.compile.structs import Structs
from gateway.execute.schedule import Schedule, schedule_of
from gateway.plan.nodes import Fetch, Plan
from gateway.request.operation import Operation
from gateway.supergraph.model import Supergraph
from gateway.transport.template import RequestTemplate, template_of

RUNTIME_NAMES = {
    "encode": encode,
    "Raw": Raw,
    "UNSET": UNSET,
    "NULL": NULL,
    "NeedsExactPath": NeedsExactPath,
    "by_type": by_type,
    "entity": entity,
    "hashable": hashable,
}


@dataclass(frozen=True, slots=True)
class CompiledFetch:
    """One fetch: its request as a template, and its functions.

    - `slot`: the attribute of the RunState for the reply's data. `index`: the fetch's position in the
      program.
    - `decode`: decodes the body of a reply.
    - `prepare`: returns the encoded representations for each lookup; None for a request without entities.
    - `accept`: assigns the entities of a reply to their objects; None if there is nothing to assign.
    - `has_raw_values`: whether the reply has non-null custom scalars, whose values are not decoded and so not
      checked for null.
    """

    fetch: Fetch
    template: RequestTemplate
    slot: str
    index: int
    decode: Callable[[bytes], Any]
    prepare: Callable[[RunState], Sequence[list[bytes]]] | None
    accept: Callable[[RunState, Any, Sequence[int]], None] | None
    has_raw_values: bool


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled plan: its fetches, their schedule, and how the response is encoded.

    - `reply_is_answer`: whether the plan has one fetch whose reply, if it decodes, is the response.
    - `check`, `finish`: generated functions (see the module). `answer`: the struct type of the response's
      data.
    - `parts`: for each root field two attribute names: of its value in `answer`, and of the data of the reply
      with that value in the RunState.
    - `extensions`: the keys of subgraphs' extensions that the client receives. `start`: the first bytes of
      the response's body, before `data`'s value.
    """

    steps: tuple[CompiledFetch, ...]
    schedule: Schedule
    reply_is_answer: bool
    check: Callable[[RunState], None]
    finish: Callable[[RunState], None]
    answer: Callable[..., Any]
    parts: tuple[tuple[str, str], ...]
    extensions: frozenset[str]
    start: bytes = b'{"data":'

    def encode_answer(self, state: RunState) -> bytes:
        """Return the body of the response. Raises NeedsExactPath for a null that the type forbids."""
        if state.has_null:
            self.check(state)
        self.finish(state)
        values = {name: getattr(getattr(state, data), name) for name, data in self.parts}
        return self.start + encode(self.answer(**values)) + b"}"


def compile_plan(
    supergraph: Supergraph,
    operation: Operation,
    plan: Plan,
    extensions: frozenset[str] = frozenset(),
    denied: Sequence[RequestError] = (),
) -> Program | None:
    """Compile a plan; return None if only the exact path can run it.

    `extensions`: the keys of subgraphs' extensions that the client receives. `denied`: the errors of denied
    fields, which every response has.
    """
    if not plan.fetches or any(fetch.kind != plan.kind for fetch in plan.fetches if not fetch.after):
        return None
    try:
        layout = lay_out(supergraph, operation, plan)
    except NoLayout:
        return None
    reply_is_answer = not denied and _reply_is_answer(layout, plan)
    structs = Structs(supergraph.api, layout, reply_is_answer, bool(extensions))
    writer = SourceWriter(layout, plan, structs)
    source = writer.write()
    names: dict[str, Any] = {**writer.constants, **RUNTIME_NAMES}
    exec(compile(source, "<compiled plan>", "exec"), names)  # noqa: S102 - generated names and constants only
    steps = tuple(
        _compiled_fetch(fetch, index, structs, names, layout) for index, fetch in enumerate(plan.fetches)
    )
    parts = tuple(
        (slot.attribute, f"data_{slot.origin[0]}")
        for slot in (layout.root.slots[key] for key in layout.root.order)
        if not slot.denied
    )
    errors = b'"errors":' + encode_json([one.formatted() for one in denied]) + b"," if denied else b""
    return Program(
        steps=steps,
        schedule=schedule_of(plan.fetches),
        reply_is_answer=reply_is_answer,
        check=names["check"],
        finish=names["finish"],
        answer=structs.answer(),
        parts=parts,
        extensions=extensions,
        start=b"{" + errors + b'"data":',
    )


def _reply_is_answer(layout: Layout, plan: Plan) -> bool:
    """Return whether the only reply has exactly the selected fields, in the client's order."""
    if len(plan.fetches) != 1 or any(slot.denied for node in layout.nodes for slot in node.slots.values()):
        return False
    return all(list(node.slots) == node.order for node in layout.nodes) and not any(layout.abstract)


def _has_raw_values(layout: Layout, structs: Structs, fetch: Fetch) -> bool:
    """Return whether a fetch returns undecoded values that must be checked for forbidden nulls."""
    slots = (slot for node in layout.nodes for slot in node.slots.values() if slot.origin[0] == fetch.id)
    return any(slot.selected and structs.is_raw(slot) and null_in(slot.type) for slot in slots)


def _decoder(layout: Layout, structs: Structs, fetch: Fetch) -> Callable[[bytes], Any]:
    """Return the decoder for a fetch's reply; it raises DecodeError, UnicodeDecodeError or RecursionError.

    Values that are not decoded must still be UTF-8, since clients and subgraphs receive them.
    """
    decode = msgspec.json.Decoder(structs.reply(fetch), float_hook=exact_number).decode
    slots = [slot for node in layout.nodes for slot in node.slots.values() if slot.origin[0] == fetch.id]
    if any(structs.is_raw(slot) or (not slot.nodes and structs.type_of(slot) is Raw) for slot in slots):
        return partial(decoded_text, decode)
    return decode


def _compiled_fetch(
    fetch: Fetch, index: int, structs: Structs, names: Mapping[str, Any], layout: Layout
) -> CompiledFetch:
    pairs = [(one.variable, one.field) for one in fetch.lookups if one.variable and one.field]
    return CompiledFetch(
        fetch=fetch,
        template=template_of(fetch.text, fetch.operation_name, pairs, len(pairs) == len(fetch.lookups)),
        slot=f"data_{fetch.id}",
        index=index,
        decode=_decoder(layout, structs, fetch),
        prepare=names.get(f"prepare_{fetch.id}"),
        accept=names.get(f"accept_{fetch.id}"),
        has_raw_values=_has_raw_values(layout, structs, fetch),
    )
