"""Commands by id: `log` carries them out once, `recovery` those that were left, `status` tells of them."""
