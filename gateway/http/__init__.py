"""The HTTP interface: GraphQL over HTTP, GraphiQL, and health checks."""
