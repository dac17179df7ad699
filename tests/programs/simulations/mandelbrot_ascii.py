# /// program
# about = "Draws the Mandelbrot set and a Sierpinski triangle in characters; elementary rule 30."
# stdout = '''
# |                                        |
# |                  ......::@:.....       |
# |             .......-@=@@@@@@@-#%..     |
# |     ......:-@-@=:-@@@@@@@@@@@@@@:..    |
# |   @@@@@@@@@@@@@@@@@@@@@@@@@@@@=:....   |
# |     ......:-@-@=:-@@@@@@@@@@@@@@:..    |
# |             .......-@=@@@@@@@-#%..     |
# |                  ......::@:.....       |
# |                                        |
# |          #          |
# |         ###         |
# |        ##  #        |
# |       ## ####       |
# |      ##  #   #      |
# |     ## #### ###     |
# |********|
# |* * * * |
# |**  **  |
# |*   *   |
# |****    |
# |* *     |
# |**      |
# |*       |
# '''
# ///
def mandelbrot(width, height, limit=30):
    shades = " .:-=+*#%@"
    for row in range(height):
        line = ""
        for column in range(width):
            c = complex(-2.2 + 3.2 * column / width, -1.2 + 2.4 * row / (height - 1))
            z, n = 0j, 0
            while abs(z) <= 2 and n < limit:
                z, n = z * z + c, n + 1
            line += shades[n * (len(shades) - 1) // limit]
        yield "|" + line + "|"


def rule(number, width, generations):
    cells = [0] * width
    cells[width // 2] = 1
    for _ in range(generations):
        yield "|" + "".join(" #"[c] for c in cells) + "|"
        cells = [
            number >> (cells[i - 1] << 2 | cells[i] << 1 | cells[(i + 1) % width]) & 1 for i in range(width)
        ]


print("\n".join(mandelbrot(40, 9)))
print("\n".join(rule(30, 21, 6)))
print("\n".join("|" + "".join("*" if not (x & y) else " " for x in range(8)) + "|" for y in range(8)))
