"""A plan compiled to callables.

Typed decoding per fetch, requests from byte templates, one encoding of the whole answer.

What is unusual (errors, values that don't fit, nulls where none may be) is left to the exact path, with the
same results: `Unusual` says so, and what subgraphs have answered until then is not asked again.
"""
