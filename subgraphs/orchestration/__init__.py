"""The orchestration service: sagas over the other services, and how they go."""
