"""Subscriptions whose events come from Redis: streams, which clients can resume, and channels."""
