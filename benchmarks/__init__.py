"""Throughput and latency of the mesh, beside a floor and its peers, on one machine."""
