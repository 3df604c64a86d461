"""The orchestration service: runs sagas over the other services, returns their states, and has a
dashboard.
"""
