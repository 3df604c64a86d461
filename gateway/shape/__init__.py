"""Shapes the merged data into the response, for the exact path: projection, null propagation, introspection.

Pure.
"""
