"""The predictive floor: what deployments were asked for, and what that lets expect."""
