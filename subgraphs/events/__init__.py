"""The events service: stores the events of all services, which admins query as an audit.

It never changes or deletes a stored event.
"""
