"""Sends requests to subgraphs: over HTTP, or by direct calls to services in the same process.

All transports implement `base.Transport`; wrappers (the loader, triggers, plugins) do so, too.
"""
