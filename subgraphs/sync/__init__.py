"""The sync service: what is on its way from service to service, what became of it, and how long it took."""
