"""The data folder of a platform: its creation, the passwords and ports in it, and a lock for one launcher.

The embedded servers store their passwords and ports in it, so that they are the same at the next start.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from subgraphs.platform.errors import LaunchError
from subgraphs.platform.processes import free_port, port_is_free


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Create a folder, unless it exists, and return its path.

    Raises LaunchError if that fails or the folder is not writable. `mode`: the access rights of a new folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except FileExistsError as error:
        raise LaunchError(
            f"{path} must be a folder, but it is a file.", "Use another folder: --data FOLDER"
        ) from error
    except OSError as error:
        raise LaunchError(
            f"The folder {path} cannot be created: {error.strerror}.",
            "Get the right to write there, or use another folder: --data FOLDER",
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise LaunchError(
            f"You may not write into {path}.",
            f"Become its owner (sudo chown -R $USER {path}), or use another folder: --data FOLDER",
        )
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; an interrupted write leaves the old file."""
    draft = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_text(path: Path) -> str | None:
    """Return the stripped text of a file; None if it does not exist.

    Raises LaunchError if this user may not read it.
    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LaunchError(
            f"You may not read {path}.",
            f"Run as the user who created it, or become its owner: sudo chown -R $USER {path.parent}",
        ) from error


def secret(path: Path) -> str:
    """Return the password in this file; generate it if the file does not exist."""
    known = read_text(path)
    if not known:
        known = secrets.token_urlsafe(24)
        write_private(path, known)
    return known


def steady_port(path: Path) -> int:
    """Return the port that this file contains if it is free; else write a free port to the file and return
    it.
    """
    known = read_text(path)
    if known and known.isdigit() and port_is_free(int(known)):
        return int(known)
    port = free_port()
    path.write_text(f"{port}\n")
    return port


class FolderLock:
    """A lock on a data folder for one launcher at a time; the kernel releases it when the process ends."""

    def __init__(self, folder: Path) -> None:
        """Acquire the lock. Raises LaunchError if another process has it."""
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise LaunchError(
                f"The data folder {folder} is in use by process {holder}.",
                f"Stop it (kill {holder}), or use another folder: --data FOLDER",
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Release the lock, so that another launcher can use the folder."""
        self._file.close()
