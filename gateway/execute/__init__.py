"""Running a plan: fetches are sent as soon as their predecessors have ended; entities are collected, looked
up and merged into the response.
"""
