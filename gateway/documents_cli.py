"""The commands `gateway documents`: make a manifest of trusted documents, and check one."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gateway import options
from gateway.config.load import read_config
from gateway.core.errors import SettingsError
from gateway.document_check import check_documents
from gateway.documents.make import make_documents, manifest_text
from gateway.documents.manifests import ManifestError, read_manifest
from gateway.engine import make_engine
from gateway.serve import read_text
from gateway.settings import Limits, Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.local import LocalTransport

documents_app = typer.Typer(
    help="Trusted documents: make a manifest of them, and check one.", no_args_is_help=True
)


@documents_app.command("make")
def make(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of *.graphql files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The output file; by default standard output.")
    ] = None,
    format: Annotated[str, typer.Option(help="The format of the manifest: apollo or relay.")] = "apollo",
    prefix: Annotated[
        bool, typer.Option("--prefix", help="Begin ids with `sha256:`, as GraphQL over HTTP has them.")
    ] = False,
) -> None:
    """Make a manifest: a document for each operation in the files, with its fragments from all files."""
    if format not in ("apollo", "relay"):
        raise SettingsError(f"--format: expected apollo or relay, got {format!r}", "BAD_OPTION")
    files = sorted(folder.rglob("*.graphql"))
    if not files:
        raise SettingsError(f"found no *.graphql files in {folder}", "BAD_OPTION")
    documents = make_documents({str(file): read_text(str(file), "the file") for file in files})
    text = manifest_text(documents, "relay" if format == "relay" else "apollo", prefix)
    if output is None:
        print(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
        print(f"{len(documents)} documents written into {output}", file=sys.stderr)


@documents_app.command("check")
def check(
    manifest: Annotated[str, typer.Argument(metavar="MANIFEST", help="The manifest.")],
    supergraph: Annotated[str, typer.Option(help="The supergraph SDL.")],
    config: options.Config = None,
    limit: options.Limit = None,
) -> None:
    """Check each document against the supergraph and the limits; print every mistake with its place.

    The exit code is 1 when there are mistakes.
    """
    base = Settings() if config is None else read_config(Path(config), os.environ)
    limits = replace(base.limits, **options.changed(Limits, limit, "--limit"))
    settings = replace(base, limits=limits, compile=False)
    graph = load_supergraph(read_text(supergraph, "the supergraph"))
    engine = make_engine(graph, LocalTransport({}), settings)
    try:
        documents = read_manifest(read_text(manifest, "the manifest"))
    except ManifestError as error:
        raise SettingsError(f"{manifest}: {error}", "INVALID_DOCUMENTS") from error
    mistakes = list(check_documents(engine, documents))
    for mistake in mistakes:
        print(mistake)
    wrong = len({(one.document.client, one.document.id) for one in mistakes})
    print(f"{len(documents)} documents, {wrong} of them with mistakes", file=sys.stderr)
    raise typer.Exit(1 if mistakes else 0)
