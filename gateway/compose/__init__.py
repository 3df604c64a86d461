"""Composition: merges the SDLs of all subgraphs into one supergraph SDL, or reports every error found.

Called by the command line and by the reload; it reads no file. Start at `compose.compose`.
"""
