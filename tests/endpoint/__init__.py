"""A judge's endpoint as a test tool: real HTTP in its own process, faithful to the protocols."""
