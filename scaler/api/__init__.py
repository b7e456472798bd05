"""The management service: every change to desired state goes through it.

`service` takes the verbs, `endpoints` and `deployments` carry them out, `views` answers.
"""
