"""Methods of the arena `calibration`."""
