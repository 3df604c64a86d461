"""The sample data: musicians and clients in real cities, with requests, bookings and reviews.

It is generated from a seed, so its names and ids are always the same, and copied into the services'
databases.
"""

from subgraphs.platform.sample.load import load

__all__ = ["load"]
