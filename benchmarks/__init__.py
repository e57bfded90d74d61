"""Measurements, one command each: `python -m benchmarks NAME` writes its table to results/."""
