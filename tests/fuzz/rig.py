"""The test rig of a supply: the monolith, its subgraphs in the process, and the gateway's real pipeline over
them.
"""

import asyncio
import json
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    lexicographic_sort_schema,
    parse,
    print_schema,
)

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.errors import GatewayError
from gateway.engine import Engine, make_engine
from gateway.execution import execute
from gateway.observe.facts import Fact, PlanRunAgain
from gateway.observe.observer import Observer
from gateway.pipeline import PreparedOperation, check, pick, prepare, run, variables_for
from gateway.plan.unions import without_partial_union_members
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.base import Call, Done, Handle
from gateway.transport.local import LocalTransport
from tests.fuzz.case import Question, Supply
from tests.fuzz.compare import Verdict, compare, leaves
from tests.fuzz.directives import Facts, read_facts
from tests.fuzz.reference import Answer, answer_of
from tests.fuzz.subgraph import Subgraph, Taken
from tests.fuzz.world import Requirements, World
from tests.gateway.support import inputs_of


class Recorder:
    """A transport that records each call."""

    def __init__(self, inner: LocalTransport) -> None:
        self.inner = inner
        self.requests: list[Call] = []

    def post(self, call: Call, done: Done) -> Handle:
        """Record and forward the call."""
        self.requests.append(call)
        return self.inner.post(call, done)

    async def close(self) -> None:
        """Close the inner transport."""
        await self.inner.close()


@dataclass(slots=True)
class Outcome:
    """The outcome of one question.

    `response`: the gateway's; empty if it refused the operation or crashed.
    """

    verdict: Verdict
    fetches: int = 0
    leaves: int = 0
    errors: int = 0
    used: Counter[str] = field(default_factory=Counter)
    response: dict[str, Any] = field(default_factory=dict)


class Differing(Exception):
    """The compiled path and the exact path do not agree."""


def paths_of(response: dict[str, Any]) -> set[str]:
    """Return the paths of the errors of a response."""
    return {str(error.get("path")) for error in response.get("errors", ())}


def written(calls: list[Call]) -> list[str]:
    """Return calls in a form in which two runs can be compared.

    The order of calls, and of representations within a call, does not matter.
    """
    return sorted(
        f"{call.subgraph} {call.query} {json.dumps(_unordered(call), sort_keys=True)}" for call in calls
    )


def _unordered(call: Call) -> dict[str, Any]:
    joints = {orjson.loads(joint[:-1]) for joint in call.template.variable_starts}
    return {
        name: sorted(value, key=lambda one: json.dumps(one, sort_keys=True)) if name in joints else value
        for name, value in call.variables.items()
    }


