"""What stands on recurrent layers: one head, one file."""
