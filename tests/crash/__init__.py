"""Killing the processes that write, at every point where they write, and looking at what is left."""
