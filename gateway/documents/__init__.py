"""Documents that clients send by id: where requests have the id, and the stores that have the documents."""
