"""The Verilog that is read, against plain integer arithmetic; and what is refused, with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.circuits import GATES, Netlist, from_verilog, product_table, simplified, to_verilog
from dse.circuits.families import designs
from dse.exceptions import InputError
from tests.circuits.test_evaluate import netlists

PORTS = "module m(input [3:0] a, input [3:0] b, output [7:0] p);"
A, B = np.indices((16, 16))


def table(body: str, **arguments: object) -> np.ndarray:
    return product_table(from_verilog(f"{PORTS}\n{body}\nendmodule", **arguments))  # type: ignore[arg-type]


def bit(values: np.ndarray, index: int) -> np.ndarray:
    return values >> index & 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("assign p = a & b;", A & B),
        ("assign p = a | b;", A | B),
        ("assign p = a ^ b;", A ^ B),
        ("assign p = ~(a ^ b);", ~(A ^ B) & 255),  # operands are extended first, as IEEE 1364 has it
        ("assign p = {4'b0, ~(a ^ b)};", ~(A ^ B) & 15),
        ("assign p = a ~^ b;", ~(A ^ B) & 255),
        ("assign p = a ^~ b;", ~(A ^ B) & 255),
        ("assign p = a + b;", A + B),
        ("assign p[3:0] = a + b; assign p[7:4] = 0;", (A + B) & 15),
        ("assign p = a & b | a ^ b & 4'd3;", (A & B) | (A ^ (B & 3))),
        ("assign p = (a == b) ? a : b;", np.where(A == B, A, B)),
        ("assign p = a[0] ? b : a != b ? a : 8'hf0;", np.where(A & 1, B, np.where(A != B, A, 240))),
        ("assign p = &a;", (A == 15) * 1),
        ("assign p = ~|a;", (A == 0) * 1),
        ("assign p = ^{a, b};", sum(bit(A, i) + bit(B, i) for i in range(4)) % 2),
        ("assign p = ~^a;", 1 - sum(bit(A, i) for i in range(4)) % 2),
        ("assign p = !a || a && b;", ((A == 0) | ((A > 0) & (B > 0))) * 1),
        ("assign p = {a[1:0], 2'b10, {2{b[3], b[0]}}};", (A & 3) << 6 | 2 << 4 | (bit(B, 3) * 10 + bit(B, 0) * 5)),
        ("assign {p[7:6], p[5:0]} = {a, b};", A << 4 | B),
        ("assign p[0] = a[3], p[7:1] = 7'h2_5;", bit(A, 3) | 0x25 << 1),
        ("wire [3:0] t = a & b; wire [0:3] r; assign r = t; assign p = {r[0], r[3], r};",
         (A & B) | (bit(A & B, 3) * 32) | bit(A & B, 0) * 16),
        ("wire u; and g1 (p[0], a[0], b[0], a[1]), (p[1], a[1], b[1]); nor (p[2], a[2], b[2]);\n"
         "xnor x(p[3], a[3], b[3], a[0]);"
         "not n (p[4], p[5], a[0]); buf (p[6], u); nand (u, a[1], b[1]); assign p[7] = 1'b1;",
         bit(A, 0) * bit(B, 0) * bit(A, 1) | bit(A, 1) * bit(B, 1) << 1 | (1 - (bit(A, 2) | bit(B, 2))) << 2
         | (1 - (bit(A, 3) ^ bit(B, 3) ^ bit(A, 0))) << 3 | (1 - bit(A, 0)) * 48 | (1 - bit(A, 1) * bit(B, 1)) << 6 | 128),
        ("wire \\odd.name[3] ; assign \\odd.name[3] = a[0]; assign p = \\odd.name[3] + b; // end\n/* two\nlines */",
         (A & 1) + B),
        ("(* keep *) wire c; assign p = {7'b0, c}; assign c = a[0];", A & 1),
        ("assign p = late; wire [7:0] late; assign late = a;", A),
    ],
)  # fmt: skip
def test_expressions_and_gates(body: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(table(body), np.broadcast_to(expected, (16, 16)))


CELLS = [
    ("AND2X1", "A B", "Y", lambda a, b: a & b),
    ("OR2X2", "A B", "Y", lambda a, b: a | b),
    ("XOR2X1", "A B", "Y", lambda a, b: a ^ b),
    ("XNOR2X1", "A B", "Y", lambda a, b: 1 ^ a ^ b),
    ("NAND2X1", "A B", "Y", lambda a, b: 1 ^ a & b),
    ("NAND3X1", "A B C", "Y", lambda a, b, c: 1 ^ a & b & c),
    ("NOR2X1", "A B", "Y", lambda a, b: 1 ^ (a | b)),
    ("NOR3X1", "A B C", "Y", lambda a, b, c: 1 ^ (a | b | c)),
    ("INVX8", "A", "Y", lambda a: 1 ^ a),
    ("BUFX2", "A", "Y", lambda a: a),
    ("CLKBUF3", "A", "Y", lambda a: a),
    ("AOI21X1", "A B C", "Y", lambda a, b, c: 1 ^ (a & b | c)),
    ("AOI22X1", "A B C D", "Y", lambda a, b, c, d: 1 ^ (a & b | c & d)),
    ("OAI21X1", "A B C", "Y", lambda a, b, c: 1 ^ (a | b) & c),
    ("OAI22X1", "A B C D", "Y", lambda a, b, c, d: 1 ^ (a | b) & (c | d)),
    ("MUX2X1", "A B S", "Y", lambda a, b, s: 1 ^ (a if s else b)),
    ("HAX1", "A B", "YC YS", lambda a, b: (a + b >> 1, a + b & 1)),
    ("FAX1", "A B C", "YC YS", lambda a, b, c: (a + b + c >> 1, a + b + c & 1)),
    ("INV_X4", "A", "ZN", lambda a: 1 ^ a),
    ("BUF_X1", "A", "Z", lambda a: a),
    ("CLKBUF_X2", "A", "Z", lambda a: a),
    ("AND2_X2", "A1 A2", "ZN", lambda a, b: a & b),
    ("AND3_X1", "A1 A2 A3", "ZN", lambda *v: min(v)),
    ("AND4_X1", "A1 A2 A3 A4", "ZN", lambda *v: min(v)),
    ("OR2_X1", "A1 A2", "ZN", lambda *v: max(v)),
    ("OR3_X1", "A1 A2 A3", "ZN", lambda *v: max(v)),
    ("OR4_X1", "A1 A2 A3 A4", "ZN", lambda *v: max(v)),
    ("NAND2_X1", "A1 A2", "ZN", lambda *v: 1 - min(v)),
    ("NAND3_X1", "A1 A2 A3", "ZN", lambda *v: 1 - min(v)),
    ("NAND4_X1", "A1 A2 A3 A4", "ZN", lambda *v: 1 - min(v)),
    ("NOR2_X1", "A1 A2", "ZN", lambda *v: 1 - max(v)),
    ("NOR3_X1", "A1 A2 A3", "ZN", lambda *v: 1 - max(v)),
    ("NOR4_X1", "A1 A2 A3 A4", "ZN", lambda *v: 1 - max(v)),
    ("XOR2_X1", "A B", "Z", lambda a, b: a ^ b),
    ("XNOR2_X1", "A B", "ZN", lambda a, b: 1 ^ a ^ b),
    ("AOI21_X1", "A B1 B2", "ZN", lambda a, b, c: 1 ^ (a | b & c)),
    ("AOI22_X1", "A1 A2 B1 B2", "ZN", lambda a, b, c, d: 1 ^ (a & b | c & d)),
    ("AOI211_X1", "A B C1 C2", "ZN", lambda a, b, c, d: 1 ^ (a | b | c & d)),
    ("OAI21_X1", "A B1 B2", "ZN", lambda a, b, c: 1 ^ a & (b | c)),
    ("OAI22_X1", "A1 A2 B1 B2", "ZN", lambda a, b, c, d: 1 ^ (a | b) & (c | d)),
    ("OAI211_X1", "A B C1 C2", "ZN", lambda a, b, c, d: 1 ^ a & b & (c | d)),
    ("MUX2_X1", "A B S", "Z", lambda a, b, s: b if s else a),
    ("HA_X1", "A B", "CO S", lambda a, b: (a + b >> 1, a + b & 1)),
    ("FA_X1", "A B CI", "CO S", lambda a, b, c: (a + b + c >> 1, a + b + c & 1)),
]


@pytest.mark.parametrize(("cell", "inputs", "outputs", "function"), CELLS, ids=[cell[0] for cell in CELLS])
def test_cells(cell: str, inputs: str, outputs: str, function: Callable[..., object]) -> None:
    takes, gives = inputs.split(), outputs.split()
    ports = [f".{port}(a[{place}])" for place, port in enumerate(takes)]
    ports += [f".{port}(p[{place}])" for place, port in enumerate(gives)]
    rest = "".join(f"assign p[{place}] = 1'b0;" for place in range(len(gives), 8))
    got = table(f"{cell} u1 ({', '.join(ports)}); {rest}")
    for a in range(16):
        results = function(*(a >> place & 1 for place in range(len(takes))))
        results = results if isinstance(results, tuple) else (results,)
        assert (got[a] == sum(value << place for place, value in enumerate(results))).all()
    assert (table(f"{cell} u1 ({', '.join(ports[::-1])}); {rest}") == got).all()
    ordered = [f"a[{place}]" for place in range(len(takes))] + [f"p[{place}]" for place in range(len(gives))]
    assert (table(f"{cell} ({', '.join(ordered)}); {rest}") == got).all()


def test_constant_cells() -> None:
    body = "LOGIC1_X1 u (.Z(p[0])); LOGIC0_X1 v (.Z(p[1])); assign p[7:2] = 0;"
    assert (table(body) == 1).all()


def test_modules_inside_of_modules_and_old_style_ports() -> None:
    text = """
    `timescale 1ns/1ps
    module half(input x, y, output s, output c); assign s = x ^ y; and (c, x, y); endmodule
    module full(x, y, z, s, c);
      input x, y, z; output s; output c; wire t, u, v;
      half h1 (x, y, t, u);
      half h2 (.x(t), .y(z), .s(s), .c(v));
      assign c = u | v;
    endmodule
    module add(A, B, S);
      input [1:0] A, B; output [2:0] S; wire [1:0] S_unused; wire c;
      half low (.x(A[0]), .y(B[0]), .s(S[0]), .c(c));
      full high (A[1], B[1], c, S[1], S[2]);
    endmodule
    """
    np.testing.assert_array_equal(product_table(from_verilog(text)), np.add.outer(np.arange(4), np.arange(4)))
    np.testing.assert_array_equal(product_table(from_verilog(text, top="add")), np.add.outer(range(4), range(4)))
    with pytest.raises(InputError, match="unknown module 'ad'; did you mean 'add'"):
        from_verilog(text, top="ad")


def test_ports_that_are_not_connected() -> None:
    text = "HAX1 u (.A(a[0]), .B(b[0]), .YS(p[0]), .YC()); assign p[7:1] = 0;"
    np.testing.assert_array_equal(table(text), (A ^ B) & 1)
    with pytest.raises(InputError, match="line 2: 'HAX1.B' is used but nothing drives it"):
        table("HAX1 u (.A(a[0]), .YS(p[0])); assign p[7:1] = 0;")


def test_which_input_is_the_activation() -> None:
    text = "module m(b, a, p); input [1:0] a; input [2:0] b; output [2:0] p; assign p = b; endmodule"
    assert from_verilog(text).x_bits == 3
    for arguments in ({"x": "a"}, {"w": "b"}, {"x": "a", "w": "b"}):
        netlist = from_verilog(text, **arguments)
        assert (netlist.x_bits, netlist.w_bits) == (2, 3)
        assert (product_table(netlist) == np.arange(8)).all()
    with pytest.raises(InputError, match="x and w are both 'a'"):
        from_verilog(text, x="a", w="a")
    with pytest.raises(InputError, match="unknown input 'c'"):
        from_verilog(text, x="c")


def test_ranges_that_count_upwards() -> None:
    ports = "module m(input [0:3] a, input [4:1] b, output [0:3] p);"
    text = ports + "assign p[0] = a[3]; assign p[1:3] = {a[0:1], b[1]}; endmodule"
    expected = bit(A, 0) << 3 | bit(A, 3) << 2 | bit(A, 2) << 1 | bit(B, 0)
    np.testing.assert_array_equal(product_table(from_verilog(text)), expected)


def test_products_may_be_signed() -> None:
    assert table("assign p = {a, b};", signed=True)[8, 0] == -128


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("assign p = a;\nassign p[1] = b[0];", r"line 3: 'p\[1\]' has several drivers, the other in line 2"),
        ("assign p[6:0] = 0;", r"line 1: 'p\[7\]' is used but nothing drives it"),
        ("wire t;\nassign p = {a, 3'b0, t};", "line 2: 't' is used but nothing drives it"),
        ("assign p = a & typo;", "line 2: 'typo' is used but nothing drives it"),
        ("wire t, u;\nassign t = u & a[0];\nassign u = t | b[0];\nassign p = t;", "depends on itself"),
        ("assign p = p;", r"'p\[0\]' depends on itself"),
        ("assign a = b; assign p = a;", "line 2: 'a' is an input"),
        ("assign p = a[4];", r"line 2: 'a' is \[3:0\], got \[4\]"),
        ("assign p = a[0:3];", r"line 2: 'a' is \[3:0\], got \[0:3\]"),
        ("assign p = a", "line 3: expected ',' or ';', got 'endmodule'"),
        ("assign p = ;", "line 2: expected a net, a number, '\\(' or '\\{', got ';'"),
        ("assign p = a * b;", r"line 2: expected ',' or ';'; behavioural .* \(from_yosys\), got '\*'"),
        ("always @(*) p = a;", "behavioural Verilog is read with Yosys"),
        ("reg t; assign p = a;", "behavioural Verilog is read with Yosys"),
        ("assign p = 4'b10x0;", "line 2: expected a number of digits 0 and 1"),
        ("assign p = 4'b102;", "line 2: expected a number of digits 0 and 1"),
        ("assign p = 4'sb10;", "line 2: cannot read"),
        ("assign p = 99999999'b1;", "line 2: expected a number of 1 to 65536 bits"),
        ("assign p = a[" + "9" * 5000 + "];", "line 2: expected a whole number"),
        ("assign p = 3'd;", "line 2: cannot read"),
        ("assign p = {0{a}};", "line 2: expected 1 to 65536 repetitions, got 0"),
        ("assign p = {99999999{a}};", "line 2: expected 1 to 65536 repetitions"),
        ("wire [99999999:0] t; assign p = t;", "line 2: expected a vector of at most 65536 bits"),
        ("wire a; assign p = a;", "line 2: 'a' is declared twice"),
        ("wire t; wire t; assign p = t;", "line 2: 't' is declared twice"),
        ("assign a[0] & b = p;", "line 2: expected '=', got '&'"),
        ("and (p[0], a, b); assign p[7:1] = 0;", "line 2: a gate 'and' takes single bits, got 4"),
        ("and (p[0]); assign p[7:1] = 0;", "line 2: a gate 'and' takes an output and inputs in order"),
        ("and #1 (p[0], a[0], b[0]);", "line 2: expected no parameters or delays, got '#'"),
        ("AND2X9 u (.A(a[0]), .B(b[0]), .Q(p[0]));", "line 2: 'AND2X1': unknown port 'Q'"),
        ("AND9X1 u (.A(a[0]));", "line 2: unknown module or cell 'AND9X1'; did you mean 'AND2X1'"),
        ("AND2X1 u (.A(a), .B(b[0]), .Y(p[0]));", "line 2: port 'A' of 'AND2X1' has 1 bits, got 4"),
        ("AND2X1 u (a[0], b[0], p[0], p[1]);", "line 2: 'AND2X1' has 3 ports, got 4"),
        ("AND2X1 u (.A(a[0]), b[0], .Y(p[0]));", "line 2: ports are connected by name and in order"),
        ("AND2X1 u (.A(a[0]), .B(b[0]), .Y(1'b0));", "line 2: expected a net or a concatenation of nets"),
        ("m u (.a(a), .b(b), .p(p));", "expected one module that no other contains, got none"),
        ("wire signed [3:0] t; assign t = a; assign p = t;", "line 2: 't' is signed and would be extended to 8 bits"),
        ("assign p = a; ?", "line 2: expected a declaration, an assignment, a gate, an instance or 'endmodule', got"),
        ("assign p = a; \u00e9", "line 2: cannot read"),
    ],
)  # fmt: skip
def test_what_is_no_netlist_is_refused(body: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        table(body)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("verilog: line") or "got none" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one module that no other contains, got none"),
        ("assign a = b;", "line 1: expected 'module', got 'assign'"),
        ("module m(input a, output p); assign p = a; endmodule", "expected two input vectors, got a"),
        ("module m(input a, b, output p, q); assign p = a; assign q = b; endmodule", "expected one output vector"),
        ("module m(input a, b, c, output p); assign p = a; endmodule", "expected two input vectors, got a, b, c"),
        ("module m(a, b, p); input a; output p; assign p = a; endmodule", "port 'b' is declared neither"),
        ("module m(input [12:0] a, input b, output p); assign p = b; endmodule", "at most 12 bits, got 13 and 1"),
        ("module m(input a, b, output [31:0] p); assign p = a; endmodule", "at most 31 bits"),
        ("module m(input a, b, output p); assign p = a; endmodule module m(); endmodule", "module 'm' comes twice"),
        ("module m(input a, b, output p); assign p = a; endmodule module n(); endmodule", "got m, n; name it with top"),
        ("module m(input a, b, output p); n u (a, b, p); endmodule module n(input a, b, output p); n u (a, b, p); endmodule",
         "module 'n' contains itself"),
        ("module m(input a, b, output p); assign p = " + "(" * 5000 + "a" + ")" * 5000 + "; endmodule", "nested too deep"),
        ("module m(input a, b, output p); assign p = a;", "got 'the end of the file'"),
    ],
)  # fmt: skip
def test_files_without_a_multiplier_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_verilog(text)
    assert "\n" not in str(caught.value)


def test_modules_that_multiply_without_end_are_refused() -> None:
    levels = "".join(
        f"module m{level}(input a, output p); wire t; m{level + 1} u (a, t); m{level + 1} v (t, p); endmodule\n"
        for level in range(40)
    )
    top = "module top(input a, b, output p); m0 u (a, p); endmodule\n"
    with pytest.raises(InputError, match="expected at most 200000 bits and gates"):
        from_verilog(top + levels + "module m40(input a, output p); assign p = a; endmodule")


def test_long_chains_need_no_recursion() -> None:
    nets = "".join(f"wire t{i}; assign t{i} = {'a[0]' if i == 0 else f't{i - 1}'} ^ b[{i % 4}];\n" for i in range(5000))
    got = table(nets + "assign p = t4999;")
    np.testing.assert_array_equal(got, A & 1 ^ (5000 // 4 % 2) * sum(bit(B, i) for i in range(4)) % 2)


def test_files_are_named_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "circuit.v"
    with pytest.raises(InputError, match=f"{path}: cannot be read"):
        from_verilog(path)
    path.write_text(f"{PORTS}\nassign p = a;\nendmodule")
    np.testing.assert_array_equal(product_table(from_verilog(path)), A)
    path.write_text(f"{PORTS}\nassign p = c[;\nendmodule")
    with pytest.raises(InputError, match=f"{path}: line 2: expected a whole number"):
        from_verilog(path)


SOURCE = f"""{PORTS}
wire [3:0] t; assign t = ~a & {{2{{b[1:0]}}}} | 4'h3 ^ (a[0] ? b : t2);
wire [3:0] t2 = 4'b1010; FAX1 u (.A(t[0]), .B(b[1]), .C(1'b1), .YS(p[0]), .YC(p[1]));
nand g (p[2], t[1], t[2]); assign {{p[7:5], p[4:3]}} = a + b; // end
endmodule"""
PIECES = st.sampled_from(
    [*"()[]{};:,.=~&|^?!+#'@0139abtp\\\n ", "wire ", "assign ", "endmodule", "module ", "8'hff", "/*"]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SOURCE)), st.integers(0, 6), PIECES), min_size=1, max_size=3))
def test_damaged_files_give_a_netlist_or_a_message(edits: list[tuple[int, int, str]]) -> None:
    text = SOURCE
    for place, gone, piece in edits:
        text = text[:place] + piece + text[place + gone :]
    try:
        netlist = from_verilog(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert product_table(netlist).shape == (1 << netlist.x_bits, 1 << netlist.w_bits)


@pytest.mark.parametrize(
    "text",
    [
        "module m(input [1:0] x, w, output [3:0] p); assign p = {60000{{60000{x[0]}}}}; endmodule",
        "".join(f"module a{i}(); a{i + 1} b(); a{i + 1} c(); endmodule\n" for i in range(30)) + "module a30(); endmodule",
        "(*" * 100_000,
        "/*" * 100_000,
    ],
    ids=["repetitions of repetitions", "empty modules that multiply", "attributes", "comments"],
)
def test_texts_made_to_take_long_are_refused_at_once(text: str) -> None:
    with pytest.raises(InputError, match="^verilog"):
        from_verilog(text)


def test_a_path_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "circuit.V"
    path.write_text("module m(input [1:0] a, input [1:0] b, output p); assign p = a[0]; endmodule")
    assert len(from_verilog(path).outputs) == 1
    for name in (str(path), "circuit.v", "nowhere/circuit.sv"):
        with pytest.raises(InputError, match="looks like a path; pass Path"):
            from_verilog(name)
    assert len(from_verilog(path.read_text() + "\n// from circuit.v").outputs) == 1


def alike(a: Netlist, b: Netlist) -> bool:
    return np.array_equal(a.kinds, b.kinds) and np.array_equal(a.inputs, b.inputs) and a.outputs == b.outputs


@settings(deadline=None, max_examples=100)
@given(netlists())
def test_what_was_written_is_read_gate_by_gate(netlist: Netlist) -> None:
    """So that estimates are the same."""
    netlist = simplified(netlist)
    assert alike(from_verilog(to_verilog(netlist, "m")), netlist)


@pytest.mark.parametrize("signed", [False, True])
def test_one_design_of_each_family_is_read_gate_by_gate(signed: bool) -> None:
    chosen = {design.family: design for design in designs(8, signed)}
    for design in chosen.values():
        netlist = design.build()
        assert alike(from_verilog(to_verilog(netlist, "m"), signed=signed), netlist), design.name


def test_an_inverter_of_a_wire_stays_one() -> None:
    read = from_verilog(f"{PORTS} wire t; assign t = a[0] & b[0]; assign p = {{7'b0, ~t}}; endmodule")
    assert [GATES[kind] for kind in read.kinds] == ["and", "not"]
    assert alike(simplified(from_verilog(f"{PORTS} assign p = {{7'b0, ~(a[0] & b[0])}}; endmodule"), split=True), read)
