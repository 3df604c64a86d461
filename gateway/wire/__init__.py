"""Protocols of streams as state machines without I/O: WebSocket, GraphQL over it, SSE, multipart."""
