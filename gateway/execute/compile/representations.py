"""The representations of a lookup as templates of JSON: only the values are missing.

Example: for `Product { id }` the template is `{"__typename":"Product","id":%b}`.
"""

from gateway.execute.compile.layout import NodeLookup
from gateway.plan.nodes import RepresentationField


def representation_template(one: NodeLookup) -> bytes:
    """Return a representation as bytes, with %b for every value."""
    return (
        b"{"
        + b",".join([_pair("__typename", f'"{one.typename}"'.encode()), *map(_member, one.fields)])
        + b"}"
    )


def _member(one: RepresentationField) -> bytes:
    if one.below:
        return _pair(one.name, b"{" + b",".join(map(_member, one.below)) + b"}")
    return _pair(one.name, b"%b")


def _pair(name: str, value: bytes) -> bytes:
    return f'"{name}":'.encode() + value
