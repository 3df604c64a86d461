"""The library of all services: HTTP endpoint, database, events, commands, identity, and GraphQL helpers."""
