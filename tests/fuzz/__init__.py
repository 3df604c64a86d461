"""Differential fuzz: random supergraphs cut from a monolith; the gateway must answer as the monolith does."""
