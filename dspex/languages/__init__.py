"""What a worker can run. `base` says what a language promises, `table` names those there are.

The folder `guest` holds code that runs inside the sandbox, not in any process of the host.
"""
