"""The policy of the mesh beside those of others, on the same demand."""
