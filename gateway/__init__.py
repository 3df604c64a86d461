"""A GraphQL federation gateway: it composes subgraphs by Apollo Federation v2, plans operations, executes the
plans.

`cli` is its command line, `app.create_app` its ASGI application.
"""
