"""Composition compared with @apollo/composition: codes, hints, the API schema, and which subgraph resolves
what.

A "set" is the SDLs of several subgraphs; the pages are files with sets and the oracle's results.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.conformance.suites import ABSENT, SUITES, read
from tests.oracle.chance import chance_set, mutation_set
from tests.oracle.compare import compose_ours, differences
from tests.oracle.definitions import definition_set
from tests.oracle.generate import broken_sets, valid_set
from tests.oracle.known import CHANCE, CONSEQUENCES, MUTATIONS, PAGES, UNREACHABLE
from tests.oracle.programs import NO_NODE, find_node, run
from tests.oracle.sets import SdlSet, Verdict, ask_oracle, load_failures, read_pages
from tests.oracle.values import value_set

SCHEMA = Path(__file__).parents[3] / "schema"
KNOWN = {**PAGES, **CHANCE, **MUTATIONS}
needs_node = pytest.mark.skipif(find_node() is None, reason=NO_NODE)


@cache
def pages() -> tuple[tuple[SdlSet, Verdict], ...]:
    """Return every set of the pages, with the oracle's result."""
    sets = read_pages()
    return tuple(zip(sets, ask_oracle(sets), strict=True))


@cache
def broken() -> tuple[tuple[str, SdlSet, Verdict], ...]:
    """Return generated sets that the oracle refuses, each with the code that its edit should cause."""
    made = list(broken_sets(4))
    verdicts = ask_oracle(one for _, one in made)
    return tuple(
        (edit.code, one, said) for (edit, one), said in zip(made, verdicts, strict=True) if said.codes
    )


def disagreements(sets: Sequence[SdlSet], verdicts: Sequence[Verdict]) -> str:
    """Return a line for each unknown difference, and for each of our supergraphs that Apollo's code can't
    load.
    """
    ours = [compose_ours(one) for one in sets]
    found = {
        one.name: list(differences(said, mine))
        for one, said, mine in zip(sets, verdicts, ours, strict=True)
        if one.name not in KNOWN and not only_consequences(said, mine) and not stops(said, mine)
    }
    composed = [(one.name, mine.supergraph) for one, mine in zip(sets, ours, strict=True) if mine.supergraph]
    for (name, _), failure in zip(composed, load_failures(text for _, text in composed), strict=True):
        if failure and name not in KNOWN:
            found[name].append(f"our supergraph does not load: {failure}")
    return "\n".join(f"{name}: {text}" for name, texts in found.items() for text in texts)


def only_consequences(said: Verdict, mine: Verdict) -> bool:
    """Return whether the oracle only adds codes that follow from a code that both report."""
    more = set(said.codes) ^ set(mine.codes)
    return any(
        code in mine.codes and more and more <= follow | {code} for code, (follow, _) in CONSEQUENCES.items()
    )


def stops(said: Verdict, mine: Verdict) -> bool:
    """Return whether the oracle fails with an internal exception where we report a code."""
    return any(code.startswith("(") for code in said.codes) and bool(mine.codes)


@needs_node
def test_pages_say_what_the_oracle_says() -> None:
    """The result stored with every set is the oracle's own; if not, `python -m tests.oracle.note` writes it
    again.
    """
    assert {one.name: said.note for one, said in pages() if said.note != one.noted} == {}


def test_our_composer_says_what_the_pages_say() -> None:
    """Our error codes and hints of every set are the stored ones, or the difference is a known one.

    Needs no Node.
    """
    sets = read_pages()
    assert len({one.name for one in sets}) == len(sets) >= 600
    ours = {one.name: compose_ours(one) for one in sets}
    assert {
        one.name: (one.noted, ours[one.name].note)
        for one in sets
        if ours[one.name].note != one.noted
        and one.name not in PAGES
        and not only_consequences(Verdict(tuple((one.noted or "").split())), ours[one.name])
    } == {}


@needs_node
def test_pages_agree() -> None:
    """For every set of the pages our result and the oracle's differ only in known differences, and each of
    those occurs.
    """
    sets, verdicts = [one for one, _ in pages()], [said for _, said in pages()]
    assert not (found := disagreements(sets, verdicts)), found
    assert [
        one.name
        for one, said in pages()
        if one.name in PAGES and not list(differences(said, compose_ours(one)))
    ] == []
    assert PAGES.keys() <= {one.name for one in sets}


@needs_node
def test_every_code_is_raised() -> None:
    """Each error and hint code that the oracle publishes is raised by a set of the pages, or listed as
    unreachable.
    """
    (published,) = run("codes.mjs")
    codes = {*published["errors"], *(hint["code"] for hint in published["hints"])}
    raised = {code for _, said in pages() for code in (*said.codes, *said.hint_codes)}
    assert codes - raised == UNREACHABLE.keys()


