"""`make mutants`: plants faults in a copy of the gateway, one at a time; the bounded run must find all of
them.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutant_list import MUTANTS, Mutant

ROOT = Path(__file__).parent.parent.parent
SECONDS = 240
_FILES = ("tests/gateway/support.py", "tests/validity.py")


def plant(mutant: Mutant, folder: Path) -> None:
    """Copy the gateway and what the fuzz needs into a folder, with the fault in it."""
    ignored = shutil.ignore_patterns("node_modules", "__pycache__", "dist")
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=ignored)
    for name in ("tests/fuzz", "tests/cases/fuzz"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in _FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    path = folder / mutant.file
    text = path.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.name}: the old text must stand once in {mutant.file}"
    path.write_text(text.replace(mutant.old, mutant.new))


def found(mutant: Mutant) -> str:
    """Return how the bounded run showed a fault; "" if it did not."""
    with tempfile.TemporaryDirectory() as folder:
        plant(mutant, Path(folder))
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.run",
            "--seed=1",
            "--cuts=20",
            "--operations=800",
            "--stop",
            "--kept",
        ]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no end in {SECONDS} s"
    if not done.returncode:
        return ""
    return (done.stdout or done.stderr.strip().rpartition("\n")[2]).partition("\n")[0]


def main() -> int:
    """Plant each fault, and print whether it was found."""
    count = 0
    for mutant in MUTANTS:
        started = time.monotonic()
        how = found(mutant)
        count += bool(how)
        word = "found" if how else "survived"
        print(f"  {mutant.name:<44} {word:<9} {time.monotonic() - started:4.0f} s  {how[:90]}", flush=True)
    print(f"{len(MUTANTS)} mutants, {count} found")
    return 0 if count == len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main())
