"""The data folder: who may use it, the secrets and ports in it, and one launcher at a time."""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from subgraphs.platform.errors import LaunchError
from subgraphs.platform.processes import free_port, port_is_free


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Make a folder, or say why it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except FileExistsError as error:
        raise LaunchError(
            f"{path} is a file, and the data has to go into a folder.", "Say another one: --data FOLDER"
        ) from error
    except OSError as error:
        raise LaunchError(
            f"The folder {path} cannot be made: {error.strerror}.",
            "Give yourself the right to write there, or say another one: --data FOLDER",
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise LaunchError(
            f"You may not write into {path}.",
            f"Make it yours (sudo chown -R $USER {path}), or say another one: --data FOLDER",
        )
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_text(path: Path) -> str | None:
    """The text of a file, None where there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LaunchError(
            f"You may not read {path}.",
            f"Run as the user who made it, or make it yours: sudo chown -R $USER {path.parent}",
        ) from error


def secret(path: Path) -> str:
    """The password kept in this file, made the first time."""
    known = read_text(path)
    if not known:
        known = secrets.token_urlsafe(24)
        write_private(path, known)
    return known


def steady_port(path: Path) -> int:
    """The port recorded in this file as long as it is free, otherwise a new one."""
    known = read_text(path)
    if known and known.isdigit() and port_is_free(int(known)):
        return int(known)
    port = free_port()
    path.write_text(f"{port}\n")
    return port


class FolderLock:
    """One launcher for a data folder: a lock that the kernel lets go of when its holder dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock, or say who has it."""
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise LaunchError(
                f"The data folder {folder} is in use by process {holder}.",
                f"Stop it (kill {holder}), or say another folder: --data FOLDER",
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let the next one in."""
        self._file.close()
