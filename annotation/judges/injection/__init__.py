"""How far a judge can be talked round from inside a completion: measured, not assumed."""
