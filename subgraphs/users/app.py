"""The wiring of the users service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenSigner, TokenVerifier
from subgraphs.kit.queue import streams
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.users.handlers import COMMAND_HANDLERS
from subgraphs.users.loaders import UsersContext
from subgraphs.users.mail_handlers import MailHandlers
from subgraphs.users.mail_model import MailTokens
from subgraphs.users.revocation_publisher import RevocationPublisher
from subgraphs.users.schema import schema
from subgraphs.users.session_cache import SessionCache
from subgraphs.users.session_handlers import SessionHandlers
from subgraphs.users.settings import UsersSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the users service; the caller starts it.

    Raises ServiceSettingsError without JWT_PRIVATE_KEY_FILE, or for a wrong variable (`users/settings`).
    """
    if settings.jwt_private_key_file is None:
        raise ServiceSettingsError(
            "service users: the environment lacks JWT_PRIVATE_KEY_FILE:"
            " set it to the path of the PEM file with the key that signs users' tokens"
        )
    own = UsersSettings.of(settings)
    database = Database(settings.database_url, clock=settings.clock)
    signer = TokenSigner(settings.jwt_private_key_file, own.access_seconds, settings.clock)
    tokens = MailTokens(settings.jwt_private_key_file)
    sessions = SessionHandlers(signer, own.session_lifetime, MailHandlers(tokens))
    bus = Bus(database, {**COMMAND_HANDLERS, **sessions.by_command()})
    queue = streams.Queue(settings.redis_url)
    revocations, cached = RevocationPublisher(database, queue.redis), SessionCache(queue.redis)
    return Service(
        "users",
        schema=schema,
        context=lambda caller: UsersContext(caller, database, bus, revocations, cached, tokens),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[queue, revocations, Relay(database, queue.redis, "users")],
    )
