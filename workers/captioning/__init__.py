"""Captions for pictures that have none: from the catalogue's own words, CoCa, or an endpoint."""
