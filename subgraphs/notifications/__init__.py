"""The service of notifications: what users are told of, when, and by which way."""
