"""The service of musicians: their profiles, skills and portfolios."""
