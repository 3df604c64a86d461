"""The texts of e-mail about accounts."""

from typing import Final

from subgraphs.notifications.addresses import AccountMail

_TITLES: Final = {
    "confirm_email": "Confirm your e-mail address",
    "reset_password": "Choose a new password",
}
_TEXTS: Final = {
    "confirm_email": "Hello {name},\n\nplease confirm that this is your address, within three days:\n\n"
    "{what}\n\nIf you have no account at MussikOn, ignore this message.\n",
    "reset_password": "Hello {name},\n\nyou can choose a new password for your account, within an hour:\n\n"
    "{what}\n\nIf you have not asked for it, ignore this message: your password stays as it is.\n",
}
_PAGES: Final = {"confirm_email": "confirm-email", "reset_password": "reset-password"}


def letter(kind: str, mail: AccountMail, site: str | None) -> tuple[str, str]:
    """Return the subject and the text of a mail of this kind, with a link to `site`, or else the token alone.

    The token is behind `#`, so that no server and no proxy logs it.
    """
    what = f"{site.rstrip('/')}/{_PAGES[kind]}#{mail.token}" if site else f"Code: {mail.token}"
    return _TITLES[kind], _TEXTS[kind].format(name=mail.username, what=what)
