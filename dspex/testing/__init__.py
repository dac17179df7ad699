"""What tests of dspex, and of programs built on it, need: workers that misbehave on request.

Nothing here is imported by the engine.
"""
