"""What the gateway tells about itself: facts from a closed list, and those who listen."""
