"""The notifications service: makes notifications from other services' events, and sends them by e-mail, push
and SMS; it also sends the users service's e-mail about accounts.
"""
