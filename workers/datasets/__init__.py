"""Data sets: what the trainers and evaluations read, and the demo catalogue Akin draws itself."""
