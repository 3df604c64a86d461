"""The commands `gateway documents make` and `gateway documents check`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import SettingsError
from gateway.documents.hashes import hash_of
from gateway.documents.make import ManifestFormat, make_documents, manifest_text
from gateway.documents.manifests import read_manifest
from tests.gateway.support import supergraph_of
from tests.gateway.test_cli import gateway

FILES = {
    "a.graphql": "query Me { me { ...Name } }",
    "b/c.graphql": "mutation Do { do { ...Both } } subscription S { s }",
    "f.graphql": "fragment Name on User { name } fragment Both on User { ...Name id ...Both }",
}


def test_each_operation_has_its_fragments() -> None:
    """Fragments of other files are included, each once, and only the needed ones."""
    found = {one.name: one for one in make_documents(FILES)}
    names = {name: re.findall(r"^\w+ (\w+)", one.text, re.MULTILINE) for name, one in found.items()}
    assert names == {"Do": ["Do", "Both", "Name"], "Me": ["Me", "Name"], "S": ["S"]}
    assert [found[name].type for name in ("Me", "Do", "S")] == ["query", "mutation", "subscription"]


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_both_formats_are_read_back(prefix: str) -> None:
    """What is written is what the gateway reads; ids are hashes of the texts."""
    made = make_documents(FILES)
    forms: tuple[ManifestFormat, ...] = ("apollo", "relay")
    for form in forms:
        found = read_manifest(manifest_text(made, form, bool(prefix)))
        assert [one.text for one in found] == [one.text for one in made]
        assert all(one.id == prefix + hash_of(one.text) for one in found)


WRONG: list[tuple[Mapping[str, str], list[str]]] = [
    ({"a": "query A { a"}, ["a:1:12: Syntax Error: Expected Name, found <EOF>."]),
    ({"a": "\n  { a }"}, ["a:2:3: expected an operation with a name"]),
    ({"a": "query A { a }", "b": "mutation A { a }"}, ["b:1:1: the query A is already defined at a:1:1"]),
    ({"a": "query A { ...X }"}, ["a:1:11: there is no fragment X"]),
    (
        {"a": "query A { ...X } query B { ...X }", "f": "fragment X on Q {\n ...Y }"},
        ["f:2:2: there is no fragment Y"],
    ),
    (
        {"a": "fragment X on Q { a }\nfragment X on Q { b } query A { a }"},
        ["a:2:1: the fragment X is already defined at a:1:1"],
    ),
    ({"a": "type A { a: Int }"}, ["a:1:1: expected operations and fragments, got another definition"]),
    ({"a": "fragment X on Q { a }"}, ["there is no operation in the files"]),
    ({"a": ""}, ["a:1:1: Syntax Error: Unexpected <EOF>."]),
    ({"a": "query A " + "{ a " * 20_000}, ["a"]),
]


@pytest.mark.parametrize(("files", "mistakes"), WRONG, ids=[lines[0] for _, lines in WRONG])
def test_mistakes_have_their_place(files: Mapping[str, str], mistakes: list[str]) -> None:
    """All mistakes are reported, each with file, line and column."""
    with pytest.raises(SettingsError) as raised:
        make_documents(files)
    _, *lines = raised.value.message.splitlines()
    assert len(lines) == len(mistakes)
    assert all(line.strip().startswith(mistake) for line, mistake in zip(lines, mistakes, strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with documents and a supergraph."""
    (tmp_path / "documents").mkdir()
    sdl = "type Query { me: User } type User { id: ID! name: String }"
    (tmp_path / "supergraph.graphql").write_text(supergraph_of({"s": sdl}))
    (tmp_path / "documents" / "a.graphql").write_text("query Me { me { ...Name } }")
    (tmp_path / "documents" / "f.graphql").write_text("fragment Name on User { name }")
    return tmp_path


def run(folder: Path, *more: str) -> Any:
    """Make the manifest of a folder and check it; return the finished check."""
    made = gateway("documents", "make", str(folder / "documents"), "-o", str(folder / "m.json"))
    assert made.returncode == 0, made.stderr
    supergraph = str(folder / "supergraph.graphql")
    return gateway("documents", "check", str(folder / "m.json"), "--supergraph", supergraph, *more)


def test_the_commands(folder: Path) -> None:
    """A good manifest has no mistakes; mistakes are listed with id, name, place and code."""
    done = run(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 documents, 0 of them with mistakes\n")
    (folder / "documents" / "b.graphql").write_text("query B { me { x y } } query C { me { id } }")
    done = run(folder)
    document_id = json.loads((folder / "m.json").read_text())["operations"][0]["id"]
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert [line.split(": ")[0] for line in lines] == [
        f"{document_id} (B) {place}" for place in ("3:5", "4:5")
    ]
    assert all(line.endswith("[GRAPHQL_VALIDATION_FAILED]") for line in lines)
    assert "3 documents, 1 of them with mistakes" in done.stderr
    done = run(folder, "--limit", "depth=1")
    assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["[MAX_DEPTH_LIMIT]"] * 3


def test_what_can_not_be_read(folder: Path, tmp_path: Path) -> None:
    """Wrong folders, files, formats and manifests are explained."""
    (tmp_path / "empty").mkdir()
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{")
    supergraph = str(folder / "supergraph.graphql")
    for arguments, words in (
        (["make", str(tmp_path / "empty")], "found no *.graphql files"),
        (["make", str(folder), "--format", "x"], "expected apollo or relay"),
        (["check", str(wrong), "--supergraph", supergraph], "wrong.json: the manifest is not JSON"),
        (["check", str(tmp_path / "absent"), "--supergraph", supergraph], "can't be read"),
    ):
        done = gateway("documents", *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
