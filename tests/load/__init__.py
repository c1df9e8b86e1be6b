"""Many annotators at once, and what happens when processes are killed under them."""
