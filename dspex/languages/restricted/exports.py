"""Which modules there are and which names each of them has: written by hand, never taken from `dir`.

A program never gets a module, only a `Module` with these names. What is left out follows attributes
that a text names, opens files, runs text, or hands out modules; what of that programs often want is
in `stand_ins` instead, under its usual name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPORTS: dict[str, str] = {
    "__future__": "annotations division print_function generators nested_scopes",
    "abc": "ABC abstractmethod",
    "argparse": "ArgumentParser ArgumentError ArgumentTypeError ArgumentDefaultsHelpFormatter BooleanOptionalAction "
    "HelpFormatter MetavarTypeHelpFormatter Namespace ONE_OR_MORE OPTIONAL PARSER REMAINDER RawDescriptionHelpFormatter "
    "RawTextHelpFormatter SUPPRESS ZERO_OR_MORE",
    "array": "array typecodes",
    "base64": "b64encode b64decode urlsafe_b64encode urlsafe_b64decode standard_b64encode standard_b64decode "
    "b32encode b32decode b32hexencode b32hexdecode b16encode b16decode b85encode b85decode a85encode a85decode "
    "encodebytes decodebytes",
    "binascii": "hexlify unhexlify b2a_hex a2b_hex b2a_base64 a2b_base64 crc32 crc_hqx b2a_qp a2b_qp Error Incomplete "
    "b2a_uu a2b_uu",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "calendar": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY Calendar TextCalendar HTMLCalendar calendar "
    "month monthcalendar monthrange weekday weekheader isleap leapdays timegm day_name day_abbr month_name month_abbr "
    "prmonth prcal firstweekday setfirstweekday IllegalMonthError IllegalWeekdayError",
    "cmath": "acos acosh asin asinh atan atanh cos cosh e exp inf infj isclose isfinite isinf isnan log log10 nan nanj "
    "phase pi polar rect sin sinh sqrt tan tanh tau",
    "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque namedtuple",
    "collections.abc": "Awaitable Coroutine AsyncIterable AsyncIterator AsyncGenerator Hashable Iterable Iterator "
    "Generator Reversible Sized Container Callable Collection Set MutableSet Mapping MutableMapping MappingView "
    "KeysView ItemsView ValuesView Sequence MutableSequence ByteString",
    "configparser": "ConfigParser RawConfigParser BasicInterpolation ExtendedInterpolation SectionProxy Error "
    "NoSectionError DuplicateSectionError DuplicateOptionError NoOptionError ParsingError MissingSectionHeaderError "
    "InterpolationError DEFAULTSECT",
    "contextlib": "AbstractContextManager AbstractAsyncContextManager AsyncExitStack ContextDecorator "
    "AsyncContextDecorator ExitStack aclosing asynccontextmanager closing contextmanager nullcontext suppress",
    "contextvars": "Context ContextVar Token copy_context",
    "csv": "reader writer DictReader DictWriter Dialect excel excel_tab unix_dialect Error QUOTE_ALL QUOTE_MINIMAL "
    "QUOTE_NONE QUOTE_NONNUMERIC QUOTE_STRINGS QUOTE_NOTNULL Sniffer register_dialect get_dialect list_dialects "
    "unregister_dialect field_size_limit",
    "datetime": "date datetime time timedelta timezone tzinfo MINYEAR MAXYEAR UTC",
    "decimal": "Decimal Context DecimalException Clamped DivisionByZero DivisionUndefined DivisionImpossible Inexact "
    "InvalidContext InvalidOperation Overflow Rounded Subnormal Underflow FloatOperation ROUND_CEILING ROUND_DOWN "
    "ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP ROUND_05UP getcontext localcontext setcontext "
    "DefaultContext BasicContext ExtendedContext MAX_PREC MAX_EMAX MIN_EMIN HAVE_THREADS",
    "difflib": "SequenceMatcher Differ HtmlDiff get_close_matches unified_diff context_diff ndiff restore IS_LINE_JUNK "
    "IS_CHARACTER_JUNK",
    "enum": "Enum IntEnum StrEnum Flag IntFlag auto unique nonmember member KEEP STRICT CONFORM EJECT verify UNIQUE "
    "CONTINUOUS NAMED_FLAGS property",
    "errno": "EEXIST ENOENT EACCES EPERM EINVAL EISDIR ENOTDIR ENOTEMPTY EBADF ENOSPC EDQUOT EMFILE EROFS EINTR EAGAIN "
    "EPIPE ERANGE EDOM ELOOP EXDEV errorcode",
    "fnmatch": "fnmatch fnmatchcase filter translate",
    "fractions": "Fraction",
    "functools": "partial reduce lru_cache cache cached_property cmp_to_key total_ordering partialmethod",
    "graphlib": "TopologicalSorter CycleError",
    "hashlib": "md5 sha1 sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256 blake2b "
    "blake2s new pbkdf2_hmac scrypt algorithms_available algorithms_guaranteed",
    "heapq": "heappush heappop heapify heapreplace heappushpop merge nlargest nsmallest",
    "hmac": "new digest compare_digest HMAC",
    "html": "escape unescape",
    "html.entities": "html5 name2codepoint codepoint2name entitydefs",
    "html.parser": "HTMLParser",
    "http": "HTTPStatus HTTPMethod",
    "io": "StringIO BytesIO TextIOWrapper BufferedReader BufferedWriter BufferedRandom IOBase RawIOBase BufferedIOBase "
    "TextIOBase UnsupportedOperation SEEK_SET SEEK_CUR SEEK_END DEFAULT_BUFFER_SIZE IncrementalNewlineDecoder",
    "ipaddress": "ip_address ip_network ip_interface IPv4Address IPv6Address IPv4Network IPv6Network IPv4Interface "
    "IPv6Interface AddressValueError NetmaskValueError summarize_address_range collapse_addresses get_mixed_type_key "
    "v4_int_to_packed v6_int_to_packed",
    "itertools": "accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile "
    "filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest",
    "json": "dumps loads dump load JSONEncoder JSONDecoder JSONDecodeError",
    "keyword": "iskeyword issoftkeyword kwlist softkwlist",
    "math": "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2 "
    "expm1 fabs factorial floor fma fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp "
    "lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt sumprod tan tanh "
    "tau trunc ulp",
    "numbers": "Number Complex Real Rational Integral",
    "operator": "abs add and_ concat contains countOf delitem eq floordiv ge getitem gt iadd iand iconcat ifloordiv "
    "ilshift imatmul imod imul index indexOf inv invert ior ipow irshift is_ is_not isub itemgetter itruediv ixor le "
    "length_hint lshift lt matmul mod mul ne neg not_ or_ pos pow rshift setitem sub truediv truth xor",
    "pprint": "pprint pformat pp isreadable isrecursive saferepr",
    "queue": "Queue LifoQueue PriorityQueue SimpleQueue Empty Full",
    "quopri": "encodestring decodestring",
    "re": "compile search match fullmatch split findall finditer sub subn escape purge error Pattern Match RegexFlag "
    "NOFLAG A ASCII I IGNORECASE L LOCALE M MULTILINE S DOTALL U UNICODE X VERBOSE PatternError",
    "reprlib": "repr recursive_repr",
    "sched": "scheduler Event",
    "shlex": "split join quote",
    "stat": "S_ISDIR S_ISREG S_ISLNK S_IFMT S_IMODE S_IFDIR S_IFREG S_IFLNK S_IRUSR S_IWUSR S_IXUSR S_IRWXU ST_MODE ST_SIZE "
    "ST_MTIME filemode",
    "statistics": "mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode multimode "
    "quantiles pstdev pvariance stdev variance covariance correlation linear_regression LinearRegression NormalDist "
    "StatisticsError kde kde_random",
    "string": "ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable punctuation "
    "whitespace Template",
    "struct": "pack unpack pack_into unpack_from iter_unpack calcsize Struct error",
    "textwrap": "TextWrapper wrap fill shorten dedent indent",
    "time": "struct_time strftime strptime gmtime localtime mktime asctime ctime timezone tzname daylight altzone",
    "tomllib": "loads load TOMLDecodeError",
    "types": "MappingProxyType FunctionType LambdaType GeneratorType CoroutineType AsyncGeneratorType "
    "MethodType BuiltinFunctionType BuiltinMethodType NoneType NotImplementedType EllipsisType GenericAlias UnionType",
    "typing": "Annotated Any AnyStr AsyncContextManager AsyncGenerator AsyncIterable AsyncIterator Awaitable BinaryIO "
    "Callable ChainMap ClassVar Collection Concatenate Container ContextManager Coroutine Counter DefaultDict Deque Dict "
    "Final FrozenSet Generator Generic Hashable IO ItemsView Iterable Iterator KeysView List Literal LiteralString Mapping "
    "MappingView Match MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoReturn NotRequired Optional "
    "OrderedDict ParamSpec ParamSpecArgs ParamSpecKwargs Pattern Protocol ReadOnly Required Reversible Self Sequence Set "
    "Sized SupportsAbs SupportsBytes SupportsComplex SupportsFloat SupportsIndex SupportsInt SupportsRound TYPE_CHECKING "
    "Text TextIO Tuple TypeAlias TypeAliasType TypeGuard TypeIs TypeVar TypeVarTuple TypedDict Union Unpack ValuesView "
    "assert_never assert_type cast final overload override reveal_type runtime_checkable dataclass_transform",
    "unicodedata": "name lookup category bidirectional combining decimal digit numeric east_asian_width mirrored normalize "
    "is_normalized decomposition unidata_version",
    "urllib.parse": "urlparse urlsplit urlunparse urlunsplit urljoin urldefrag parse_qs parse_qsl urlencode quote "
    "quote_plus quote_from_bytes unquote unquote_plus unquote_to_bytes ParseResult SplitResult",
    "uuid": "UUID NAMESPACE_DNS NAMESPACE_URL NAMESPACE_OID NAMESPACE_X500 uuid3 uuid5 SafeUUID",
    "weakref": "ref WeakKeyDictionary WeakValueDictionary WeakSet WeakMethod finalize getweakrefcount ReferenceType",
    "zlib": "compress decompress crc32 adler32 error compressobj decompressobj Z_BEST_COMPRESSION Z_BEST_SPEED "
    "Z_DEFAULT_COMPRESSION MAX_WBITS",
    "bz2": "compress decompress BZ2Compressor BZ2Decompressor",
    "lzma": "compress decompress LZMACompressor LZMADecompressor LZMAError FORMAT_XZ FORMAT_ALONE FORMAT_RAW CHECK_CRC32 "
    "CHECK_CRC64 CHECK_SHA256 CHECK_NONE",
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError InvalidTimeZoneError",
}
"""Names taken from the real modules as they are; those that this Python lacks are left out."""

BASES = (
    "abc.ABC array.array collections.ChainMap collections.Counter collections.OrderedDict collections.UserDict "
    "collections.UserList collections.defaultdict collections.deque contextlib.AbstractContextManager "
    "contextlib.AbstractAsyncContextManager contextlib.ContextDecorator contextlib.AsyncContextDecorator "
    "contextlib.ExitStack csv.Dialect csv.excel decimal.Decimal enum.Enum enum.Flag enum.IntEnum enum.IntFlag "
    "enum.StrEnum fractions.Fraction functools.partial html.parser.HTMLParser io.BufferedIOBase io.BytesIO io.IOBase "
    "io.RawIOBase io.StringIO io.TextIOBase json.JSONDecoder json.JSONEncoder random.Random string.Template "
    "typing.Generic typing.Protocol "
    "numbers.Number numbers.Complex numbers.Real numbers.Rational numbers.Integral"
).split()
"""Classes written in Python that a program may derive from, beside those of `collections.abc`."""

HINTS = {
    "os": "os.path, os.environ, listdir, makedirs, remove and the like are offered",
    "os.system": "no other program can be run",
    "os.popen": "no other program can be run",
    "http.client": "there is no network; give the program a tool instead",
    "requests": "there is no network; give the program a tool instead",
    "ctypes": "native code is out of reach",
    "marshal": "json keeps data without code",
    "multiprocessing": "asyncio runs things side by side",
    "concurrent": "asyncio runs things side by side",
    "importlib": "use an import statement",
    "inspect.currentframe": "frames and code are out of reach",
    "inspect.stack": "frames and code are out of reach",
    "gc.get_objects": "collect, enable and disable are offered",
    "logging.config": "logging.basicConfig and addHandler do it",
    "logging.makeLogRecord": "use a logger",
    "warnings.showwarning": "use warnings.catch_warnings(record=True)",
    "dis": "frames and code are out of reach",
    "builtins": "the built-in functions are there under their own names",
    "collections.UserString": "derive from str",
    "typing.get_type_hints": "read __annotations__",
    "pandas": "language='python' with image='scientific' has it",
    "scipy": "language='python' with image='scientific' has it",
    "matplotlib": "language='python' with image='scientific' has it",
    "sqlite3": "language='python' has it",
}
"""What to do instead of an import that is refused."""


class Module:
    """What a program gets in place of a module: names, and nothing that leads to the module."""

    def __init__(self, name: str, offered: Mapping[str, Any]) -> None:
        self.__dict__.update(offered, __name__=name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"module {self.__dict__['__name__']!r} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"module {self.__dict__['__name__']!r} cannot be changed")

    def __repr__(self) -> str:
        return f"<module {self.__dict__['__name__']!r}>"


Module.__name__ = Module.__qualname__ = "module"


def import_all() -> None:
    """Import every module that something is taken from, so that all its classes are there."""
    for name in EXPORTS:
        importlib.import_module(name)


def load(stand_ins: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Import what is listed and return the names of each module.

    Args:
        stand_ins: Names by module that are ours; they come before what is listed.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, listed in EXPORTS.items():
        module = importlib.import_module(name)
        found[name] = {one: getattr(module, one) for one in listed.split() if hasattr(module, one)}
    for name, given in stand_ins.items():
        found.setdefault(name, {}).update(given)
    return found


def link(found: dict[str, dict[str, Any]]) -> dict[str, Module]:
    """Make the modules, each with its submodules as attributes."""
    for name in sorted(found):
        above = name.rpartition(".")[0]
        while above:
            found.setdefault(above, {})
            above = above.rpartition(".")[0]
    made: dict[str, Module] = {}
    for name in sorted(found, key=lambda one: -one.count(".")):
        below = {
            one.rpartition(".")[2]: module
            for one, module in made.items()
            if one.rpartition(".")[0] == name
        }
        made[name] = Module(name, {**found[name], **below})
    return made
