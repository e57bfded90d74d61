"""New triplets from unlabelled pictures: distinct ones, paired by rank, told by templates."""
