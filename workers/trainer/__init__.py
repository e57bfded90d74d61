"""What training recipes are made of: pictures, captions, losses, checkpoints, progress."""
