"""The process that runs the user's code; standard library only, Python 3.8 to 3.13.

But for arrays: `tensors` and `outputs` import numpy, `cuda` imports cupy, those of the script's own
interpreter, and they are imported only for a deployment that asks for them.

Started by path under the deployment's own interpreter, never imported by it under this name: its
`__main__` loads the folder as `_mesh_runner`, so that no module of the user's can collide with it.
The supervisor imports `frames`, `outbound` and `cell`, which both sides share.
"""
