"""The direct door uses only the listed parts of uvicorn, and a version without them is refused."""

import ast
import inspect

import pytest

from gateway.core.errors import SettingsError
from gateway.http import direct, strict
from gateway.http.uvicorn_internals import METHODS, STATE, HttpToolsProtocol, check_uvicorn
from gateway.reload import GatewaySource
from gateway.serve import serve


def test_the_list_is_what_is_used() -> None:
    """The list has exactly the attributes that the protocol uses of uvicorn's."""
    protocols = [
        node
        for module in (direct, strict)
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name in ("DirectProtocol", "StrictProtocol")
    ]
    used, own = set[str](), set[str]()
    for node in (inner for one in protocols for inner in ast.walk(one)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own.add(node.name)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    inherited = set(dir(HttpToolsProtocol)) | STATE
    overridden = {name for name in own if name in dir(HttpToolsProtocol)}
    assert (used & inherited - own) | overridden | (own & STATE) == METHODS | STATE


def test_this_uvicorn_will_do() -> None:
    """The pinned version of uvicorn has all parts."""
    check_uvicorn()


def test_another_uvicorn_is_refused() -> None:
    """The error names the parts that are missing."""

    class Other:
        def on_body(self) -> None:
            pass

    with pytest.raises(SettingsError, match=r"on_message_complete.*requirements\.lock"):
        check_uvicorn(Other)


def test_serving_checks_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn is checked before the port is bound and the supergraph is read."""

    def lacking() -> None:
        raise SettingsError("uvicorn lacks a part", "BAD_OPTION")

    def never() -> GatewaySource:
        raise AssertionError("the supergraph is read too early")

    monkeypatch.setattr("gateway.serve.check_uvicorn", lacking)
    with pytest.raises(SettingsError, match="lacks a part"):
        serve(never, "127.0.0.1", 1, 1)
