"""Sending requests to subgraphs: over HTTP, or by direct calls in the same process."""
