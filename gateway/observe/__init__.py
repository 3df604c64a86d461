"""Facts about the running gateway, and the listeners that receive them."""
