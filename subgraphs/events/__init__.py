"""The events service: the audit over all services, who did what, when, and because of what."""
