"""Parses the `field` argument of @fromContext: a context's name and a selection, such as `"$user {
lang }"`.
"""

import re

_VALUE = re.compile(r"\s*\$(?P<context>[A-Za-z_]\w*)\s*(?P<selection>[\s\S]*)")


def context_and_selection(text: str) -> tuple[str, str] | None:
    """Split a text such as `$user { lang }` into the context's name and the selection; None for
    another form.
    """
    match = _VALUE.fullmatch(text)
    return (match["context"], match["selection"].strip()) if match and match["selection"].strip() else None
