"""One objective core: score, link and extra terms; presets are configurations of it."""
