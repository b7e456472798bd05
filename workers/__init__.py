"""The worker: one instance of a deployment, its NATS side and its runner processes."""
