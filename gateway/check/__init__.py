"""Comparing two supergraphs as their clients see them: what breaks, what may surprise, what is safe."""
