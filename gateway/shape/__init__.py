"""Makes the response of the merged response, on the exact path: projection, null propagation, introspection.

Pure.
"""
