"""What can be said about data before anything is trained on it: one file here, one form of data."""
