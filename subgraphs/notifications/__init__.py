"""The notifications service: makes notifications of other services' events, and publishes an event for each
that is to be sent. Other programs send mail, push and SMS.
"""
