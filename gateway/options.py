"""The options of `gateway serve`."""

from typing import Annotated

import typer

Supergraph = Annotated[str | None, typer.Option(help="The supergraph SDL, ours or another tool's.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")]
Operations = Annotated[str | None, typer.Option(help="A folder of example operations for GraphiQL.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one subgraph request.")]
ConnectTimeout = Annotated[float, typer.Option(min=0.01, help="Seconds for a new connection to a subgraph.")]
FirstByteTimeout = Annotated[
    float | None, typer.Option(min=0.01, help="Seconds until a subgraph's reply begins; as --timeout by default.")
]
Connections = Annotated[int, typer.Option(min=1, help="Connections to one subgraph at once.")]
SubgraphCa = Annotated[
    str | None, typer.Option(help="A file of certificates to trust besides the system's, for https subgraphs.")
]
Gzip = Annotated[bool, typer.Option("--gzip", help="Ask subgraphs for compressed replies.")]
OverrideLabel = Annotated[
    list[str] | None, typer.Option(help="A label of a progressive @override that is on for everyone.")
]
NoCompile = Annotated[bool, typer.Option("--no-compile", help="Run every plan on the exact path: slower, to compare.")]
NoShare = Annotated[
    bool, typer.Option("--no-share", help="Execute equal queries one by one, also when they come at the same time.")
]
NoBatch = Annotated[
    bool, typer.Option("--no-batch", help="Fetch entities for each request by itself, also at the same time.")
]
SagasFrom = Annotated[
    str | None, typer.Option("--sagas", help="MODULE:NAME of a function that gives the sagas which mutations start.")
]
Extension = Annotated[
    list[str] | None, typer.Option(help="A key of subgraphs' extensions that goes on to clients; repeat for more.")
]
Production = Annotated[bool, typer.Option("--production", help="No GraphiQL, no introspection, no plans to clients.")]
