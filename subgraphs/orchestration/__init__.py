"""The orchestration service: sagas over the other services, their status, and a dashboard."""
