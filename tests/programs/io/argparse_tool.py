# /// program
# about = "argparse with sub-commands, types, choices and defaults, fed from sys.argv."
# args = ["convert", "--from", "km", "--to", "mi", "--digits", "2", "10", "42.195"]
# value = "10"
# stdout = '''
# [6.21, 26.22]
# ['ft', 'km', 'm', 'mi'] 2
# usage: units [-h] [-v] {convert,list} ...
# usage: units convert [-h] --from {m,km,mi,ft} [--to {m,km,mi,ft}]
#                      [--digits DIGITS]
#                      values [values ...]
# units convert: error: argument values: invalid float value: 'far'
# exit 2
# usage: units [-h] [-v] {convert,list} ...
# units: error: the following arguments are required: command
# exit 2
# '''
# ///
import argparse
import sys

TO_METRES = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "ft": 0.3048}


def build():
    parser = argparse.ArgumentParser(prog="units", description="Convert lengths.")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    convert = commands.add_parser("convert")
    convert.add_argument("values", type=float, nargs="+")
    convert.add_argument("--from", dest="source", choices=TO_METRES, required=True)
    convert.add_argument("--to", dest="target", choices=TO_METRES, default="m")
    convert.add_argument("--digits", type=int, default=3)
    commands.add_parser("list").add_argument("--sort", action=argparse.BooleanOptionalAction)
    return parser


def main(argv=None):
    options = build().parse_args(argv)
    if options.command == "list":
        return sorted(TO_METRES) if options.sort else list(TO_METRES)
    factor = TO_METRES[options.source] / TO_METRES[options.target]
    return [round(value * factor, options.digits) for value in options.values]


print(main())
print(main(["-vv", "list", "--sort"]), build().parse_args(["-vv", "list"]).verbose)
print(build().format_usage().strip())
for bad in (["convert", "--from", "km", "far"], []):
    sys.stderr = sys.stdout
    try:
        main(bad)
    except SystemExit as stop:
        print("exit", stop.code)
len(sys.argv)
