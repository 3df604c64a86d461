"""`gateway check` and `gateway contract`: what changes for clients, by their operations; what some clients
may see.
"""

import json
from pathlib import Path

import pytest
from graphql import print_schema
from typer.testing import CliRunner

from gateway.check.changes import compare
from gateway.check.judge import judge
from gateway.cli import app
from gateway.compose.contract import contract
from gateway.core.errors import SettingsError, SupergraphError
from gateway.settings import Limits
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from tests.gateway.support import supergraph_of

OLD = """
type Query { things(first: Int = 10, kind: Kind): [Thing] find(by: By!): Any old: Int node: Node }
interface Node { id: ID! }
type Thing implements Node @key(fields: "id") { id: ID! name: String size(unit: Unit!): Float }
type Stone { weight: Int }
union Any = Thing | Stone
enum Kind { A B }
enum Unit { CM }
input By { id: ID name: String = "x" }
"""
NEW = """
type Query { things(first: Int = 20, kind: Kind): [Thing!] find(by: By!): Any node: Node new: Int }
interface Node { id: ID! }
type Thing implements Node @key(fields: "id") { id: ID! name: String! size(unit: Unit!, digits: Int): Int }
type Water implements Node @key(fields: "id") { id: ID! }
type Stone { weight: Int }
union Any = Thing | Water
enum Kind { B C }
enum Unit { CM }
input By { id: ID! name: String = "x" }
"""


def supergraphs() -> tuple[Supergraph, Supergraph]:
    """Return the old and the new supergraph."""
    return load_supergraph(supergraph_of({"a": OLD})), load_supergraph(supergraph_of({"a": NEW}))


def test_every_change_has_its_level() -> None:
    """Changes that make operations invalid are breaking, new values are dangerous, all others are safe."""
    old, new = supergraphs()
    found = {(change.level, change.message) for change in compare(old.api, new.api)}
    assert {message for level, message in found if level == "breaking"} == {
        "the field Query.old was removed",
        "the value Kind.A was removed",
        "Thing.size was Float and is Int",
        "Stone is no longer a member of Any",
        "By.id was ID and is ID!",
    }
    assert {message for level, message in found if level == "dangerous"} == {
        "the default of Query.things(first:) was 10 and is 20",
        "the value Kind.C was added: clients may not know it",
        "Water is a new member of Any: clients may not know it",
    }
    safe = {message for level, message in found if level == "safe"}
    assert {"Thing.name was String and is String!", "Query.things was [Thing] and is [Thing!]"} <= safe
    assert {
        "the argument Thing.size(digits:) was added",
        "the field Query.new was added",
        "the type Water was added",
    } <= safe


def test_nothing_changed() -> None:
    """A supergraph does not differ from itself."""
    old, _ = supergraphs()
    assert compare(old.api, old.api) == ()


@pytest.mark.parametrize(
    ("operation", "breaks", "users"),
    [
        ("{ things { name } }", False, {"Query.things"}),
        ("{ old }", True, {"Query.old"}),
        ("{ things(kind: A) { id } }", True, {"Kind.A", "Query.things", "Kind"}),
        ("query Q($kind: Kind) { things(kind: $kind) { id } }", True, {"Kind.A", "Query.things", "Kind"}),
        ("{ things(kind: B) { id } }", False, {"Query.things", "Kind"}),
        ("query Q($by: By!) { find(by: $by) { ... on Thing { id } } }", True, {"By", "By.id", "Any"}),
        ('{ find(by: {name: "x"}) { ... on Stone { weight } } }', True, {"By", "Any", "Any|Stone"}),
    ],
)
def test_operations_decide(operation: str, breaks: bool, users: set[str]) -> None:
    """A change counts only if an operation uses its coordinate; otherwise it is safe."""
    old, new = supergraphs()
    judgement = judge(old, new, {"one": operation}, Limits())
    assert judgement.breaks is breaks
    used = {change.coordinate for change in judgement.changes if change.used_by}
    assert {one for one in used if one in {"Query.old", "Kind.A", "Any|Stone"}} == users & {
        "Query.old",
        "Kind.A",
        "Any|Stone",
    }


def test_operations_that_were_not_valid_are_left_out() -> None:
    """An operation that is not valid in the old supergraph is skipped, and the report names it."""
    old, new = supergraphs()
    judgement = judge(old, new, {"bad": "{ nothing }", "worse": "{ things {"}, Limits())
    assert not judgement.breaks
    assert [one.name for one in judgement.skipped] == ["bad", "worse"]


def test_the_command(tmp_path: Path) -> None:
    """The exit code is 1 if clients break; the JSON output lists the changes and the operations that use
    them.
    """
    (tmp_path / "old.graphql").write_text(supergraph_of({"a": OLD}))
    (tmp_path / "new.graphql").write_text(supergraph_of({"a": NEW}))
    operations = tmp_path / "operations"
    operations.mkdir()
    (operations / "fine.graphql").write_text("{ things { name } }")
    run = CliRunner()
    files = [str(tmp_path / "old.graphql"), str(tmp_path / "new.graphql")]
    without = run.invoke(app, ["check", *files])
    assert without.exit_code == 1
    assert "breaking: 5" in without.output
    given = run.invoke(app, ["check", *files, "--operations", str(operations), "--format", "json"])
    assert given.exit_code == 0
    assert json.loads(given.output)["breaks"] is False
    (operations / "old.graphql").write_text("query Old { old }")
    broken = run.invoke(app, ["check", *files, "--operations", str(operations)])
    assert broken.exit_code == 1
    assert "operation old.graphql breaks" in broken.output


TAGGED = """
type Query { public: Thing @tag(name: "public") private: Secret inner: Int @tag(name: "internal") }
type Thing @key(fields: "id") {
  id: ID! @tag(name: "public") code: Code cost(in: Code): Int @tag(name: "internal") @tag(name: "public") }
type Secret { x: Int }
enum Code { A B @tag(name: "internal") }
"""
OTHER = 'type Thing @key(fields: "id") { id: ID! extra: Int @tag(name: "public") }'


@pytest.mark.parametrize(
    ("include", "exclude", "shown", "gone"),
    [
        ((), ("internal",), ["private: Secret", "code: Code", "A"], ["cost", "inner", "B"]),
        (("public",), (), ["public: Thing", "id: ID!", "cost", "extra"], ["private", "code: Code", "Secret"]),
        (("public",), ("internal",), ["id: ID!", "extra"], ["cost", "Code", "Secret", "inner"]),
    ],
)
def test_contracts(
    include: tuple[str, ...], exclude: tuple[str, ...], shown: list[str], gone: list[str]
) -> None:
    """Clients see only what the tags allow, without empty or unreachable types; the subgraphs' types are
    unchanged.
    """
    cut = load_supergraph(contract(supergraph_of({"a": TAGGED, "b": OTHER}), include, exclude))
    text = print_schema(cut.api)
    assert [one for one in shown if one not in text] == []
    assert [one for one in gone if one in text] == []
    assert "cost" in cut.subgraphs["a"].types["Thing"].fields


def test_contracts_that_make_no_sense() -> None:
    """A tag that no element has is refused, and so is a contract that leaves no query."""
    supergraph = supergraph_of({"a": TAGGED, "b": OTHER})
    with pytest.raises(SettingsError, match="pubic"):
        contract(supergraph, ("pubic",))
    only = supergraph_of({"a": 'type Query { x: Int @tag(name: "t") }'})
    with pytest.raises(SupergraphError):
        contract(only, (), ("t",))
