"""Downloads small files by HTTP: key sets, manifests, documents. For threads, since it blocks."""

import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit

from gateway.settings import Secret


class DownloadFailed(Exception):
    """A file that can't be downloaded; the message says why. `status`: the HTTP status, if there is one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: the request's headers may be secrets, which another host must not get."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None  # the redirect is then an HTTPError


_OPENER = urllib.request.build_opener(_NoRedirects)


def download(url: str, headers: Mapping[str, Secret], timeout: float, limit: int) -> bytes:
    """Return the content of a URL. `timeout`: seconds without a byte. `limit`: the maximum size in bytes.

    Raises DownloadFailed.
    """
    shown = shown_url(url)
    try:
        content = _read(url, {name: secret.value for name, secret in headers.items()}, timeout, limit + 1)
    except HTTPError as error:
        error.close()
        raise DownloadFailed(f"{shown} {_refusal(url, error)}", error.code) from error
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise DownloadFailed(f"{shown} can't be fetched: {why}") from error
    except ValueError:  # its message may have a header's value
        message = (
            f"{shown} can't be fetched: the URL or the value of a header has characters that HTTP forbids"
        )
        raise DownloadFailed(message) from None
    if len(content) > limit:
        raise DownloadFailed(f"{shown}: expected at most {limit:,} bytes, got more")
    return content


def _read(url: str, headers: dict[str, str], timeout: float, size: int) -> bytes:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s) only
    with _OPENER.open(request, timeout=timeout) as reply:
        content: bytes = reply.read(size)
    return content


def _refusal(url: str, error: HTTPError) -> str:
    """Return what a status means that is not a success: where it redirects to, or the status alone."""
    target = error.headers.get("location")
    if not 300 <= error.code < 400 or target is None:
        return f"has the status {error.code}"
    return f"redirects to {shown_url(urljoin(url, target))} (status {error.code}); set this URL instead"


def shown_url(url: str) -> str:
    """Return a URL without what may be secret: user, password and query string."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
