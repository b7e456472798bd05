"""`mesh up`: the broker, the gateway and the scaler as supervised processes on one machine.

`folder` is the state folder, `permissions` who may do what on the broker, `broker` the nats-server,
`programs` what else is started, `child` and `reaper` keeping it alive, `supervise` the whole.
"""
