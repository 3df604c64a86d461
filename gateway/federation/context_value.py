"""The `field` of @fromContext.

A context's name and a selection on the object that sets it, `"$user { lang }"`.
"""

import re

_VALUE = re.compile(r"\s*\$(?P<context>[A-Za-z_]\w*)\s*(?P<selection>[\s\S]*)")


def context_and_selection(text: str) -> tuple[str, str] | None:
    """The context's name and the selection's text; None when the text is not of this form."""
    match = _VALUE.fullmatch(text)
    return (match["context"], match["selection"].strip()) if match and match["selection"].strip() else None
