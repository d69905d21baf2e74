"""Rewrites of graphs, one a file; none imports another."""
