"""What the program does, one module each: check, plan, pull, verify, explain, drift, undo."""
