# /// program
# about = "Writes to standard output and to standard error, in text and in bytes."
# stdout = "to out\nno newline\nbytes é\nby descriptor\na-b-c!\ntabs\tand\\slashes|unicode ✓ 日本\nutf-8 True False\nx\ny\n"
# stderr = '''
# to err
# err by descriptor
# 0 1 2 3 4
# '''
# ///
import os
import sys

print("to out")
print("to err", file=sys.stderr)
sys.stdout.write("no newline")
sys.stdout.write("\n")
sys.stdout.flush()
sys.stdout.buffer.write("bytes é\n".encode())
sys.stdout.flush()
os.write(1, b"by descriptor\n")
os.write(2, b"err by descriptor\n")
print("a", "b", "c", sep="-", end="!\n")
print("tabs\tand\\slashes", "unicode ✓ 日本", sep="|")
print(sys.stdout.encoding, sys.stdin.read() == "", sys.stdout.isatty())
print(*range(5), file=sys.stderr)
sys.stdout.writelines(["x\n", "y\n"])
