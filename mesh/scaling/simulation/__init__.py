"""A deployment in the computer's head: demand in, requests queued and answered, counts decided."""
