"""Subscriptions: streams of events from subgraphs and queues, executed once for all equal subscribers."""
