"""One fetch: make its request from what is there, send it, and put its answer where it belongs."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from gateway.core.errors import SubgraphError
from gateway.core.failure import Failure, ResponsePath
from gateway.execute.contexts import expand
from gateway.execute.entities import EntityBatch, Tree, collect, fail, objects_at
from gateway.execute.exact_run import ExactRun
from gateway.execute.merge import merge, renamed
from gateway.execute.sent_calls import SentCall
from gateway.observe.facts import SubgraphFailed
from gateway.plan.nodes import Fetch, Lookup, ReplyField, Selection
from gateway.transport.base import Outcome, read_payload, send
from gateway.transport.template import members_of, template_of

_UNKNOWN = "subgraph {} does not know this entity"
_INTERNAL_EXTENSIONS = frozenset({"stacktrace", "exception", "debug", "trace"})
EntityBatches = Mapping[str | None, EntityBatch]


async def run_fetch(fetch: Fetch, run: ExactRun) -> None:
    """Run a fetch. What fails becomes failures in the tree and errors at their paths, never an exception.

    The objects that lack inputs of some fields are looked up at the same time, for the other fields.
    """
    context_values: dict[str, Any] = {}
    batches: EntityBatches
    if fetch.request_parts is None:
        batches = _collected(fetch, run)
    else:
        fetch, batches, context_values = expand(fetch, fetch.request_parts, run.data)
    lacking = {id(item) for batch in batches.values() for item, _ in batch.lacking or ()}
    main = _run(fetch, run, batches, context_values, run.sent_calls.get(fetch.id))
    if fetch.fallback is None or not lacking:
        await main
        return
    others = _collected(fetch.fallback, run, lacking)
    await asyncio.gather(main, _run(fetch.fallback, run, others, {}))


def _collected(fetch: Fetch, run: ExactRun, only: Collection[int] | None = None) -> EntityBatches:
    fallback = fetch.fallback is not None
    lookups = (lookup for lookup in fetch.lookups if lookup.field)
    return {lookup.field: collect(run.data, lookup, fallback, only) for lookup in lookups}


async def _run(
    fetch: Fetch,
    run: ExactRun,
    batches: EntityBatches,
    context_values: Mapping[str, Any],
    sent_call: SentCall | None = None,
) -> None:
    """Ask for batches, if there is anything to ask for, and place what comes.

    `sent_call`: the call that the compiled path has sent for the fetch.
    """
    has_roots = any(lookup.field is None for lookup in fetch.lookups)
    if not has_roots and not any(batch.representations for batch in batches.values()):
        return
    if sent_call is not None:
        known, batches = sent_call.match(batches)
        place(fetch, run, known, await sent_call.get())
        if not batches:
            return
    place(fetch, run, batches, await _ask(fetch, run, batches, context_values))


async def _ask(
    fetch: Fetch, run: ExactRun, batches: EntityBatches, context_values: Mapping[str, Any]
) -> Outcome:
    """What the subgraph replies to a fetch for these batches.

    A batch that is not there is asked for with no entities.
    """
    pairs = [(one.variable, one.field) for one in fetch.lookups if one.variable and one.field]
    template = template_of(fetch.text, fetch.operation_name, pairs, len(pairs) == len(fetch.lookups))
    try:
        members = members_of(fetch.variables, run.inputs.variables) + members_of(
            context_values, context_values
        )
        asked = [batches[field].written() if field in batches else [] for _, field in pairs]
    except TypeError as error:
        message = f"can't be asked, as a value for it can't be written as JSON: {error}"
        return SubgraphError(message, "SUBGRAPH_WRONG_VALUE", subgraph=fetch.subgraph)
    try:
        return await send(run.transport, run.inputs.call(fetch, template, members, asked))
    except SubgraphError as error:
        return error


def place(fetch: Fetch, run: ExactRun, batches: EntityBatches, outcome: Outcome) -> None:
    """Put what came of a fetch where it belongs.

    `batches` are those that were asked for, in the reply's order.
    """
    try:
        if isinstance(outcome, Exception):
            raise outcome
        run.replies.append(outcome.raw_headers)
        payload = read_payload(fetch.subgraph, outcome)
        data, errors = _checked(payload, fetch.subgraph)
        run.extensions[fetch.id] = payload.get("extensions")
    except SubgraphError as error:
        context = run.inputs.context
        context.observer.emit(SubgraphFailed(fetch.subgraph, error.code, error.message, context.id))
        message = f"subgraph {fetch.subgraph} {error.message}"
        _fail_all(fetch, run, batches, Failure(message, error.code, fetch.subgraph))
        return
    if data is None and not any(isinstance(item, dict) and item.get("path") for item in errors):
        _refused(fetch, run, batches, errors)
        return
    _take_errors(errors, fetch, run, batches)
    for lookup in fetch.lookups:
        if lookup.field is None:
            _put_root(lookup, data or {}, fetch, run)
        elif lookup.field in batches:
            _put_entities(batches[lookup.field], (data or {}).get(lookup.field), fetch)


def _checked(payload: Any, subgraph: str) -> tuple[Tree | None, list[Any]]:
    """A payload's data and errors, if it is a GraphQL response (GraphQL spec, section 7.1)."""
    if isinstance(payload, dict):
        data, errors = payload.get("data"), payload.get("errors") or []
        fits = (data is None or isinstance(data, dict)) and isinstance(errors, list)
        if fits and (data is not None or errors):
            return data, errors
    raise SubgraphError(
        "gave an answer that is no GraphQL response", "SUBGRAPH_BAD_RESPONSE", subgraph=subgraph
    )


