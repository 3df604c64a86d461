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
from gateway.settings.cost import CostHeaders, CostSettings, SubgraphBudgets
from gateway.settings.documents import (
    AutomaticDocumentSettings,
    DocumentMode,
    DocumentSettings,
    HeaderSecret,
    HeaderValue,
    RedisSettings,
    RemoteDocumentSettings,
    SelectorSettings,
)
from gateway.settings.limits import Limits
from gateway.settings.subgraphs import ConnectionSettings, HeaderRules, SubgraphSettings
from gateway.settings.tree import ServerSettings, Settings
from gateway.settings.units import HeaderName, Secret

__all__ = [
    "ASYMMETRIC",
    "Algorithm",
    "AuthenticationSettings",
    "AuthorizationSettings",
    "AutomaticDocumentSettings",
    "ClaimRule",
    "ConnectionSettings",
    "CostHeaders",
    "CostSettings",
    "DocumentMode",
    "DocumentSettings",
    "HeaderName",
    "HeaderRules",
    "HeaderSecret",
    "HeaderValue",
    "IssuerSettings",
    "Limits",
    "RedisSettings",
    "RemoteDocumentSettings",
    "Secret",
    "SelectorSettings",
    "ServerSettings",
    "Settings",
    "SubgraphBudgets",
    "SubgraphSettings",
]
