"""Wardrobe: a shop's catalogue of garments, drawn, titled, priced and captioned from a seed."""