@needs_node
def test_made_up_sets_agree() -> None:
    """162 generated valid sets that mix all features of federation compose without a difference."""
    sets = [valid_set(seed) for seed in range(162)]
    verdicts = ask_oracle(sets)
    assert [one.name for one, said in zip(sets, verdicts, strict=True) if said.codes] == []
    assert not (found := disagreements(sets, verdicts)), found


@needs_node
def test_broken_sets_agree() -> None:
    """At least 240 sets, each one edit away from a valid one, are refused by both composers with the same
    codes.
    """
    assert len(broken()) >= 240
    assert not (found := disagreements([one for _, one, _ in broken()], [said for _, _, said in broken()])), (
        found
    )


@needs_node
def test_breakers_raise_their_codes() -> None:
    """Every edit raises the code for which it is made, in at least one of its sets."""
    raised = {code for code, _, said in broken() if code in said.codes}
    assert {code for code, _, _ in broken()} == raised
    assert len(raised) >= 55


@needs_node
def test_sets_by_chance_agree() -> None:
    """Of 150 random sets, both composers accept the same ones, except for known differences."""
    sets = [chance_set(seed) for seed in range(150)]
    verdicts = ask_oracle(sets)
    accepted = sum(not said.codes for said in verdicts)
    assert 15 <= accepted <= 135
    assert not (found := disagreements(sets, verdicts)), found
    known = [(one, said) for one, said in zip(sets, verdicts, strict=True) if one.name in CHANCE]
    assert [one.name for one, said in known if not list(differences(said, compose_ours(one)))] == []


@needs_node
def test_shared_mutations_by_chance_agree() -> None:
    """Of 60 random sets with shared mutation fields, both composers accept the same ones."""
    sets = [mutation_set(seed) for seed in range(60)]
    verdicts = ask_oracle(sets)
    accepted = sum(not said.codes for said in verdicts)
    once = sum(any("at top-level" in message for message in said.messages) for said in verdicts)
    assert accepted >= 9
    assert once >= 18
    assert not (found := disagreements(sets, verdicts)), found
    known = [(one, said) for one, said in zip(sets, verdicts, strict=True) if one.name in MUTATIONS]
    assert [one.name for one, said in known if not list(differences(said, compose_ours(one)))] == []


@needs_node
def test_definitions_by_chance_agree() -> None:
    """Of 90 random sets that define a federation directive themselves, both composers accept the
    same ones.
    """
    sets = [definition_set(seed) for seed in range(90)]
    verdicts = ask_oracle(sets)
    raised = {code for said in verdicts for code in said.codes}
    assert raised == {"DIRECTIVE_DEFINITION_INVALID", "INVALID_GRAPHQL"}
    assert 30 <= sum(not said.codes for said in verdicts) <= 60
    assert not (found := disagreements(sets, verdicts)), found


@needs_node
def test_values_by_chance_agree() -> None:
    """Of 90 random sets with constants written in two ways, both composers find the same constants
    different.

    How a default is written in the supergraph, and how often a directive is repeated, is not compared.
    """
    sets = [value_set(seed) for seed in range(90)]
    verdicts = ask_oracle(sets)
    ours = [compose_ours(one) for one in sets]
    raised = {note for said in verdicts for note in (*said.codes, *said.hint_codes)}
    assert len(raised) == 4
    assert 45 <= sum(said.note == "ok" for said in verdicts) <= 75
    assert [
        (one.name, said.note, mine.note)
        for one, said, mine in zip(sets, verdicts, ours, strict=True)
        if (said.note, (said.supergraph or "").count("@note("))
        != (mine.note, (mine.supergraph or "").count("@note("))
    ] == []


@needs_node
def test_platform_agrees() -> None:
    """The platform's own subgraphs compose without a difference."""
    files = [path for path in sorted(SCHEMA.glob("*.graphql")) if path.name != "supergraph.graphql"]
    sets = [SdlSet("platform", {path.stem: path.read_text() for path in files})]
    assert len(files) >= 6
    assert not (found := disagreements(sets, ask_oracle(sets))), found


@needs_node
@pytest.mark.skipif(not SUITES, reason=ABSENT)
def test_suites_agree() -> None:
    """The suites of the federation audit compose without a difference."""
    sets = [SdlSet(name, {one["name"]: one["sdl"] for one in read(name)["subgraphs"]}) for name in SUITES]
    assert not (found := disagreements(sets, ask_oracle(sets))), found
