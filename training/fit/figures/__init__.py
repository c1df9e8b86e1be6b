"""What a run reports, from what its model said: numpy only."""
