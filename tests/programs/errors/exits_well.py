# /// program
# about = "A program whose main function ends with sys.exit(0)."
# stdout = '''
# working
# leaving
# '''
# ///
import atexit
import sys


def main():
    print("working")
    try:
        return 0
    finally:
        print("leaving")


if __name__ == "__main__":
    sys.exit(main())
