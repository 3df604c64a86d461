"""TLS contexts, and what is wrong with a TLS connection in words."""

import ssl

from gateway.core.errors import SettingsError
from gateway.settings import ConnectionSettings, ServerTls, SubgraphTls


def subgraph_context(common: ConnectionSettings, own: SubgraphTls) -> ssl.SSLContext:
    """Return the context of the connections to a subgraph.

    `common`: its authorities are trusted besides the system's. `own`: the subgraph's settings; only its
    authorities are trusted, if it names some. Raises SettingsError FILE_NOT_READABLE or INVALID_CERTIFICATE.
    """
    if own.ca is None:
        context = ssl.create_default_context()
        if common.ca is not None:
            _trust(context, common.ca)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, own.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = own.certificate or common.certificate, own.key or common.key
    if certificate is not None and key is not None:
        _load_pair(context, certificate, key, "")
    return context


def server_context(settings: ServerTls, *_: object) -> ssl.SSLContext:
    """Return the context of the gateway's own server. uvicorn passes further arguments, which are not used.

    Raises SettingsError FILE_NOT_READABLE or INVALID_CERTIFICATE.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    password = settings.password.value if settings.password is not None else ""
    _load_pair(context, settings.certificate, settings.key, password)
    if settings.client_ca is not None:
        _trust(context, settings.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _trust(context: ssl.SSLContext, ca: str) -> None:
    """Have a context trust the authorities in a file."""
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # an invalid certificate raises SSLError, an OSError
        message = f"the certificates in {ca} can't be read: {error}"
        raise SettingsError(message, "FILE_NOT_READABLE") from error


def _load_pair(context: ssl.SSLContext, certificate: str, key: str, password: str) -> None:
    """Have a context present a certificate. `password`: of the key; OpenSSL would ask a person for it."""
    try:
        context.load_cert_chain(certificate, key, lambda: password)
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password that is too long
        reason = (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
        message = f"the certificate in {certificate} can't be used with the key in {key}: {reason}"
        raise SettingsError(message, "INVALID_CERTIFICATE") from error
    except OSError as error:
        message = f"the certificate {certificate} or the key {key} can't be read: {error.strerror or error}"
        raise SettingsError(message, "FILE_NOT_READABLE") from error


def connection_fault(error: BaseException | None, silent: bool = False) -> str:
    """Return why a connection to a subgraph failed, as a predicate.

    `error`: of the connection. `silent`: whether the subgraph closed a new TLS connection instead of
    replying, which some servers do to clients without a certificate.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "the reason is unknown").lower().replace("_", " ")
        return f"ended the TLS connection: {reason}"
    if silent:
        return "closed the TLS connection without a reply; it may demand a client certificate"
    return "can't be reached"
