# /// program
# about = "A command line tool with argparse sub-commands, exit codes, files and standard input."
# stdout = '''
# running count
#   3 b
#   2 a
# 0 0
# exit 2
# exit 2
# '''
# stderr = '''
# usage: words count [-h] [--top N] files [files ...]
# words count: error: the following arguments are required: files
# usage: words make [-h] [--name {a,b}]
# words make: error: argument --name: invalid choice: 'z' (choose from 'a', 'b')
# '''
# [wrote]
# "b.txt" = "b a b c a b"
# ///
import argparse
import sys
from collections import Counter
from pathlib import Path


def build_parser():
    parser = argparse.ArgumentParser(prog="words", description="Counts words.")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    count = commands.add_parser("count", help="count words of files")
    count.add_argument("files", nargs="+", type=Path)
    count.add_argument("--top", type=int, default=3, metavar="N")
    count.set_defaults(run=run_count)
    make = commands.add_parser("make")
    make.add_argument("--name", choices=["a", "b"], default="a")
    make.set_defaults(run=run_make)
    return parser


def run_count(args):
    words = Counter()
    for path in args.files:
        if not path.exists():
            print(f"no such file: {path}", file=sys.stderr)
            return 1
        words.update(path.read_text().lower().split())
    for word, count in words.most_common(args.top):
        print(f"{count:3} {word}")
    return 0


def run_make(args):
    Path(f"{args.name}.txt").write_text("b a b c a b")
    return 0


def main(argv=None):
    args = build_parser().parse_args(argv)
    if args.verbose:
        print(f"running {args.command}")
    return args.run(args)


print(main(["make", "--name", "b"]), main(["-vv", "count", "b.txt", "--top", "2"]))
for bad in (["count"], ["make", "--name", "z"]):
    try:
        main(bad)
    except SystemExit as stop:
        print("exit", stop.code)
