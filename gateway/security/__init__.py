"""Who calls: verified JSON Web Tokens become identities, which needs the extra `jwt` (joserfc).

key_sets (the issuers' keys, read again from time to time) > tokens (signature and claims) > authenticate.
`download` fetches key sets, and documents. `signatures` and `signed_requests`, by which subgraphs know the
gateway, need no extra.
"""
