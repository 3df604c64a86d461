"""The `field` argument of @fromContext: a context's name and a selection, such as `"$user { lang }"`."""

import re

_VALUE = re.compile(r"\s*\$(?P<context>[A-Za-z_]\w*)\s*(?P<selection>[\s\S]*)")


def context_and_selection(text: str) -> tuple[str, str] | None:
    """The context's name and the text of the selection, of a text such as `$name { field }`; None for a text
    of another form.
    """
    match = _VALUE.fullmatch(text)
    return (match["context"], match["selection"].strip()) if match and match["selection"].strip() else None