class Rig:
    """Runs questions on the monolith and on the gateway.

    Raises CompositionFailed if the cut does not compose.
    """

    def __init__(self, supply: Supply) -> None:
        facts = {name: read_facts(sdl) for name, sdl in supply.subgraphs.items()}
        schema = build_schema(supply.monolith)
        self.used: Counter[str] = Counter()
        self.world = World(schema, supply.data, requirements_of(facts, supply.monolith))
        self.world.contexts = {
            place: marks.contexts
            for one in facts.values()
            for place, marks in one.fields.items()
            if marks.contexts
        }
        for one in facts.values():
            self.world.setters = {**self.world.setters, **one.setters}
        self.subgraphs = {
            name: Subgraph(name, one, self.world, _taken(facts, name), self._note)
            for name, one in facts.items()
        }
        sources = [SubgraphSource(name, f"http://{name}", sdl) for name, sdl in supply.subgraphs.items()]
        self.transport = Recorder(LocalTransport(self.subgraphs))
        self.supergraph = compose(sources).supergraph
        loaded = load_supergraph(self.supergraph)
        self.engine: Engine = make_engine(loaded, self.transport, Settings(), Observer([self._heard]))
        self.same_schema = _sorted(self.engine.supergraph.api) == _sorted(schema)

    def _heard(self, fact: Fact) -> None:
        """Forget the problems of a hasty plan when the careful plan runs."""
        if isinstance(fact, PlanRunAgain):
            self._note("careful plans")
            for subgraph in self.subgraphs.values():
                subgraph.problems.clear()

    def _note(self, feature: str) -> None:
        self.used[feature] += 1

    def monolith(self, question: Question) -> Answer:
        """Return the monolith's response, which is the expected one."""
        self.world.begin(question.faults, question.labels, question.unknown)
        return answer_of(self.world, parse(question.query), question.variables)

    def outcome(self, question: Question, want: Answer, runner: asyncio.Runner) -> Outcome:
        """Run a question on the gateway and compare its response with `want`, the monolith's."""
        self.begin(question)
        try:
            got = runner.run(self._ask(question))
        except GatewayError as error:
            if error.code == "INTERFACE_FIELD_SPLIT":  # a rule of ours that the monolith does not have
                return Outcome(Verdict(), used=Counter({"interface fields that are split": 1}))
            return Outcome(Verdict(f"refused {error.code}", error.message))
        except Exception as error:
            return Outcome(Verdict(f"crashed {type(error).__name__}", traceback.format_exc()))
        return self._judged(got, want, question)

    def begin(self, question: Question) -> None:
        """Reset the state before each execution by a gateway."""
        self.world.begin(question.faults, question.labels, question.unknown)
        self.used.clear()
        self.transport.requests.clear()
        for subgraph in self.subgraphs.values():
            subgraph.problems.clear()

    def problems(self) -> list[tuple[str, str]]:
        """Return (kind, text) of each wrong request that the subgraphs have reported."""
        return [problem for subgraph in self.subgraphs.values() for problem in subgraph.problems]

    async def _ask(self, question: Question) -> dict[str, Any]:
        checked = check(self.engine, question.query)
        node = pick(checked, None)
        values = variables_for(self.engine, node, question.variables)
        labels = frozenset(checked.labels).intersection(question.labels)
        prepared = prepare(self.engine, checked, node, values, labels)
        self._note_rules(prepared, labels)
        if prepared.program is None:
            return await self._exactly(prepared, values)
        compiled = await self._compiled(prepared, values)
        sent = written(self.transport.requests)
        self.transport.requests.clear()
        self.world.begin(question.faults, question.labels, question.unknown)
        exact = await self._exactly(prepared, values)
        if compiled["data"] != exact["data"] or paths_of(compiled) != paths_of(exact):
            raise Differing(f"compiled: {compiled}\nexact: {exact}")
        if sent != written(self.transport.requests):
            raise Differing(f"requests compiled: {sent}\nexact: {written(self.transport.requests)}")
        return exact

    def _note_rules(self, prepared: PreparedOperation, labels: frozenset[str]) -> None:
        """Count features of a plan that the monolith does not have."""
        operation = prepared.operation
        if without_partial_union_members(self.engine.graphs.of(labels), operation) != operation:
            self._note("unions that differ")
        if prepared.plan.careful is not None:
            self._note("hasty plans")
        if any(fetch.fallback for fetch in prepared.plan.fetches):
            self._note("fallbacks for missing inputs")

    async def _compiled(self, prepared: PreparedOperation, values: dict[str, Any]) -> dict[str, Any]:
        """Return the response of the compiled path, which may have ended on the exact path."""
        response: Any = (await execute(self.engine, prepared, inputs_of(self.engine, values))).response
        found: dict[str, Any] = json.loads(response) if isinstance(response, bytes) else response
        return found

    async def _exactly(self, prepared: PreparedOperation, values: dict[str, Any]) -> dict[str, Any]:
        """Return the response of the exact path, with entity fetches by the loader as in production."""
        loader = self.engine.queries if prepared.plan.kind == "query" else None
        response = (await run(self.engine, prepared, inputs_of(self.engine, values), loader)).response
        if not isinstance(response, dict):
            raise TypeError("the exact path answers with an object")
        return response

    def _judged(self, got: dict[str, Any], want: Answer, question: Question) -> Outcome:
        problems = self.problems()
        verdict = Verdict() if question.unknown else compare(got, want)
        if question.faults or question.unknown:  # an object that will be null may be given any input
            problems = [one for one in problems if one[0] != "wrong input"]
        if problems:
            verdict = Verdict(problems[0][0], "\n".join(text for _, text in problems))
        changes = [request for request in self.transport.requests if not request.repeatable]
        if len({request.subgraph for request in changes}) > 1:
            self._note("mutations in series")
        used = Counter(dict.fromkeys(self.used | want.used, 1))
        errors, fetches = len(got.get("errors", ())), len(self.transport.requests)
        return Outcome(verdict, fetches, leaves(got["data"]), errors, used, got)


def _sorted(schema: GraphQLSchema) -> str:
    plain = build_schema(print_schema(schema))  # without what the gateway has put into custom scalars
    return print_schema(lexicographic_sort_schema(plain))


def requirements_of(facts: dict[str, Facts], monolith: str) -> Requirements:
    """Return the @requires inputs of fields by object type; those of an interface object count for each of
    its types.
    """
    schema = build_schema(monolith)
    found = {}
    for one in facts.values():
        for (kind, name), marks in one.fields.items():
            if marks.requires:
                known = schema.type_map.get(kind)
                kinds = [kind] if isinstance(known, GraphQLObjectType) else []
                if kind in one.interface_objects and known is not None:
                    implementations = schema.get_implementations(known)  # type: ignore[arg-type]
                    kinds = [item.name for item in implementations.objects]
                found.update({(item, name): marks.requires for item in kinds})
    return found


def _taken(facts: dict[str, Facts], name: str) -> Taken:
    """Return the fields of a subgraph that another one overrides, with the label (None: always)."""
    return {
        place: marks.label
        for one in facts.values()
        for place, marks in one.fields.items()
        if marks.override == name
    }
