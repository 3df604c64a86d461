"""A compiled plan: what is left to do for a request once everything that does not depend on its variables
has been done.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Raw

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
)
from gateway.execute.compile.source import SourceWriter, null_in
from gateway.execute.compile.structs import Structs
from gateway.execute.schedule import Schedule, schedule_of
from gateway.plan.nodes import Fetch, Plan
from gateway.request.operation import Operation
from gateway.supergraph.model import Supergraph
from gateway.transport.template import RequestTemplate, template_of

USED = {
    "encode": encode,
    "Raw": Raw,
    "UNSET": UNSET,
    "NULL": NULL,
    "NeedsExactPath": NeedsExactPath,
    "by_type": by_type,
    "entity": entity,
}


@dataclass(frozen=True, slots=True)
class CompiledFetch:
    """One fetch: its request as a template, and its callables.

    `prepare` is None for a request without representations.

    `slot` is where its data goes in the state; `index` is its position in the program. `passes_values`: its
    reply has values of custom scalars that can't be null, which are not looked into while they are decoded.
    """

    fetch: Fetch
    template: RequestTemplate
    slot: str
    index: int
    decode: Callable[[bytes], Any]
    prepare: Callable[[RunState], Sequence[list[bytes]]] | None
    accept: Callable[[RunState, Any, Sequence[int]], None] | None
    passes_values: bool


@dataclass(frozen=True, slots=True)
class Program:
    """A plan as steps, and how the answer is written.

    `through`: the one reply is the answer, if it is what it should be.

    `extensions`: the keys of subgraphs' extensions that go on to the client.
    """

    steps: tuple[CompiledFetch, ...]
    schedule: Schedule
    through: bool
    check: Callable[[RunState], None]
    finish: Callable[[RunState], None]
    answer: Callable[..., Any]
    parts: tuple[tuple[str, str], ...]
    extensions: frozenset[str]

    def written(self, state: RunState) -> bytes:
        """The body of the answer. Raises Unusual where it would have a null that must not be there."""
        if state.has_null:
            self.check(state)
        self.finish(state)
        values = {name: getattr(getattr(state, data), name) for name, data in self.parts}
        return b'{"data":' + encode(self.answer(**values)) + b"}"


def compile_plan(
    supergraph: Supergraph, operation: Operation, plan: Plan, extensions: frozenset[str] = frozenset()
) -> Program | None:
    """Compile a plan; None where it has to run exactly."""
    if not plan.fetches or any(fetch.kind != plan.kind for fetch in plan.fetches if not fetch.after):
        return None
    try:
        layout = lay_out(supergraph, operation, plan)
    except NoLayout:
        return None
    through = _passes_through(layout, plan)
    structs = Structs(supergraph.api, layout, through, bool(extensions))
    writer = SourceWriter(layout, plan, structs)
    source = writer.write()
    names: dict[str, Any] = {**writer.constants, **USED}
    exec(compile(source, "<compiled plan>", "exec"), names)  # noqa: S102 - made of our own names alone
    steps = tuple(_step(fetch, index, structs, names, layout) for index, fetch in enumerate(plan.fetches))
    parts = tuple(
        (slot.attribute, f"data_{slot.origin[0]}")
        for slot in (layout.root.slots[key] for key in layout.root.order)
    )
    return Program(
        steps=steps,
        schedule=schedule_of(plan.fetches),
        through=through,
        check=names["check"],
        finish=names["finish"],
        answer=structs.answer(),
        parts=parts,
        extensions=extensions,
    )


def _passes_through(layout: Layout, plan: Plan) -> bool:
    """Whether the one reply has what the client asked and nothing else, in its order."""
    if len(plan.fetches) != 1:
        return False
    return all(list(node.slots) == node.order for node in layout.nodes) and not any(layout.abstract)


def _passes_values(layout: Layout, structs: Structs, fetch: Fetch) -> bool:
    """Whether a fetch brings values that can't be null and pass as they were written."""
    slots = (slot for node in layout.nodes for slot in node.slots.values() if slot.origin[0] == fetch.id)
    return any(slot.asked and structs.passes(slot) and null_in(slot.type) for slot in slots)


def _decoder(layout: Layout, structs: Structs, fetch: Fetch) -> Callable[[bytes], Any]:
    """What decodes a fetch's reply. Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError.

    A value that passes as it was written is not decoded, so its text is checked: clients and subgraphs could
    not read what is no UTF-8.
    """
    decode = msgspec.json.Decoder(structs.reply(fetch), float_hook=exact_number).decode
    slots = [slot for node in layout.nodes for slot in node.slots.values() if slot.origin[0] == fetch.id]
    if any(structs.passes(slot) or (not slot.nodes and structs.type_of(slot) is Raw) for slot in slots):
        return partial(decoded_text, decode)
    return decode


def _step(
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
        passes_values=_passes_values(layout, structs, fetch),
    )
