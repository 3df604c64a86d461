"""The service of matching: which musicians fit a request, and why."""
