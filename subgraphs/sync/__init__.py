"""The sync service: tracks events from service to service, with their outcome and latency."""
