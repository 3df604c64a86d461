"""The door: GraphQL over HTTP, GraphiQL, health."""
