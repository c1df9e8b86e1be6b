"""Views parse, call services and selectors, and render. They hold no rules."""
