"""Methods of the arena `transfer_rates`."""
