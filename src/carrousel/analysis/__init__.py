"""What can be read off a cell's graph: complexity, typing, scans, counts. All of it is derived; nothing is typed in per cell."""
