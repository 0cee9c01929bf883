"""Values as text or JSON for people and machines: pure functions, nothing is read or sent."""
