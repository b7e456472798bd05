"""The scaler: the management service, and the loop that keeps deployments as they should be."""
