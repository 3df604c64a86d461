"""Streams by the protocol of each subgraph, and the errors in its settings."""

import pytest

from gateway.core.errors import SettingsError
from gateway.settings import Settings, StreamProtocol, SubgraphSettings, SubgraphSubscriptions, SubgraphTls
from gateway.transport.base import call_for
from gateway.transport.fake_streams import FakeStreams
from gateway.transport.make_streams import make_streams
from gateway.transport.reconnecting import ReconnectingStreams
from gateway.transport.streams import Streams
from tests.gateway.transport.streaming import Recorder

PROTOCOLS: dict[str, StreamProtocol] = {
    "new": "graphql-transport-ws",
    "old": "graphql-ws",
    "sse": "sse",
    "parts": "multipart",
    "callback": "callback",
}
SETTINGS = Settings(
    subgraphs={
        name: SubgraphSettings(subscriptions=SubgraphSubscriptions(protocol=one))
        for name, one in PROTOCOLS.items()
    }
)
URLS = dict.fromkeys(PROTOCOLS, "http://127.0.0.1:9/")


def with_settings(**settings: SubgraphSettings) -> Settings:
    """Return settings of subgraphs."""
    return Settings(subgraphs=settings)


def inner(streams: Streams) -> Streams:
    """Return what is opened again when it breaks."""
    assert isinstance(streams, ReconnectingStreams)
    return streams.inner


@pytest.mark.parametrize(
    "url", ["http://h/g", "https://h", "ws://h:4/g?x=y", "WSS://[::1]:5/", "wss://h/é%20"]
)
def test_urls_of_either_kind_are_accepted(url: str) -> None:
    """For every protocol, except characters outside of ASCII."""
    for name in PROTOCOLS:
        if url.isascii():
            make_streams({name: url}, SETTINGS)
        else:
            with pytest.raises(SettingsError, match=f"expected ASCII in the URL of the subgraph {name}"):
                make_streams({name: url}, SETTINGS)


@pytest.mark.parametrize("url", ["", "ftp://h/", "h", "ws:///x", "http://h:x/", "wss://h /", "wsx://h/"])
def test_invalid_urls(url: str) -> None:
    """They are errors of the settings."""
    with pytest.raises(SettingsError) as caught:
        make_streams({"a": url}, Settings())
    assert caught.value.code == "BAD_OPTION"
    assert "subgraph a" in caught.value.message


def test_certificates_are_read_at_once() -> None:
    """A file that is missing is an error of the settings, but only if TLS is used."""
    settings = with_settings(a=SubgraphSettings(tls=SubgraphTls(ca="/nowhere")))
    make_streams({"a": "ws://h/"}, settings)
    with pytest.raises(SettingsError) as caught:
        make_streams({"a": "wss://h/"}, settings)
    assert caught.value.code == "FILE_NOT_READABLE"


def test_which_streams_resume() -> None:
    """Server-sent events have cursors; the other protocols do not."""
    streams = make_streams(URLS, SETTINGS)
    found = [name for name in (*PROTOCOLS, "nobody") if streams.resumes(call_for(name, "{x}"))]
    assert found == ["sse"]


async def test_protocols_of_the_caller() -> None:
    """Those that are not built here are the caller's; without them a stream fails."""
    callbacks = FakeStreams(frozenset({"callback"}))
    streams = make_streams(URLS, SETTINGS, others={"callback": callbacks})
    call, recorder = call_for("callback", "subscription{x}"), Recorder()
    assert streams.resumes(call)
    streams.open(call, recorder, "7")
    assert [(one.call, one.after) for one in callbacks.opened] == [(call, "7")]
    without = make_streams(URLS, SETTINGS)
    without.open(call, recorder)
    await recorder.has("failed")
    assert recorder.error.code == "SUBGRAPH_UNREACHABLE"
    assert recorder.error.message == "has the protocol callback for subscriptions, which is not served here"
    await streams.close()


async def test_the_url_for_subscriptions() -> None:
    """It replaces that of the subgraph, or adds one; without any, a stream fails."""
    own = SubgraphSubscriptions(url="ws://127.0.0.1:9/s", protocol="sse")
    both = dict.fromkeys("ab", SubgraphSettings(subscriptions=own))
    streams = make_streams({"a": "http://h/g"}, Settings(subgraphs=both))
    for name, words in (("a", "can't be reached"), ("b", "can't be reached"), ("c", "has no URL for")):
        recorder = Recorder()
        streams.open(call_for(name, "subscription{x}"), recorder)
        await recorder.has("failed")
        assert words in recorder.error.message


def test_how_streams_are_shown() -> None:
    """With the subgraphs, for people who debug."""
    assert "FakeStreams" in repr(FakeStreams())
    assert "Streams" in repr(inner(make_streams(URLS, SETTINGS)))
