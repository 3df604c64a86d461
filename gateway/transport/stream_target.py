"""Where and how the gateway subscribes to one subgraph."""

from dataclasses import dataclass

from gateway.core.errors import SubgraphError
from gateway.security.signatures import RequestSigner
from gateway.settings import SubgraphSubscriptions, SubgraphTls
from gateway.transport.dial import Dialer


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """Where and how the gateway subscribes to one subgraph.

    - `url`: as configured, for messages. `host`: the value of the header Host. `path`: with the query.
    - `tls`: the settings; None for connections without TLS. `dialer`: shared by subgraphs with the same
      server and the same settings of TLS.
    - `signer`: signs requests by POST; None for a subgraph without signatures.
    """

    subgraph: str
    url: str
    host: str
    path: str
    tls: SubgraphTls | None
    dialer: Dialer
    settings: SubgraphSubscriptions
    signer: RequestSigner | None = None

    def error(self, message: str, code: str, cause: BaseException | None = None) -> SubgraphError:
        """Return an error of the subgraph. `message`: a predicate."""
        error = SubgraphError(message, code, subgraph=self.subgraph)
        error.__cause__ = cause
        return error


def no_target(subgraph: str) -> SubgraphError:
    """Return the error for a subgraph without a URL."""
    message = f"has no URL for subscriptions; set subgraphs.{subgraph}.subscriptions.url"
    return SubgraphError(message, "SUBGRAPH_UNREACHABLE", subgraph=subgraph)
