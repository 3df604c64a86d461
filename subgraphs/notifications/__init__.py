"""The notifications service: makes notifications from other services' events, and publishes an event for
each notification that is to be sent. Other programs send mail, push and SMS.
"""
