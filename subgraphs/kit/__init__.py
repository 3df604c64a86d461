"""The library of all services: HTTP endpoint, database, events, commands, identity, and GraphQL helpers.

It contains nothing about music. `service` joins the parts; `serve` runs a service as a process.
"""
