"""Differential fuzz: random supergraphs are cut from a "monolith", one schema with data.

The gateway's response to a random operation must be that of the monolith. Start at `run` and `test_fuzz`.
"""
