"""The notifications service: notifications of users, their delivery times and channels."""
