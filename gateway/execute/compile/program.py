"""A compiled plan: what is left to do for a request once everything that does not depend on its variables has been done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Raw

from gateway.execute.compile.layout import Layout, NoLayout, lay_out
from gateway.execute.compile.source import Writer
from gateway.execute.compile.structs import Structs
from gateway.plan.nodes import Fetch, Plan
from gateway.request.operation import Operation
from gateway.supergraph.model import Supergraph

encode = msgspec.json.Encoder().encode


class Unusual(Exception):
    """Something that the compiled path leaves to the exact one."""


class State:
    """What one run has of its replies; attributes are named by the source: `data_F`, `firsts_N` and so on. None: not there yet."""

    def __getattr__(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """One fetch: its request as a template, and its callables. `prepare` is None for a request without representations."""

    fetch: Fetch
    start: bytes
    end: bytes
    joints: tuple[bytes, ...]
    decode: Callable[[bytes], Any]
    prepare: Callable[[State], Sequence[list[bytes]]] | None
    accept: Callable[[State, Any, Sequence[int]], None] | None
    dependents: tuple[int, ...]

    def body(self, representations: Sequence[list[bytes]], variables: Mapping[str, Any]) -> bytes:
        """The request's body, as the exact path writes it."""
        if not self.fetch.variables and not self.joints:
            return self.start + self.end
        parts = [self.start]
        given = [(name, variables[name]) for name in self.fetch.variables if name in variables]
        members = [b"%b:%b" % (orjson.dumps(name), orjson.dumps(value)) for name, value in given]
        members += [
            b"%b[%b]" % (joint, b",".join(one)) for joint, one in zip(self.joints, representations, strict=True)
        ]
        if members:
            parts += [b',"variables":{', b",".join(members), b"}"]
        parts.append(self.end)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Program:
    """A plan as steps, and how the answer is written. `through`: the one reply is the answer, if it is what it should be."""

    steps: tuple[Step, ...]
    first: tuple[int, ...]
    waits: tuple[int, ...]
    through: bool
    finish: Callable[[State], None]
    answer: Callable[..., Any]
    parts: tuple[tuple[str, str], ...]

    def written(self, state: State) -> bytes:
        """The body of the answer."""
        self.finish(state)
        values = {name: getattr(getattr(state, data), name) for name, data in self.parts}
        return b'{"data":' + encode(self.answer(**values)) + b"}"


def compile_plan(supergraph: Supergraph, operation: Operation, plan: Plan) -> Program | None:
    """Compile a plan; None where it has to run exactly."""
    if not plan.fetches or any(fetch.kind != plan.kind for fetch in plan.fetches if not fetch.after):
        return None
    try:
        layout = lay_out(supergraph, operation, plan)
    except NoLayout:
        return None
    through = _passes_through(layout, plan)
    structs = Structs(supergraph.api, layout, through)
    writer = Writer(layout, plan)
    source = writer.write()
    names: dict[str, Any] = {**writer.constants, "encode": encode, "Raw": Raw, "UNSET": UNSET, "Unusual": Unusual}
    exec(compile(source, "<compiled plan>", "exec"), names)  # noqa: S102 - made of our own names alone
    positions = {fetch.id: index for index, fetch in enumerate(plan.fetches)}
    steps = tuple(_step(fetch, plan, positions, structs, names) for fetch in plan.fetches)
    parts = tuple(
        (slot.attribute, f"data_{slot.origin[0]}") for slot in (layout.root.slots[key] for key in layout.root.order)
    )
    return Program(
        steps=steps,
        first=tuple(index for index, fetch in enumerate(plan.fetches) if not fetch.after),
        waits=tuple(len(fetch.after) for fetch in plan.fetches),
        through=through,
        finish=names["finish"],
        answer=structs.answer(),
        parts=parts,
    )


def _passes_through(layout: Layout, plan: Plan) -> bool:
    """Whether the one reply has what the client asked and nothing else, in its order."""
    if len(plan.fetches) != 1:
        return False
    return all(node.order and list(node.slots) == node.order for node in layout.nodes)


def _step(fetch: Fetch, plan: Plan, positions: Mapping[int, int], structs: Structs, names: Mapping[str, Any]) -> Step:
    start = b'{"query":' + orjson.dumps(fetch.text)
    end = (b',"operationName":' + orjson.dumps(fetch.operation_name) if fetch.operation_name else b"") + b"}"
    joints = tuple(orjson.dumps(one.variable) + b":" for one in fetch.lookups if one.variable)
    return Step(
        fetch=fetch,
        start=start,
        end=end,
        joints=joints,
        decode=msgspec.json.Decoder(structs.reply(fetch)).decode,
        prepare=names.get(f"prepare_{fetch.id}"),
        accept=names.get(f"accept_{fetch.id}"),
        dependents=tuple(positions[other.id] for other in plan.fetches if fetch.id in other.after),
    )
