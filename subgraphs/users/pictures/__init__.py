"""Profile pictures: their formats, the stores that have their files, and the deletion of what nobody has."""
