"""What a supergraph asks for and this gateway does not do. Serving it all the same would hand out what its authors protect.

Names say nothing: a directive may be imported under another one, so features are known by their specs' urls, and so is what stands
in @join__directive. A directive that is used without being linked counts as what it is called.
"""

from collections.abc import Iterable, Iterator

from graphql import DirectiveNode, DocumentNode, StringValueNode, Visitor, visit

from gateway.core.errors import SupergraphError
from gateway.federation.carried import ACCESS
from gateway.supergraph.features import Feature
from gateway.supergraph.model import Supergraph

ENFORCED = frozenset({"join", "link", "core", "inaccessible", "context"})
PROTECTIVE = frozenset({*ACCESS, "connect", "source"})


class _Used(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        """Note a directive that is applied; for a @join__directive also the one that it stands for."""
        self.names.add(node.name.value)
        if node.name.value.endswith("__directive"):
            self.names.update(one.value.value for one in node.arguments or () if isinstance(one.value, StringValueNode))


def unenforced(document: DocumentNode, features: Iterable[Feature]) -> Iterator[str]:
    """Each feature that is asked for and not enforced, as its url or the directive's name."""
    known = set()
    for feature in features:
        imported = {theirs.removeprefix("@") for theirs, _ in feature.imports}
        known |= {feature.local(f"@{name}") for name in (*imported, feature.name)}
        if feature.name in ENFORCED and not imported & PROTECTIVE:
            continue
        if feature.purpose == "SECURITY" or feature.name in PROTECTIVE or imported & PROTECTIVE:
            yield feature.url
    used = _Used()
    visit(document, used)
    for name in sorted(used.names - known):
        if name.rpartition("__")[2] in PROTECTIVE:
            yield f"@{name}"


def refuse_unenforced(supergraph: Supergraph) -> None:
    """Raise SupergraphError UNSUPPORTED_FEATURE for a supergraph that must not be served by this gateway."""
    if supergraph.unenforced:
        shown = ", ".join(supergraph.unenforced)
        raise SupergraphError(
            f"the supergraph uses {shown}, which this gateway does not enforce", "UNSUPPORTED_FEATURE"
        )
