"""The kernel of the mesh: words, values, the one door to NATS, the settings, the CLI and the SDK.

It knows nothing of the programs (`gateway`, `workers`, `scaler`), which import it and meet on NATS.
"""
