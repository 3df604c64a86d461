"""The events service: an audit of the events of all services."""
