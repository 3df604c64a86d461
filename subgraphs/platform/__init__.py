"""The `mussikon` command: servers, databases, sample data, services and the gateway, started and watched
over.
"""
