"""numpy without files, pickles, addresses and reinterpreted memory: what of it programs get.

Arrays in a program's hands are real ones, so `names.GUARDED_NAMES` refuses the same on their type. No
program can define `__array_interface__`, by which numpy would read any address it is told.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_OFFERED = frozenset(
    "load save savez savez_compressed loadtxt savetxt genfromtxt fromregex fromfile memmap frombuffer DataSource "
    "ctypeslib lib core _core f2py testing distutils compat emath char rec ma polynomial typing dtypes exceptions "
    "get_include show_config show_runtime info source who lookfor deprecate disp test safe_eval byte_bounds "
    "add_docstring add_newdoc seterrcall geterrcall setbufsize getbufsize set_numeric_ops nested_iters nditer "
    "flatiter broadcast from_dlpack fromstring asmatrix bmat matrix mat random linalg fft strings version conftest "
    "may_share_memory shares_memory array2string set_string_function busdaycalendar printoptions recarray record "
    "chararray require get_array_wrap issctype maximum_sctype obj2sctype sctype2char sctypeDict sctypes typecodes "
    "frompyfunc matlib array_api use_hugepage asarray_chkfinite interp".split()
) - {"interp", "asarray_chkfinite", "printoptions", "broadcast"}
_LINALG = (
    "cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_power matrix_rank multi_dot norm pinv qr slogdet "
    "solve svd tensorinv tensorsolve LinAlgError trace cross outer"
)
_FFT = "fft ifft rfft irfft fft2 ifft2 fftn ifftn rfft2 irfft2 rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"
_RANDOM = (
    "default_rng seed rand randn randint random random_sample choice shuffle permutation normal uniform exponential "
    "binomial poisson beta gamma standard_normal multivariate_normal lognormal triangular geometric chisquare "
    "Generator"
)
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def is_installed() -> bool:
    """Tell whether numpy is installed, without importing it."""
    return importlib.util.find_spec("numpy") is not None


def import_numpy() -> ModuleType | None:
    """Import numpy, if it is installed, in such a way that it starts no threads."""
    if not is_installed():
        return None
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        module = importlib.import_module("numpy")
        for name in ("random", "linalg", "fft", "_core._methods", "_core._dtype_ctypes", "_core._dtype"):
            importlib.import_module(f"numpy.{name}")
    finally:
        for name in _THREADS:
            os.environ.pop(name, None)
    return module


def seed(numpy: ModuleType, drawn: bytes) -> None:
    """Seed what numpy draws from where a program makes no generator of its own."""
    numpy.random.seed(numpy.frombuffer(drawn, dtype=numpy.uint32))


def exports(numpy: ModuleType, draw: Callable[[int], bytes]) -> dict[str, dict[str, Any]]:
    """Return names by module: all public functions and scalar types but those left out.

    Args:
        numpy: The module.
        draw: Where a generator without a seed gets one from: so many bytes.
    """
    def default_rng(seed: Any = None) -> Any:
        """Return a new generator of random numbers; without a seed, one that nobody can foresee."""
        return numpy.random.default_rng(int.from_bytes(draw(16), "little") if seed is None else seed)

    offered = {
        name: getattr(numpy, name)
        for name in numpy.__all__
        if not name.startswith("_") and name not in _NOT_OFFERED
    }
    offered = {name: value for name, value in offered.items() if not isinstance(value, ModuleType)}
    found = {"numpy": offered}
    for name, listed in (("linalg", _LINALG), ("fft", _FFT), ("random", _RANDOM)):
        module = getattr(numpy, name)
        found[f"numpy.{name}"] = {one: getattr(module, one) for one in listed.split() if hasattr(module, one)}
    found["numpy.random"]["default_rng"] = default_rng
    return found


NOT_OFFERED = tuple(sorted(_NOT_OFFERED))
"""Public names of numpy that programs do not get."""
