"""From the features of a picture and of a sentence to one query vector; torch for networks only."""
