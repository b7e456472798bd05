"""The gateway: HTTP in, messages on the deployments' work queues out, and the answers back."""
