"""Methods of the arena `coverage`."""
