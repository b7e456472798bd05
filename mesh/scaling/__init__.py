"""How many instances a deployment should have: what the scaler decides, and the simulator too."""
