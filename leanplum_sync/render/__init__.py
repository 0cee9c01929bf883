"""Renderings for people and machines, as pure functions: nothing is read or sent."""
