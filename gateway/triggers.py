"""Mutations that start sagas: a root mutation field is the trigger, its arguments are the saga's input.

The field's value is an entity with the saga's state. A trigger is configuration, not code of a subgraph. The
type of its field is an entity with the key `id`, which some subgraph resolves. The gateway writes the start
of the saga to the journal, and reads the client's selection from that subgraph by the saga's id. Idempotency
keys belong to one caller.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import GraphQLError, parse, print_ast
from graphql.language import FieldNode, OperationDefinitionNode, OperationType, VariableNode
from graphql.utilities import value_from_ast_untyped

from gateway.core.errors import SagaError, SubgraphError
from gateway.core.numbers import plain_numbers
from gateway.saga.definition import Definitions
from gateway.saga.journal import Journal, SagaRequest, wait_until_settled
from gateway.transport.base import (
    Call,
    Done,
    Handle,
    RawHeaders,
    Reply,
    Transport,
    read_payload,
    run_in_task,
    send,
)
from gateway.transport.local import json_reply

LONGEST_WAIT = 20.0  # seconds that a mutation waits at most for the end of its saga
Hook = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A root mutation field that starts a saga.

    - `mutation`: the field. `saga`: the type of the saga. `type`: the entity that the field returns.
    - `inputs`: for each input of the saga the name of the field's argument.
    - `key_argument`, `key_header`: the argument and the header with the idempotency key; the argument takes
      precedence.
    - `wait`: the name of a Boolean argument: whether to wait for the end of the saga.
    - `user_header`: the header that identifies the caller.
    """

    mutation: str
    saga: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    key_argument: str | None = None
    key_header: str | None = "idempotency-key"
    wait: str | None = None
    type: str = "Saga"
    user_header: str = "authorization"


@dataclass(frozen=True, slots=True)
class Sagas:
    """What a gateway needs to start sagas: the journal, the definitions, and the triggers.

    `opened` and `closed` are awaited when the application starts and ends: for connections, and for a worker
    if the gateway runs sagas itself.
    """

    journal: Journal
    definitions: Definitions
    triggers: Sequence[Trigger]
    opened: Hook | None = None
    closed: Hook | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """Return the headers that the triggers read, in lower case."""
        names = {
            name for trigger in self.triggers for name in (trigger.key_header, trigger.user_header) if name
        }
        return tuple(sorted(names))


