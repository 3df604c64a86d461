"""Refuses requests by GET that another site's page may have caused (CSRF, and XS-Search by duration).

A page can have the browser send a GET to any site, with the user's cookies, as an image, a script, a link or
a `fetch` without CORS. It can't read the response, but it can measure it. It can't set headers: for any that
is not safelisted, the browser first asks the gateway by a preflight (Fetch standard, 4.8), which `cors`
answers.
`accept` is safelisted, so it proves nothing; neither does an unusual content type, as browsers had errors
there (GHSA-hff2-gcpx-8f4p).
"""

from collections.abc import Mapping

from gateway.core.errors import RequestError
from gateway.settings import CsrfSettings

OWN_SITE = frozenset({b"same-origin", b"none"})
"""Values of Sec-Fetch-Site, that only the browser sets: a page of ours, or an address that the user typed."""

BROWSER_HEADERS = (b"cookie", b"origin", b"referer", b"sec-fetch-site", b"sec-fetch-dest")
BROWSER_AGENTS = (b"mozilla/", b"opera/")
"""How the User-Agent of every browser begins; a page can't change it without a preflight."""


class CsrfCheck:
    """The check of requests by GET. `settings`: what counts as a proof, and which requests need one."""

    def __init__(self, settings: CsrfSettings) -> None:
        self.always = settings.mode == "always"
        self.proofs = tuple(name.encode("latin-1", "replace") for name in settings.headers)
        self.advice = f"send it by POST, or with one of the headers {', '.join(settings.headers)}"

    def check(self, raw: Mapping[bytes, bytes]) -> None:
        """Raise RequestError CSRF_PREVENTED for a request that another site's page may have caused.

        `raw`: its headers, whose content type is that of JSON if there is one.
        """
        if raw.get(b"content-type") or any(raw.get(name) for name in self.proofs):
            return
        if self.always or (is_from_browser(raw) and raw.get(b"sec-fetch-site") not in OWN_SITE):
            message = f"the page of another site may have caused this request; {self.advice}"
            raise RequestError(message, "CSRF_PREVENTED")

    def check_form(self, raw: Mapping[bytes, bytes]) -> None:
        """Raise RequestError CSRF_PREVENTED for a form that another site's page may have sent.

        A page can send a form to any site without a preflight, so its content type proves nothing.
        """
        self.check({name: value for name, value in raw.items() if name != b"content-type"})


def is_from_browser(raw: Mapping[bytes, bytes]) -> bool:
    """Return whether a browser seems to have sent a request; it may then act for a user who is signed in."""
    if any(name in raw for name in BROWSER_HEADERS):
        return True
    return raw.get(b"user-agent", b"").lower().startswith(BROWSER_AGENTS)


def csrf_check(settings: CsrfSettings) -> CsrfCheck | None:
    """Return the check that the settings ask for; None if they ask for none."""
    return None if settings.mode == "never" else CsrfCheck(settings)
