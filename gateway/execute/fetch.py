"""Runs one fetch on the exact path: builds its request from the data so far, sends it, merges the reply."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from gateway.core.errors import SubgraphError
from gateway.core.failure import Failure, ResponsePath
from gateway.execute.cached.replies import CachedReply, PartialReply
from gateway.execute.contexts import expand
from gateway.execute.entities import EntityBatch, Tree, collect, fail, objects_at
from gateway.execute.exact_run import ExactRun
from gateway.execute.merge import merge, renamed
from gateway.execute.response_headers import ReplyHead
from gateway.execute.sent_calls import SentCall
from gateway.observe.facts import SubgraphFailed
from gateway.plan.nodes import Fetch, Lookup, ReplyField, Selection
from gateway.transport.base import Outcome, read_payload, send
from gateway.transport.template import members_of, template_of

_UNKNOWN = "subgraph {} returned null for this entity"
_INTERNAL_EXTENSIONS = frozenset({"stacktrace", "exception", "debug", "trace"})
EntityBatches = Mapping[str | None, EntityBatch]


async def run_fetch(fetch: Fetch, run: ExactRun) -> None:
    """Run a fetch. It never raises for a failed call: failures go into the run's data and errors.

    Objects that lack @requires inputs of some fields are looked up by `fetch.fallback` at the same time.
    """
    sent, batches, context_values = _collected(fetch, run)
    missing_inputs = {id(item) for batch in batches.values() for item, _ in batch.missing_inputs or ()}
    main = _run(sent, run, batches, context_values, run.sent_calls.get(fetch.id))
    if fetch.fallback is None or not missing_inputs:
        await main
        return
    others = _collected(fetch.fallback, run, missing_inputs)
    await asyncio.gather(main, _run(others[0], run, *others[1:]))


def _collected(
    fetch: Fetch, run: ExactRun, only: Collection[int] | None = None
) -> tuple[Fetch, EntityBatches, Mapping[str, Any]]:
    """Return the fetch to send, the batch of each entity lookup by its key in the reply, and the values of
    context variables.

    `only`: the `id()`s of the objects to include; None for all.
    """
    fallback = fetch.fallback is not None
    if fetch.request_parts is not None:
        return expand(fetch, fetch.request_parts, run.data, fallback, only)
    lookups = (lookup for lookup in fetch.lookups if lookup.field)
    return fetch, {lookup.field: collect(run.data, lookup, fallback, only) for lookup in lookups}, {}


async def _run(
    fetch: Fetch,
    run: ExactRun,
    batches: EntityBatches,
    context_values: Mapping[str, Any],
    sent_call: SentCall | None = None,
) -> None:
    """Send the fetch, unless it would have no objects to look up, and merge the reply.

    `sent_call`: the call that the compiled path has already sent for this fetch; what its reply does not
    contain is sent again.
    """
    has_roots = any(lookup.field is None for lookup in fetch.lookups)
    if not has_roots and not any(batch.representations for batch in batches.values()):
        return
    if sent_call is not None:
        known, batches = sent_call.match(batches)
        merge_reply(fetch, run, known, await sent_call.get())
        if not batches:
            return
    merge_reply(fetch, run, batches, await _send(fetch, run, batches, context_values))


async def _send(
    fetch: Fetch, run: ExactRun, batches: EntityBatches, context_values: Mapping[str, Any]
) -> Outcome:
    """Send the fetch for these batches, and return the reply or the error.

    A lookup without a batch is sent with an empty list of representations.
    """
    pairs = [(one.variable, one.field) for one in fetch.lookups if one.variable and one.field]
    template = template_of(fetch.text, fetch.operation_name, pairs, len(pairs) == len(fetch.lookups))
    try:
        members = members_of(fetch.variables, run.inputs.variables) + members_of(
            context_values, context_values
        )
        asked = [batches[field].encoded() if field in batches else [] for _, field in pairs]
    except TypeError as error:
        message = f"could not be called, because a variable for it can't be encoded as JSON: {error}"
        return SubgraphError(message, "SUBGRAPH_WRONG_VALUE", subgraph=fetch.subgraph)
    try:
        return await send(run.transport, run.inputs.call(fetch, template, members, asked))
    except SubgraphError as error:
        return error


def merge_reply(fetch: Fetch, run: ExactRun, batches: EntityBatches, outcome: Outcome) -> None:
    """Merge the reply of a fetch, or its failure, into the run.

    `batches`: those that were looked up; the order of their representations is that of the reply's entities.
    """
    if isinstance(outcome, PartialReply):
        batches, missing = _split(batches, outcome.missing)
        merge_reply(fetch, run, missing, outcome.failure)
    try:
        if isinstance(outcome, Exception):
            raise outcome
        run.cached.append(outcome if isinstance(outcome, CachedReply) else None)
        run.replies.append(ReplyHead(fetch.id, fetch.subgraph, outcome.raw_headers))
        payload = read_payload(fetch.subgraph, outcome)
        data, errors = _data_and_errors(payload, fetch.subgraph)
        run.extensions[fetch.id] = payload.get("extensions")
    except SubgraphError as error:
        context = run.inputs.context
        context.observer.emit(SubgraphFailed(fetch.subgraph, error.code, error.message, context.id))
        message = f"subgraph {fetch.subgraph} {error.message}"
        _fail_all(fetch, run, batches, Failure(message, error.code, fetch.subgraph))
        return
    if data is None and not any(isinstance(item, dict) and item.get("path") for item in errors):
        _fail_with_first_error(fetch, run, batches, errors)
        return
    _collect_errors(errors, fetch, run, batches)
    for lookup in fetch.lookups:
        if lookup.field is None:
            _merge_root(lookup, data or {}, fetch, run)
        elif lookup.field in batches:
            _merge_entities(batches[lookup.field], (data or {}).get(lookup.field), fetch)


def _split(
    batches: EntityBatches, missing: Mapping[str, Collection[int]]
) -> tuple[EntityBatches, EntityBatches]:
    """Split batches into the entities that a partial reply has, and those that are missing.

    The entities that are there keep their positions, so a missing one remains as one without objects.
    """
    there: dict[str | None, EntityBatch] = {}
    gone: dict[str | None, EntityBatch] = {}
    for field, batch in batches.items():
        places = missing.get(field or "", ())
        objects = [[] if place in places else one for place, one in enumerate(batch.objects)]
        there[field] = EntityBatch(batch.lookup, batch.representations, objects)
        if places:
            chosen = sorted(places)
            found = EntityBatch(batch.lookup)
            found.representations = [batch.representations[place] for place in chosen]
            found.objects = [batch.objects[place] for place in chosen]
            gone[field] = found
    return there, gone


def _data_and_errors(payload: Any, subgraph: str) -> tuple[Tree | None, list[Any]]:
    """Return the data and errors of a decoded reply.

    Raises SubgraphError if it is not a GraphQL response (GraphQL spec, 7.1).
    """
    if isinstance(payload, dict):
        data, errors = payload.get("data"), payload.get("errors") or []
        fits = (data is None or isinstance(data, dict)) and isinstance(errors, list)
        if fits and (data is not None or errors):
            return data, errors
    raise SubgraphError(
        "returned JSON that is not a GraphQL response (an object with data or errors)",
        "SUBGRAPH_BAD_RESPONSE",
        subgraph=subgraph,
    )


def _fail_with_first_error(
    fetch: Fetch, run: ExactRun, batches: EntityBatches, errors: Sequence[Any]
) -> None:
    """Set the reply's first error as the failure of every field of the fetch.

    It is called when the subgraph executed nothing.
    """
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
            targets = batches[lookup.field].all_objects if lookup.field in batches else ()
        for item, _ in targets:
            fail(item, lookup.selection, failure)


def _merge_root(lookup: Lookup, data: Tree, fetch: Fetch, run: ExactRun) -> None:
    value = renamed(data, lookup.selection) if fetch.renames else data
    for item, _ in objects_at(run.data, lookup.targets[0].path):
        merge(item, value)


def _merge_entities(batch: EntityBatch, entities: Any, fetch: Fetch) -> None:
    if not batch.representations:
        return
    unknown = Failure(_UNKNOWN.format(fetch.subgraph), "SUBGRAPH_BAD_RESPONSE", fetch.subgraph, quiet=True)
    if entities is None:  # the subgraph has reported an error for it
        entities = [None] * len(batch.representations)
    if not isinstance(entities, list) or len(entities) != len(batch.representations):
        count = len(entities) if isinstance(entities, list) else "no list"
        message = (
            f"expected {len(batch.representations)} entities from subgraph {fetch.subgraph}, got {count}"
        )
        failure = Failure(message, "SUBGRAPH_BAD_RESPONSE", fetch.subgraph)
        for item, _ in batch.all_objects:
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


def _collect_errors(errors: Sequence[Any], fetch: Fetch, run: ExactRun, batches: EntityBatches) -> None:
    for raw in errors:
        error = raw if isinstance(raw, dict) else {"message": str(raw)}
        for path in _response_paths(error.get("path"), run, fetch, batches):
            run.errors.append(_response_error(error, path, fetch.subgraph))


def _response_error(error: dict[str, Any], path: ResponsePath | None, subgraph: str) -> dict[str, Any]:
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


def _response_paths(
    path: Any, run: ExactRun, fetch: Fetch, batches: EntityBatches
) -> list[ResponsePath | None]:
    """Return the response paths of a subgraph's error.

    An error of an entity gets one path for each object that the entity was looked up for. [None]: the error
    has no valid path.
    """
    if not isinstance(path, list) or not path or not all(isinstance(step, str | int) for step in path):
        return [None]
    batch = batches.get(path[0]) if isinstance(path[0], str) else None
    if batch is None:
        lookup = next((one for one in fetch.lookups if one.field is None), None)
        if lookup is None:
            return [None]
        kept = _response_path(path, lookup.selection) if fetch.renames else path
        return [(*where, *kept) for _, where in objects_at(run.data, lookup.targets[0].path)]
    if len(path) > 1 and isinstance(path[1], int) and 0 <= path[1] < len(batch.objects):
        kept = _response_path(path[2:], batch.lookup.selection) if fetch.renames else path[2:]
        return [(*where, *kept) for _, where in batch.objects[path[1]]]
    return [where for _, where in batch.all_objects] or [None]


def _response_path(path: Sequence[str | int], selection: Selection) -> list[str | int]:
    """Return a path in a reply as a path in the response. The keys differ where the request uses an alias.

    Example: if the request selects `x__1: x`, the path `["x__1", "y"]` of the reply gives `["x", "y"]`.
    """
    kept: list[str | int] = []
    here: Selection | None = selection
    for step in path:
        out = _reply_field(step, here) if isinstance(step, str) and here is not None else None
        kept.append(out.key if out else step)
        if isinstance(step, str):
            here = out.below if out else None
    return kept


def _reply_field(reply_key: str, selection: Selection) -> ReplyField | None:
    """Return the field that has this key in the reply, also if it is in a fragment."""
    for out in selection.fields:
        if out.reply_key == reply_key:
            return out
    found = (_reply_field(reply_key, inner) for _, inner in selection.fragments)
    return next((out for out in found if out is not None), None)