class TriggeringTransport:
    """A transport that starts sagas for the fields that are triggers, and forwards other calls."""

    def __init__(self, transport: Transport, sagas: Sagas) -> None:
        self.transport = transport
        self.sagas = sagas
        self.triggers = {trigger.mutation: trigger for trigger in sagas.triggers}

    def post(self, call: Call, done: Done) -> Handle:
        if call.repeatable or not any(name in call.query for name in self.triggers):
            return self.transport.post(call, done)
        return run_in_task(self.start(call), done)

    async def start(self, call: Call) -> Reply:
        """Execute a mutation field by field, in order: triggers here, other fields in their subgraph."""
        operation = _operation(call)
        fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
        if not any(node.name.value in self.triggers for node in fields):
            return await send(self.transport, call)
        uploads = call.context.uploads if call.context is not None else None
        if uploads is not None and uploads.used_in(call.body):  # a saga may run later than the request
            message = "could not be called: a mutation that starts a saga takes no files"
            raise SubgraphError(message, "BAD_USER_INPUT", subgraph=call.subgraph)
        data: dict[str, Any] = {}
        errors: list[Any] = []
        headers: list[tuple[bytes, bytes]] = []
        for node in fields:
            trigger = self.triggers.get(node.name.value)
            if trigger is not None:
                payload, more = await self.start_and_read(trigger, node, operation, call)
            else:
                payload, more = await self._send_and_read(_single_field_call(call, operation, node))
            headers += more
            data |= payload.get("data") or {(node.alias or node.name).value: None}
            errors += payload.get("errors") or []
        made = json_reply(call.subgraph, {"data": data, "errors": errors} if errors else {"data": data})
        return Reply(made.status, made.body, headers)

    async def _send_and_read(self, call: Call) -> tuple[dict[str, Any], RawHeaders]:
        reply = await send(self.transport, call)
        payload = read_payload(call.subgraph, reply)
        return payload if isinstance(payload, dict) else {}, reply.raw_headers

    async def start_and_read(
        self, trigger: Trigger, node: FieldNode, operation: OperationDefinitionNode, call: Call
    ) -> tuple[dict[str, Any], RawHeaders]:
        """Start the saga of a field, and read the client's selection of it.

        Returns the response and the reply's headers.
        """
        key = (node.alias or node.name).value
        variables = call.variables
        arguments = {
            one.name.value: value_from_ast_untyped(one.value, dict(variables)) for one in node.arguments or ()
        }
        try:
            saga_id = await self.begin(trigger, arguments, dict(call.headers.pairs))
        except SagaError as error:
            extensions = {"code": error.code, "nextStep": error.next_step}
            refusal = {"message": error.message, "path": [key], "extensions": extensions}
            return {"data": {key: None}, "errors": [refusal]}, ()
        if trigger.wait is not None and arguments.get(trigger.wait):
            await wait_until_settled(self.sagas.journal, saga_id, min(call.timeout, LONGEST_WAIT))
        payload, headers = await self._send_and_read(_saga_call(trigger, node, operation, call, saga_id))
        return _as_field(payload, key), headers

    async def begin(self, trigger: Trigger, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> UUID:
        """Start the saga of a field and return its id; with a used key, the id of the saga that it started
        before.

        Raises SagaError.
        """
        named = arguments.get(trigger.key_argument) if trigger.key_argument else None
        key = named or (headers.get(trigger.key_header) if trigger.key_header else None)
        if not isinstance(key, str) or not 0 < len(key) <= 100:
            ways = [f"the argument {trigger.key_argument}"] if trigger.key_argument else []
            ways += [f"the header {trigger.key_header}"] if trigger.key_header else []
            found = f"{len(key)} characters" if isinstance(key, str) else "none"
            message = f"{trigger.mutation}: expected an idempotency key of 1 to 100 characters in "
            raise SagaError(f"{message}{' or '.join(ways)}, got {found}", "INVALID_KEY")
        user = hashlib.sha256(headers.get(trigger.user_header, "").encode()).hexdigest()[:32]
        data = {name: plain_numbers(arguments.get(argument)) for name, argument in trigger.inputs.items()}
        saga = self.sagas.definitions.newest(trigger.saga)
        saga_id, _ = await self.sagas.journal.start(SagaRequest(saga, f"{user}:{key}", data, user, key))
        return saga_id

    async def close(self) -> None:
        await self.transport.close()


def _operation(call: Call) -> OperationDefinitionNode:
    try:
        (found,) = [
            node for node in parse(call.query).definitions if isinstance(node, OperationDefinitionNode)
        ]
    except (GraphQLError, ValueError) as error:
        raise SubgraphError(
            "could not be called: the gateway's request is not one valid GraphQL operation",
            "SUBGRAPH_BAD_RESPONSE",
            subgraph=call.subgraph,
        ) from error
    return found


def _single_field_call(call: Call, operation: OperationDefinitionNode, node: FieldNode) -> Call:
    """Return the call with only one of its fields."""
    declared, variables = _used_variables(operation, print_ast(node), call.variables)
    head = f"{OperationType.MUTATION.value}{declared}"
    return call.with_query(f"{head}{{{print_ast(node)}}}", variables, repeatable=False)


def _saga_call(
    trigger: Trigger, node: FieldNode, operation: OperationDefinitionNode, call: Call, saga_id: UUID
) -> Call:
    """Return the call that reads the client's selection of a saga."""
    selection = print_ast(node.selection_set) if node.selection_set else "{__typename}"
    declared, variables = _used_variables(operation, selection, call.variables)
    heads = [f"$representations: [_Any!]!{', ' if declared else ''}", declared[1:-1]]
    entities = f"_entities(representations: $representations) {{... on {trigger.type} {selection}}}"
    entity = {"__typename": trigger.type, "id": str(saga_id)}
    text = f"query({''.join(heads)}) {{{entities}}}"
    return call.with_query(text, {**variables, "representations": [entity]}, repeatable=True)


def _used_variables(
    operation: OperationDefinitionNode, text: str, variables: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the declarations of the variables in a text, and their values."""
    names = _variables(text)
    declared = [
        print_ast(one) for one in operation.variable_definitions or () if one.variable.name.value in names
    ]
    given = {name: value for name, value in variables.items() if name in names}
    return (f"({', '.join(declared)})" if declared else ""), given


def _variables(text: str) -> set[str]:
    found: set[str] = set()
    whole = text if text.startswith("{") else f"{{{text}}}"

    def collect(node: Any) -> None:
        if isinstance(node, VariableNode):
            found.add(node.name.value)
        for key in getattr(node, "keys", ()):
            value = getattr(node, key, None)
            for one in value if isinstance(value, list | tuple) else (value,):
                if one is not None and not isinstance(one, str):
                    collect(one)

    collect(parse(whole))
    return found


def _as_field(payload: Any, key: str) -> dict[str, Any]:
    """Return the response to an entity lookup as a response to the field; error paths are changed
    accordingly.
    """
    answer = payload if isinstance(payload, dict) else {}
    entities = (answer.get("data") or {}).get("_entities")
    value = entities[0] if isinstance(entities, list) and entities else None
    errors = []
    for error in answer.get("errors") or []:
        path = error.get("path") if isinstance(error, dict) else None
        errors.append({**error, "path": [key, *path[2:]]} if isinstance(path, list) else error)
    return {"data": {key: value}, "errors": errors} if errors else {"data": {key: value}}
