"""The sample data: musicians and clients in real cities, generated from a seed, and loaded into the
databases.
"""

from subgraphs.platform.sample.load import load

__all__ = ["load"]
