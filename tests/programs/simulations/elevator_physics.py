# /// program
# about = "Physics in small steps: a bouncing ball, planets, conservation of energy."
# stdout = '''
# 2.48 s, peaks ['1.28', '0.82', '0.53']
# back at x = 1.00, energy kept: True
# '''
# ///
import math
from dataclasses import dataclass


@dataclass
class Body:
    mass: float
    x: float
    y: float
    vx: float
    vy: float


def bounce(height, restitution, dt=0.001):
    y, v, t, peaks = height, 0.0, 0.0, []
    while len(peaks) < 3:
        v_next = v - 9.81 * dt
        y += (v + v_next) / 2 * dt
        if y <= 0 and v_next < 0:
            y, v_next = 0.0, -v_next * restitution
            peaks.append(v_next**2 / (2 * 9.81))
        v, t = v_next, t + dt
    return t, peaks


def accelerate(bodies):
    out = []
    for a in bodies:
        ax = ay = 0.0
        for b in bodies:
            if a is not b:
                dx, dy = b.x - a.x, b.y - a.y
                r3 = math.hypot(dx, dy) ** 3
                ax, ay = ax + b.mass * dx / r3, ay + b.mass * dy / r3
        out.append((ax, ay))
    return out


def energy(bodies):
    kinetic = sum(b.mass * (b.vx**2 + b.vy**2) / 2 for b in bodies)
    a, b = bodies
    return kinetic - a.mass * b.mass / math.hypot(a.x - b.x, a.y - b.y)


def leapfrog(bodies, dt):
    for body, (ax, ay) in zip(bodies, accelerate(bodies)):
        body.vx, body.vy = body.vx + ax * dt / 2, body.vy + ay * dt / 2
        body.x, body.y = body.x + body.vx * dt, body.y + body.vy * dt
    for body, (ax, ay) in zip(bodies, accelerate(bodies)):
        body.vx, body.vy = body.vx + ax * dt / 2, body.vy + ay * dt / 2


seconds, peaks = bounce(2.0, 0.8)
print(f"{seconds:.2f} s, peaks", [f"{p:.2f}" for p in peaks])
sun, earth = Body(1.0, 0, 0, 0, 0), Body(3e-6, 1.0, 0, 0, 1.0)
before = energy([sun, earth])
for _ in range(628):
    leapfrog([sun, earth], 0.01)
print(f"back at x = {earth.x:.2f}, energy kept: {abs(energy([sun, earth]) / before - 1) < 1e-6}")
