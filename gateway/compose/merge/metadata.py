"""Merges the metadata of an element (description, tags, directives, ...) from all subgraphs."""

from collections import Counter
from collections.abc import Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.merge.applications import merge_applications
from gateway.compose.merged import MergedMetadata
from gateway.compose.model import Metadata


def merge_metadata(coordinate: str, sides: Sequence[tuple[str, Metadata]], report: Report) -> MergedMetadata:
    """Return the merged metadata of an element. `sides`: pairs of a subgraph and its metadata.

    The result has the most frequent description, the first deprecation and all tags; it is @inaccessible if
    it is so in any subgraph; other directives are merged by their strategies (`federation.carried`).
    """
    every = [one for _, one in sides]
    described = Counter(one.description for one in every if one.description)
    _hint_differences(coordinate, every, report)
    return MergedMetadata(
        description=max(described, key=lambda one: described[one], default=None),
        deprecated=next((one.deprecated for one in every if one.deprecated is not None), None),
        inaccessible=any(one.inaccessible for one in every),
        tags=tuple(dict.fromkeys(tag for one in every for tag in one.tags)),
        specified_by=next((one.specified_by for one in every if one.specified_by), None),
        one_of=any(one.one_of for one in every),
        applied=merge_applications(coordinate, [(name, one.applied) for name, one in sides], report),
        routed=tuple((name, application) for name, one in sides for application in one.routed),
    )


def _hint_differences(coordinate: str, every: Sequence[Metadata], report: Report) -> None:
    """Hint at descriptions, and at arguments of @deprecated or @specifiedBy, that differ in the subgraphs."""
    if len({one.description for one in every if one.description}) > 1:
        message = f"{coordinate} is described differently by its subgraphs"
        report.hint("INCONSISTENT_DESCRIPTION", message, coordinate)
    stated = {
        "deprecated": {one.deprecated for one in every if one.deprecated is not None},
        "specifiedBy": {one.specified_by for one in every if one.specified_by is not None},
    }
    for name, given in stated.items():
        if len(given) > 1:
            message = f"@{name} has different arguments on {coordinate}"
            report.hint("INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS", message, coordinate)
