"""Methods of the arena `gp_distillation`."""
