"""Giving the merged tree the operation's shape: projection, null propagation, introspection. Pure."""
