"""A plan compiled to Python functions: typed decoding of each reply, requests from byte templates, and one
encoding of the whole response.

The compiled path handles replies without errors whose values fit their types. Anything else (errors, values
of a wrong type, forbidden nulls) raises `NeedsExactPath`: the exact path then produces the response from the
same replies, and sends no call twice.
"""
