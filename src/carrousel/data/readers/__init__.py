"""A user's files as sequences: one file here, one format."""
