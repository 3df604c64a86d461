"""Cached subgraph replies: a transport that looks values up before it sends a call for the missing ones."""
