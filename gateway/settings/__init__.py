"""The settings and their defaults: one tree of frozen values, with a description and the valid range of each.

`config` reads them from a YAML file and the environment, `options` from the command line; both use the
descriptions and ranges that are written here, and `gateway config reference` prints them. Nothing here reads
a file or the environment.
"""

from gateway.settings.access import (
    ASYMMETRIC,
    Algorithm,
    AuthenticationSettings,
    AuthorizationSettings,
    ClaimRule,
    IssuerSettings,
)
from gateway.settings.cache import (
    CacheSettings,
    InvalidationSettings,
    MutationCacheRule,
    SubgraphCacheSettings,
    TypeCacheSettings,
)
from gateway.settings.cost import CostHeaders, CostSettings, SubgraphBudgets
from gateway.settings.documents import (
    AutomaticDocumentSettings,
    DocumentMode,
    DocumentSettings,
    HeaderSecret,
    HeaderValue,
    RemoteDocumentSettings,
    SelectorSettings,
)
from gateway.settings.door import CorsSettings, CsrfSettings
from gateway.settings.errors import ErrorSettings
from gateway.settings.events import EventCondition, EventFieldSettings, EventSettings
from gateway.settings.headers import (
    NOT_FOR_SUBGRAPHS,
    TRACING_HEADERS,
    HeaderRules,
    RequestHeaderRule,
    ResponseHeaderRule,
    SubgraphHeaderRules,
)
from gateway.settings.limits import Limits, UploadSettings
from gateway.settings.rates import KeySettings, RateRule, RateSettings, RedisSettings, RevocationSettings
from gateway.settings.signing import SigningSettings
from gateway.settings.subgraphs import ConnectionSettings, SubgraphSettings
from gateway.settings.subscriptions import (
    CallbackSettings,
    SingleConnectionSettings,
    StreamProtocol,
    SubgraphSubscriptions,
    SubscriptionSettings,
    WebSocketSettings,
)
from gateway.settings.tls import ServerTls, SubgraphTls
from gateway.settings.tree import ServerSettings, Settings
from gateway.settings.units import HeaderName, Secret

__all__ = [
    "ASYMMETRIC",
    "NOT_FOR_SUBGRAPHS",
    "TRACING_HEADERS",
    "Algorithm",
    "AuthenticationSettings",
    "AuthorizationSettings",
    "AutomaticDocumentSettings",
    "CacheSettings",
    "CallbackSettings",
    "ClaimRule",
    "ConnectionSettings",
    "CorsSettings",
    "CostHeaders",
    "CostSettings",
    "CsrfSettings",
    "DocumentMode",
    "DocumentSettings",
    "ErrorSettings",
    "EventCondition",
    "EventFieldSettings",
    "EventSettings",
    "HeaderName",
    "HeaderRules",
    "HeaderSecret",
    "HeaderValue",
    "InvalidationSettings",
    "IssuerSettings",
    "KeySettings",
    "Limits",
    "MutationCacheRule",
    "RateRule",
    "RateSettings",
    "RedisSettings",
    "RemoteDocumentSettings",
    "RequestHeaderRule",
    "ResponseHeaderRule",
    "RevocationSettings",
    "Secret",
    "SelectorSettings",
    "ServerSettings",
    "ServerTls",
    "Settings",
    "SigningSettings",
    "SingleConnectionSettings",
    "StreamProtocol",
    "SubgraphBudgets",
    "SubgraphCacheSettings",
    "SubgraphHeaderRules",
    "SubgraphSettings",
    "SubgraphSubscriptions",
    "SubgraphTls",
    "SubscriptionSettings",
    "TypeCacheSettings",
    "UploadSettings",
    "WebSocketSettings",
]
