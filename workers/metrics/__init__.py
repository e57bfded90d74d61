"""Ranking metrics: matrices in, figures out."""
