"""Who calls: verified JSON Web Tokens become identities. Needs the extra `jwt` (joserfc).

key_sets (the issuers' keys, read again from time to time) > tokens (signature and claims) > authenticate.
"""
