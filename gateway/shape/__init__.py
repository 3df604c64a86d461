"""Shaping the merged data into the response: projection, null propagation, introspection. Pure."""
