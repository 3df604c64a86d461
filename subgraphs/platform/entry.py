"""The entry point of the installed `mussikon` command.

An installation of the gateway alone lacks packages that the platform needs; the command then says so.
"""

import importlib
import sys

_OURS = ("gateway", "subgraphs")


def main() -> None:
    """Run the command; if an imported package is not installed, exit with 1 and say what to install."""
    try:
        cli = importlib.import_module("subgraphs.platform.cli")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in _OURS:
            raise
        advice = "the platform needs more than the gateway: pip install 'mussikon[platform]'"
        sys.exit(f"mussikon: the package {error.name!r} is not installed; {advice}")
    cli.main()
