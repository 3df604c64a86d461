"""Files that clients upload: `files` holds them while they arrive, `form` reads them from a form."""