def _refused(fetch: Fetch, run: ExactRun, batches: EntityBatches, errors: Sequence[Any]) -> None:
    """The subgraph ran nothing: its first error stands for every field that it would have brought."""
    first = errors[0] if isinstance(errors[0], dict) else {}
    extensions = first.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    message = first.get("message")
    text = message if isinstance(message, str) else f"subgraph {fetch.subgraph} reported an error"
    _fail_all(
        fetch,
        run,
        batches,
        Failure(text, code if isinstance(code, str) else "SUBGRAPH_ERROR", fetch.subgraph),
    )


def _fail_all(fetch: Fetch, run: ExactRun, batches: EntityBatches, failure: Failure) -> None:
    for lookup in fetch.lookups:
        if lookup.field is None:
            targets: Iterable[tuple[Tree, ResponsePath]] = objects_at(run.data, lookup.targets[0].path)
        else:
            targets = batches[lookup.field].everyone if lookup.field in batches else ()
        for item, _ in targets:
            fail(item, lookup.selection, failure)


def _put_root(lookup: Lookup, data: Tree, fetch: Fetch, run: ExactRun) -> None:
    value = renamed(data, lookup.selection) if fetch.renames else data
    for item, _ in objects_at(run.data, lookup.targets[0].path):
        merge(item, value)


def _put_entities(batch: EntityBatch, entities: Any, fetch: Fetch) -> None:
    if not batch.representations:
        return
    unknown = Failure(_UNKNOWN.format(fetch.subgraph), "SUBGRAPH_BAD_RESPONSE", fetch.subgraph, quiet=True)
    if entities is None:  # by an error of its own, which is reported
        entities = [None] * len(batch.representations)
    if not isinstance(entities, list) or len(entities) != len(batch.representations):
        message = f"subgraph {fetch.subgraph} gave another number of entities than it was asked for"
        failure = Failure(message, "SUBGRAPH_BAD_RESPONSE", fetch.subgraph)
        for item, _ in batch.everyone:
            fail(item, batch.lookup.selection, failure)
        return
    for entity, objects in zip(entities, batch.objects, strict=True):
        value = entity if isinstance(entity, dict) else None
        if value is not None and fetch.renames:
            value = renamed(value, batch.lookup.selection)
        for item, _ in objects:
            if value is None:
                fail(item, batch.lookup.selection, unknown)
            else:
                merge(item, value if fetch.shared else deepcopy(value))


def _take_errors(errors: Sequence[Any], fetch: Fetch, run: ExactRun, batches: EntityBatches) -> None:
    for raw in errors:
        error = raw if isinstance(raw, dict) else {"message": str(raw)}
        for path in _paths(error.get("path"), run, fetch, batches):
            run.errors.append(_translated(error, path, fetch.subgraph))


def _translated(error: dict[str, Any], path: ResponsePath | None, subgraph: str) -> dict[str, Any]:
    message = error.get("message")
    given = error.get("extensions")
    extensions = (
        {k: v for k, v in given.items() if k not in _INTERNAL_EXTENSIONS} if isinstance(given, dict) else {}
    )
    extensions.setdefault("code", "SUBGRAPH_ERROR")
    extensions["service"] = subgraph
    out: dict[str, Any] = {
        "message": message if isinstance(message, str) else f"subgraph {subgraph} reported an error"
    }
    if path is not None:
        out["path"] = list(path)
    out["extensions"] = extensions
    return out


def _paths(path: Any, run: ExactRun, fetch: Fetch, batches: EntityBatches) -> list[ResponsePath | None]:
    """Where in the answer a subgraph's error belongs.

    Once for each object behind the representation it names.
    """
    if not isinstance(path, list) or not path or not all(isinstance(step, str | int) for step in path):
        return [None]
    batch = batches.get(path[0]) if isinstance(path[0], str) else None
    if batch is None:
        lookup = next((one for one in fetch.lookups if one.field is None), None)
        if lookup is None:
            return [None]
        kept = _kept(path, lookup.selection) if fetch.renames else path
        return [(*where, *kept) for _, where in objects_at(run.data, lookup.targets[0].path)]
    if len(path) > 1 and isinstance(path[1], int) and 0 <= path[1] < len(batch.objects):
        kept = _kept(path[2:], batch.lookup.selection) if fetch.renames else path[2:]
        return [(*where, *kept) for _, where in batch.objects[path[1]]]
    return [where for _, where in batch.everyone] or [None]


def _kept(path: Sequence[str | int], selection: Selection) -> list[str | int]:
    """A path of the reply by the keys under which the plan keeps the values."""
    kept: list[str | int] = []
    here: Selection | None = selection
    for step in path:
        out = _out(step, here) if isinstance(step, str) and here is not None else None
        kept.append(out.key if out else step)
        if isinstance(step, str):
            here = out.below if out else None
    return kept


def _out(reply_key: str, selection: Selection) -> ReplyField | None:
    for out in selection.fields:
        if out.reply_key == reply_key:
            return out
    found = (_out(reply_key, inner) for _, inner in selection.fragments)
    return next((out for out in found if out is not None), None)
