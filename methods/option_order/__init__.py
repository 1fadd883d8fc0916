"""Methods of the arena `option_order`."""
