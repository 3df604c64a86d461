"""The settings of cost: what operations may cost, and what clients learn about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import HeaderName

Cost = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class CostHeaders:
    """The names of response headers with costs; a header without a name is not sent."""

    estimated: Annotated[HeaderName | None, Meta(description="The header with the estimated cost.")] = None
    actual: Annotated[
        HeaderName | None, Meta(description="The header with the actual cost; needs `actual`.")
    ] = None
    max: Annotated[HeaderName | None, Meta(description="The header with the maximum, `max`.")] = None


@dataclass(frozen=True, slots=True)
class SubgraphBudgets:
    """What one operation may cost in each subgraph. Above it, no request is sent there."""

    mode: Annotated[
        Literal["enforce", "measure"],
        Meta(description="Whether the requests are not sent, or are only reported."),
    ] = "enforce"
    all: Annotated[Cost | None, Meta(description="The budget of each subgraph without one of its own.")] = (
        None
    )
    subgraphs: Annotated[Mapping[str, Cost], Meta(description="Budgets by subgraph.")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class CostSettings:
    """The cost of operations, by @cost and @listSize: estimated from the plan before it is executed."""

    max: Annotated[
        Cost | None, Meta(description="The maximum estimated cost of an operation; null: no maximum.")
    ] = 1_000_000
    mode: Annotated[
        Literal["enforce", "measure"],
        Meta(description="Whether an operation above `max` is refused, or only reported."),
    ] = "enforce"
    list_size: Annotated[Cost, Meta(description="The length of a list that no @listSize describes.")] = 10
    list_sizes: Annotated[
        Mapping[str, Cost], Meta(description="The same by subgraph, instead of `list_size`.")
    ] = field(default_factory=dict)
    budgets: SubgraphBudgets = field(default_factory=SubgraphBudgets)
    actual: Annotated[
        Literal["by_subgraph", "by_response"] | None,
        Meta(
            description="Compute the actual cost too: from the replies of the subgraphs, or from the"
            " response. It decodes each reply once more; by default it is not computed."
        ),
    ] = None
    headers: CostHeaders = field(default_factory=CostHeaders)
    extension: Annotated[bool, Meta(description="Whether responses have the costs as `extensions.cost`.")] = (
        False
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        if self.headers.actual is not None and self.actual is None:
            yield "headers", "the header `actual` needs the setting `cost.actual`"

    @property
    def shows(self) -> bool:
        """Return whether anything is reported for each request."""
        budgets = self.budgets.all is not None or bool(self.budgets.subgraphs)
        headers = self.headers.estimated or self.headers.actual or self.headers.max
        return bool(budgets or headers or self.extension or self.actual or self.mode == "measure")
