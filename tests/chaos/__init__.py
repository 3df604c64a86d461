"""Subscriptions while everything is killed and started again."""
