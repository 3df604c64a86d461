"""Scalars: both paths accept the same values, except for those that the compiled path leaves to the exact
one.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jsontext import read_json
from gateway.supergraph.scalars import SCALARS

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**90), 2**90)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.parametrize("name", SCALARS)
@given(value=VALUES)
def test_both_paths_take_the_same(name: str, value: object) -> None:
    """The exact path accepts what a compiled plan decodes; it also accepts numbers as ids, which
    become text.
    """
    scalar = SCALARS[name]
    try:
        body = msgspec.json.encode(value)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return
    try:
        msgspec.json.decode(body, type=scalar.decoded)
        decodes = True
    except msgspec.ValidationError:
        decodes = False
    accepts = scalar.accepts(read_json(body))
    if name == "ID" and isinstance(value, int):
        assert not decodes
        return
    assert decodes == accepts


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("Int", 2**31 - 1, True),
        ("Int", 2**31, False),
        ("Int", 1.0, False),
        ("Int", True, False),
        ("Float", 1, True),
        ("Float", True, False),
        ("Float", float("inf"), False),
        ("Boolean", 0, False),
        ("ID", 7, True),
        ("ID", False, False),
        ("String", 7, False),
    ],
)
def test_values(name: str, value: object, accepted: bool) -> None:
    """Each scalar accepts its limits and refuses what is beyond them."""
    assert SCALARS[name].accepts(value) is accepted
