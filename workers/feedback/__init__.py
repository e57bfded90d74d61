"""How consistent a triplet is: what the models say of it, and what other triplets say."""
