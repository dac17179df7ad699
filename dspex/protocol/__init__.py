"""What supervisor and workers say to each other, without doing any input or output.

`framing` turns bytes into frames, `messages` frames into typed messages, `turn` says whose turn it
is and what may follow. Parent and child code meet here and nowhere else; both import it, so it
imports nothing heavier than msgspec.
"""
