"""The command line options for settings of single services, such as --smtp-url: one for each row of a table.

`cli` adds them to `mussikon run` by a decorator; `environment` passes their values to the services.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Final

import typer

Own = Mapping[str, Mapping[str, str]]
"""Values of variables by name, by service."""


@dataclass(frozen=True, slots=True)
class ServiceOption:
    """An option that becomes a variable of one service; `parameter` is `smtp_url` for --smtp-url."""

    parameter: str
    service: str
    variable: str
    help: str


SERVICE_OPTIONS: Final = (
    ServiceOption(
        "smtp_url",
        "notifications",
        "NOTIFICATIONS_SMTP_URL",
        "The SMTP server for e-mail: smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS&starttls=true, or smtps://."
        " Without it, e-mail is written to the folder mailbox in the data folder.",
    ),
    ServiceOption(
        "push_webhook",
        "notifications",
        "NOTIFICATIONS_PUSH_WEBHOOK",
        "The URL that push messages are posted to.",
    ),
    ServiceOption(
        "sms_webhook", "notifications", "NOTIFICATIONS_SMS_WEBHOOK", "The URL that SMS are posted to."
    ),
    ServiceOption(
        "site_url",
        "notifications",
        "NOTIFICATIONS_SITE_URL",
        "The URL of the website, for links in e-mail: SITE/confirm-email#TOKEN, SITE/reset-password#TOKEN.",
    ),
)


def with_service_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with one option per row of SERVICE_OPTIONS in place of its parameter `own`.

    The returned command calls `command` with the values that the user has set, as `own`.
    """

    @wraps(command)
    def wrapped(**options: Any) -> None:
        own: dict[str, dict[str, str]] = {}
        for row in SERVICE_OPTIONS:
            if value := options.pop(row.parameter):
                own.setdefault(row.service, {})[row.variable] = value
        command(**options, own=own)

    signature = inspect.signature(command)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "own"]
    added = [
        inspect.Parameter(
            row.parameter,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(help=row.help)],
        )
        for row in SERVICE_OPTIONS
    ]
    vars(wrapped)["__signature__"] = signature.replace(parameters=[*kept, *added])
    return wrapped
