"""What a policy is compared with."""
