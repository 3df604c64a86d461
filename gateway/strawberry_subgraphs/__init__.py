"""Helpers for subgraphs that are written with strawberry: `pip install 'mussikon[strawberry]'`.

- `batched_reference`: one call resolves all entities of a type that a request asks for.
- `converted_reference`: the values of a representation get the Python types that a function declares.
- `SubgraphSchema`: a federation schema where a wrong representation is an error of its entity alone.
- `CallbackEmitter`: subscriptions by HTTP callback 1.0.

A subgraph imports the package; the gateway doesn't, since strawberry and httpx are not installed with it.
"""

try:
    from gateway.strawberry_subgraphs.callback_posts import Delivery
    from gateway.strawberry_subgraphs.conversion import InvalidRepresentation
    from gateway.strawberry_subgraphs.emitter import CallbackEmitter
    from gateway.strawberry_subgraphs.references import batched_reference, converted_reference
    from gateway.strawberry_subgraphs.subgraph_schema import SubgraphSchema
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package not in ("strawberry", "httpx"):
        raise
    message = f"gateway.strawberry_subgraphs needs {package}: pip install 'mussikon[strawberry]'"
    raise ModuleNotFoundError(message, name=error.name) from error

__all__ = [
    "CallbackEmitter",
    "Delivery",
    "InvalidRepresentation",
    "SubgraphSchema",
    "batched_reference",
    "converted_reference",
]
