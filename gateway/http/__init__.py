"""The HTTP interface: GraphQL over HTTP by two doors (`direct`, `asgi`), GraphiQL, and health checks."""
