"""The events service: stores the events of all services, which admins query as an audit. It changes none."""
