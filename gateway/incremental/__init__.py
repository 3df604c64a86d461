"""@defer and @stream: executes the parts of a response that are sent later."""
