"""Facts about the running gateway, the observer that passes them to listeners, and the log, which is one of
them.
"""
