"""C models: what is read off the text, what is tabulated, and what is stopped."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate, checked
from dse.multipliers._declared import DeclaredError
from dse.multipliers.readers import ReadOptions, _c_model, read
from dse.multipliers.readers._c_source import declared_errors, figures, functions
from dse.multipliers.readers._header import holds_array
from tests.multipliers.files import CRUDE, EXACT, SIGNED, c_model, needs_compiler

needs_filter = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="no filter of system calls here"
)
HEADER = """/*** EvoApproxLib's style
***/
// MAE% = 6.53 %
// MAE = 4276
// WCE% = 27.15 %
// WCE = 17793
// WCRE% = 512.50 %
// EP% = 99.21 %
// MRE% = 53.17 %
// MSE = 29320.446e3
// PDK45_PWR = 0.0041 mW
// PDK45_AREA = 18.8 um2
// PDK45_DELAY = 0.11 ns
// FPGA_POWER = 3.0
"""


def model(path: Path, options: ReadOptions | None = None) -> Candidate:
    (candidate,) = read(path, options or ReadOptions(x_bits=4, w_bits=4))
    return candidate


def refusal(path: Path, options: ReadOptions | None = None) -> str:
    with pytest.raises(InputError) as caught:
        model(path, options)
    text = str(caught.value)
    assert "\n" not in text and str(path) in text
    return text


def test_figures_of_the_comments() -> None:
    assert figures(HEADER) == {"power_mw": 0.0041, "area_um2": 18.8, "delay_ns": 0.11}
    assert figures("/* POWER: 391 uW, DELAY = 1430 ps */") == pytest.approx({"power_mw": 0.391, "delay_ns": 1.43})
    assert figures("double PDK45_PWR = 3.0 mW;") == {}
    errors = {e.metric: (e.value, e.slack) for e in declared_errors(HEADER)}
    assert set(errors) == {"mae%", "mae", "wce%", "wce", "ep%", "mre%", "mse"}
    assert errors["mae%"] == pytest.approx((6.53, 0.01), rel=1e-3)
    assert errors["mae"] == pytest.approx((4276, 1), rel=1e-3)
    assert errors["mse"] == pytest.approx((29320446, 1), rel=1e-3)


def test_functions_of_the_text() -> None:
    text = """
    // int commented(int a, int b) { return 0; }
    static inline uint16_t half(const uint8_t a /* 4-bit */, uint8_t b) { if (a, b) { return 1; } return 0; }
    int one(int a) { return a; }
    unsigned long long mul4u_x(unsigned long long B, const unsigned long long A)
    { return A; }
    int declared(int a, int b);
    """
    found = functions(text)
    assert [f.name for f in found] == ["half", "mul4u_x"]
    assert found[0].a.unsigned and found[0].a.bits == 8 and found[1].a.name == "B" and found[1].b.unsigned


@pytest.mark.parametrize(
    "part",
    [
        *(
            "a ",
            "a",
            " ",
            "_ \n",
            "f(",
            "int f(",
            "int f(a ",
            "int f(int a,",
            "int f(int a, int b) ",
            "int f(int a,b)\n\n",
        )
    ]
    + [*("/*", "/", "//", "/* PWR=", "/* PWR = 1", "1", "PWR", "PWR_", "x[", "x[1][1]", "x [ 1 ] [ 1 ] = ", "{")]
    + ['#include "a/', "\n# include <.."],
)
def test_no_text_takes_long_to_search(part: str) -> None:
    """A megabyte each: minutes or more where the time grew with the square of the length."""
    for start in ("", "// PWR = ", "// MAE = ", "int f(int a, ", "x[", "# include <"):
        text = start + part * (1_000_000 // len(part))
        _c_model._OUTSIDE.search(text)
        assert functions(text) == [] and figures(text) == {} and not holds_array(text)
        assert len(declared_errors(text)) == (start == "// MAE = " and part == "1")


@needs_compiler
def test_tables_of_models(tmp_path: Path) -> None:
    assert np.array_equal(model(c_model(tmp_path, "mul4u_x")).table, EXACT)
    assert np.array_equal(model(c_model(tmp_path, "mul4u_c", "return A * (B & ~3);")).table, CRUDE)
    wide = model(c_model(tmp_path, "mul4x3u_x", "return A * 8 + B;"), ReadOptions())
    assert wide.table.shape == (16, 8) and wide.table[3, 5] == 29
    transposed = checked(model(tmp_path / "mul4u_c.c"), "wx")
    assert np.array_equal(transposed.table, CRUDE.T)
    assert transposed.power_mw == 0.4 and transposed.origin == "C model mul4u_c.c"


@needs_compiler
def test_widths_of_operands_that_are_listed_the_other_way_round(tmp_path: Path) -> None:
    path = c_model(tmp_path, "mul4x3u_x", "return A * 8 + B;")
    path.write_text(path.read_text().replace("uint8_t A, uint8_t B", "uint8_t B, uint8_t A"))
    assert model(path, ReadOptions()).table.shape == (8, 16)


@needs_compiler
@pytest.mark.parametrize("types", ["int8_t", "uint8_t", "uint64_t", "int"])
@pytest.mark.parametrize("returns", ["int16_t", "uint16_t", "uint64_t", "int"])
def test_signed_models_of_any_type(tmp_path: Path, types: str, returns: str) -> None:
    # As a circuit computes it: from the operands' low bits to the product's low bits.
    body = "int a = A & 15, b = B & 15; a -= a > 7 ? 16 : 0; b -= b > 7 ? 16 : 0; return a * b;"
    for mask in ("", " & 255"):
        path = c_model(tmp_path, "mul4s_x", body.replace("a * b", f"(a * b){mask}"), types)
        path.write_text(path.read_text().replace("int16_t mul4s", f"{returns} mul4s"))
        candidate = model(path)
        assert np.array_equal(candidate.table, SIGNED)
        assert bool(candidate.warnings) == types.startswith("uint")
    assert "signed" in "".join(candidate.warnings) or not types.startswith("uint")


@needs_compiler
def test_types_too_narrow_for_an_unsigned_operand(tmp_path: Path) -> None:
    candidate = model(c_model(tmp_path, "mul8u_x", "return (uint8_t)A * (uint8_t)B / 2;", "int8_t"), ReadOptions())
    assert candidate.warnings == ("operand A is typed int8_t, but the multiplier is unsigned; taken as unsigned",)


@needs_compiler
def test_what_a_model_may_contain(tmp_path: Path) -> None:
    """Its own main, other functions, output, an array; the function is the one that the file is named after."""
    path = c_model(tmp_path, "mul4u_x", 'printf("%d", A); return half(A, B) * 2 + (A & B & 1) + zero[0][0];')
    extra = "static const int zero[1][1] = {{0}};\nint half(int a, int b) { return a * b / 2; }\n"
    path.write_text(path.read_text().replace("int16_t mul", f"{extra}int16_t mul") + "int main(void) { return 3; }\n")
    assert np.array_equal(model(path).table, EXACT)
    path = path.rename(tmp_path / "other.c")
    assert "got half, mul4u_x; name the file after" in refusal(path)


@needs_compiler
def test_the_name_of_the_function_serves_where_the_file_has_another(tmp_path: Path) -> None:
    path = c_model(tmp_path, "mul4s_x", "return A * B;", "int8_t").rename(tmp_path / "mine.c")
    candidate = model(path, ReadOptions())
    assert candidate.name == "mine" and np.array_equal(candidate.table, SIGNED)


@needs_compiler
def test_declared_errors_are_held_against_the_table(tmp_path: Path) -> None:
    path = c_model(tmp_path, "mul4u_x", comments="// MAE = 1.5")
    assert model(path).declared == (DeclaredError("mae", 1.5, pytest.approx(0.1, rel=1e-3)),)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="its comment declares mae 1.5, but the table has 0"):
        checked(model(path))


@needs_compiler
@pytest.mark.parametrize("number", ["1e999", "1e" + "9" * 5000])
def test_declared_errors_beyond_all_numbers(tmp_path: Path, number: str) -> None:
    path = c_model(tmp_path, "mul4u_x", comments=f"// MAE = {number}")
    with pytest.raises(InputError, match="its comment declares mae inf, but the table has 0"):
        checked(model(path))


@needs_compiler
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("volatile int on = 1; while (on); return 0;", "did not end within 1 s of computing"),
        ("return *(volatile int *)0;", "crashed (SIGSEGV)"),
        ("volatile int zero = 0; return A / zero;", "crashed (SIGFPE)"),
        ("return mul4u_x(A, B) + 1;", "crashed (SIGSEGV)"),
        ("abort();", "crashed (SIGABRT)"),
        ("exit(0);", "ended after 0 of 256 products"),
        ("exit(3);", "ended with exit status 3"),
        ("for (;;) { volatile char *p = malloc(1 << 20); *p = 1; }", "crashed (SIGSEGV)"),
        ("for (;;) { volatile char *p = malloc(1 << 20); if (p) *p = 1; }", "did not end within 1 s"),
        ("extern unsigned sleep(unsigned); sleep(99); return 0;", "did not end within 3 s"),
        ("return A * B", "cannot be compiled (model.c:8:"),
        ('#include "beside.h"\nreturn 0;', "beside.h: No such file or directory"),
    ],
)
def test_models_that_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str) -> None:
    monkeypatch.setattr(_c_model, "CPU_S", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.h").write_text("")
    assert message in refusal(c_model(tmp_path, "mul4u_x", body))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beside.h", "mul4u_x.c"]


HEADERS = ("fcntl.h", "signal.h", "stdio.h", "stdlib.h", "sys/socket.h", "sys/stat.h", "sys/syscall.h", "unistd.h")


@needs_compiler
@needs_filter
@pytest.mark.parametrize(
    ("body", "at"),
    [
        ('FILE *f = fopen("stray", "w"); if (f) fputs("x", f);', "call"),
        ('if (system("touch stray")) return 1;', "call"),
        ("fork();", "call"),
        ("vfork();", "call"),
        ("syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);", "call"),
        ('execl("/bin/rm", "rm", "victim", NULL);', "call"),
        ('open("stray", O_CREAT | O_WRONLY, 0600);', "call"),
        ('syscall(SYS_openat, AT_FDCWD, "stray", O_CREAT | O_WRONLY, 0600);', "call"),
        ('unlink("victim");', "call"),
        ('rename("victim", "stray");', "call"),
        ('link("victim", "stray");', "call"),
        ('chmod("victim", 0);', "call"),
        ('truncate("victim", 0);', "call"),
        ('mkdir("stray", 0700);', "call"),
        ('rmdir("empty");', "call"),
        ('chdir("/");', "call"),
        ("socket(AF_INET, SOCK_STREAM, 0);", "call"),
        ("kill(getppid(), 0);", "call"),
        ("kill(-1, 0);", "call"),
        ("syscall(SYS_tgkill, getppid(), getppid(), 0);", "call"),
        ("setsid();", "call"),
        ('open("stray", O_CREAT | O_WRONLY, 0600);', "start"),
        ('unlink("victim");', "start"),
    ],
)
def test_models_that_reach_out_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, at: str) -> None:
    monkeypatch.setattr(_c_model, "CPU_S", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "victim").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    body = re.sub(r'"(stray|victim|empty)"', rf'"{tmp_path}/\1"', body)
    path = tmp_path / "models" / "mul4u_x.c"
    path.parent.mkdir()
    start = f"__attribute__((constructor(101))) static int early(void) {{ {body} return 0; }}"
    path.write_text(
        "".join(f"#include <{header}>\n" for header in HEADERS) + f"{start if at == 'start' else ''}\n"
        f"int mul4u_x(int a, int b) {{ {body if at == 'call' else ''} return a * b; }}\n"
    )
    assert "the model reaches out of itself" in refusal(path)
    path.unlink()
    path.parent.rmdir()
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "victim").read_text() == "kept"


@needs_compiler
@needs_filter
def test_a_model_does_not_get_between_the_guard_and_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("kept")
    path = c_model(tmp_path, "mul4u_x", f'unlink("{tmp_path}/victim"); return A * B;')
    calls = ("int prctl(int o, ...)", "int setrlimit(int w, const void *l)", "int dup(int f)", "int dup2(int f, int t)")
    more = ("int getpid(void)", "long syscall(long n, ...)", "void *memcpy(void *t, const void *f, unsigned long n)")
    between = "".join(f'{call} {{ unlink("{tmp_path}/victim"); return 0; }}\n' for call in (*calls, *more))
    path.write_text(f"int unlink(const char *);\n{between}{path.read_text().replace('#include <stdlib.h>', '')}")
    assert "the model reaches out of itself" in refusal(path)
    assert (tmp_path / "victim").read_text() == "kept"


@needs_compiler
def test_what_models_may_do(tmp_path: Path) -> None:
    body = """printf("%d\\n", A); fflush(stdout); time(NULL); clock(); int *p = malloc(1 << 22); p[A] = rand();
    free(p); return A * B;"""
    assert np.array_equal(model(c_model(tmp_path, "mul4u_x", body, comments="#include <time.h>")).table, EXACT)


@needs_compiler
def test_endless_output_is_not_collected(tmp_path: Path) -> None:
    body = "static char much[1 << 16]; for (;;) if (write(3, much, sizeof much) < 0) return 0;"
    path = c_model(tmp_path, "mul4u_x", body, comments="#include <unistd.h>")
    assert "the model writes more than 2,048 bytes" in refusal(path)


@needs_compiler
def test_endless_messages_of_the_compiler_are_not_collected(tmp_path: Path) -> None:
    doubled = "\n".join(f"#define M{i + 1} M{i} M{i}" for i in range(20))
    path = c_model(tmp_path, "mul4u_x", comments=f'#define M0 _Pragma("message \\"{"x" * 99}\\"")\n{doubled}\nM20')
    assert "cannot be compiled (writes more than 1,048,576 bytes)" in refusal(path)


@needs_compiler
def test_endless_includes_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_c_model, "_COMPILING", replace(_c_model._COMPILING, cpu_s=2, memory_kib=1 << 18))
    path = c_model(tmp_path, "mul4u_x", comments='#define WHERE "/dev/zero"\n#include WHERE')
    assert "cannot be compiled" in refusal(path)


@pytest.mark.parametrize(
    "line",
    [
        '#include "{}"',
        "# include <{}>",
        '\t#\tinclude\t"../pipe"',
        "#include <sys/../../pipe>",
        'asm(".incbin \\"{}\\"");',
    ],
)
def test_files_that_a_model_may_not_include(tmp_path: Path, line: str) -> None:
    """A pipe without a writer, on which a compiler would wait."""
    os.mkfifo(tmp_path / "pipe")
    path = c_model(tmp_path, "mul4u_x", comments=line.format(tmp_path / "pipe"))
    assert "expected a model that is one complete C file, got" in refusal(path)


@needs_compiler
def test_includes_that_are_fine(tmp_path: Path) -> None:
    lines = ('// #include "/dev/zero"', "#include <sys/types.h>", "/* .incbin */")
    assert np.array_equal(model(c_model(tmp_path, "mul4u_x", comments="\n".join(lines))).table, EXACT)


@needs_compiler
def test_products_that_are_none(tmp_path: Path) -> None:
    path = c_model(tmp_path, "mul4s_x", "return 300;", "int8_t")
    assert "returns 300, which no signed 8-bit product is" in refusal(path)
    with pytest.raises(InputError, match=r"outside 0\.\.255"):
        checked(model(c_model(tmp_path, "mul4u_x", "return 300;")))


def test_open_widths_and_missing_functions(tmp_path: Path) -> None:
    path = c_model(tmp_path, "mine", types="int")
    assert "expected operands of 2 to 12 bits, got ? and ?" in refusal(path, ReadOptions())
    assert "got 16 and 16; say --x-bits" in refusal(c_model(tmp_path, "mul16u_x", types="uint16_t"), ReadOptions())
    path.write_text("int f(int a) { return a; }")
    assert "expected one function of two integers, got none" in refusal(path)


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no C compiler (cc, gcc, clang) was found" in refusal(c_model(tmp_path, "mul4u_x"))
