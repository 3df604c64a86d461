"""The musicians service: profiles of musicians, and the catalogue of skills."""
