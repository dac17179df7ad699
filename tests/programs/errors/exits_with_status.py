# /// program
# about = "A command-line tool that ends with sys.exit and a status other than 0."
# args = ["--strict", "3", "-4"]
# stdout = '''
# sum -1
# '''
# stderr = '''
# negative number in strict mode
# '''
# [raises]
# "type" = "SystemExit"
# "message" = "3"
# ///
import sys


def main(argv):
    strict = "--strict" in argv
    numbers = [int(a) for a in argv if a != "--strict"]
    print("sum", sum(numbers))
    if strict and min(numbers) < 0:
        print("negative number in strict mode", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
