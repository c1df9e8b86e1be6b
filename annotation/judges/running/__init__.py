"""Asking judges: an event loop in its own thread asks, the calling thread keeps the books."""
