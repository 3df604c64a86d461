"""The sample data: a seeded world of musicians and clients in real cities, and how it gets into the
databases.
"""

from subgraphs.platform.sample.load import load

__all__ = ["load"]
