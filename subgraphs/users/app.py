"""The wiring of the users service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path
from typing import Final

from gateway.settings import UploadSettings
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
from subgraphs.users.pictures.cleaner import PictureCleaner
from subgraphs.users.pictures.formats import MOST_BYTES
from subgraphs.users.pictures.handlers import PictureHandlers
from subgraphs.users.pictures.page import PicturesPage
from subgraphs.users.pictures.server import PicturesServer
from subgraphs.users.pictures.settings import PictureSettings
from subgraphs.users.revocation_publisher import RevocationPublisher
from subgraphs.users.schema import schema
from subgraphs.users.session_cache import SessionCache
from subgraphs.users.session_handlers import SessionHandlers
from subgraphs.users.settings import UsersSettings

UPLOADS: Final = UploadSettings(files=1, size=MOST_BYTES + 2_000_000)
"""More than the gateway lets through (`gateway.yaml`), and that more than a picture may have: what is in
between is the user's mistake, with a message at the field.
"""
MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the users service; the caller starts it.

    Raises ServiceSettingsError without JWT_PRIVATE_KEY_FILE, or for a wrong variable (`users/settings`).
    """
    private_key = _private_key(settings)
    own = UsersSettings.of(settings)
    database = Database(settings.database_url, clock=settings.clock)
    signer = TokenSigner(private_key, own.access_seconds, settings.clock)
    tokens = MailTokens(private_key)
    sessions = SessionHandlers(signer, own.session_lifetime, MailHandlers(tokens))
    store = own.pictures.store
    pictures = PictureHandlers(store)
    bus = Bus(database, {**COMMAND_HANDLERS, **sessions.by_command(), **pictures.by_command()})
    queue = streams.Queue(settings.redis_url)
    revocations, cached = RevocationPublisher(database, queue.redis), SessionCache(queue.redis)
    service = Service(
        "users",
        schema=schema,
        context=lambda caller: UsersContext(
            caller, database, bus, revocations, cached, tokens, own.pictures.public_url
        ),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        uploads=UPLOADS,
        parts=[
            queue,
            revocations,
            Relay(database, queue.redis, "users"),
            PictureCleaner(database, store),
            *_picture_server(own.pictures),
        ],
    )
    service.asgi = PicturesPage(service.asgi, store)
    return service


def _private_key(settings: ServiceSettings) -> Path:
    """Return the file with the key that signs users' tokens. Raises ServiceSettingsError without one."""
    if settings.jwt_private_key_file is None:
        raise ServiceSettingsError(
            "service users: the environment lacks JWT_PRIVATE_KEY_FILE:"
            " set it to the path of the PEM file with the key that signs users' tokens"
        )
    return settings.jwt_private_key_file


def _picture_server(settings: PictureSettings) -> list[PicturesServer]:
    """Return the server of a port for pictures only, if the settings have one."""
    if not settings.port:
        return []
    return [PicturesServer(PicturesPage(None, settings.store), settings.host, settings.port)]
