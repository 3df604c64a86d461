"""The compiled path: a plan compiled to Python functions, used by `execution` for every plan that allows it.

Each reply is decoded with type checks, requests come from byte templates, and the whole response is encoded
at once. That covers replies without errors whose values fit their types. Anything else (errors, values of a
wrong type, forbidden nulls) raises `NeedsExactPath`: the exact path then produces the response from the same
replies, and sends no call twice.
"""
