"""The direct door uses of uvicorn what one list says, and a version without it is refused."""

import ast
import inspect

import pytest

from gateway.core.errors import SettingsError
from gateway.http import direct, strict
from gateway.http.uvicorn_internals import METHODS, STATE, HttpToolsProtocol, check_uvicorn
from gateway.reload import GatewaySource
from gateway.serve import serve


def test_the_list_is_what_is_used() -> None:
    """Every attribute that the protocol takes from uvicorn's stands in it, and nothing else."""
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
    """The one that is pinned has everything."""
    check_uvicorn()


def test_another_uvicorn_is_refused() -> None:
    """With what it lacks."""

    class Other:
        def on_body(self) -> None:
            pass

    with pytest.raises(SettingsError, match=r"on_message_complete.*requirements\.lock"):
        check_uvicorn(Other)


def test_serving_checks_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a port is claimed or a supergraph read, so that nobody meets the gap in a request."""

    def lacking() -> None:
        raise SettingsError("uvicorn lacks a part", "BAD_OPTION")

    def never() -> GatewaySource:
        raise AssertionError("the supergraph is read too early")

    monkeypatch.setattr("gateway.serve.check_uvicorn", lacking)
    with pytest.raises(SettingsError, match="lacks a part"):
        serve(never, "127.0.0.1", 1, 1)
