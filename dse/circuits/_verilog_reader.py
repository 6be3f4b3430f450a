"""From structural Verilog to a netlist: instances are expanded, nets traced to what drives them, gates put in order."""

from __future__ import annotations

from pathlib import Path

from dse.circuits._builder import Builder
from dse.circuits._netlist import GATES, MAX_BITS, Netlist, Signal
from dse.circuits._verilog_nets import Design, Node
from dse.circuits._verilog_parser import parse
from dse.circuits._verilog_syntax import Module
from dse.exceptions import InputError, one_line, unknown_name


def from_verilog(
    source: str | Path, *, top: str | None = None, x: str | None = None, w: str | None = None, signed: bool = False
) -> Netlist:
    """Read a multiplier from a Verilog netlist.

    Read are modules of assignments (`& | ^ ~ ?: + == != && || !`, reductions, bit and part selects, concatenations,
    constants), gate primitives, other modules of the same file, and cells of gscl45nm and the Nangate Open Cell
    Library, in any order. Behavioural Verilog is for `from_yosys`.

    Args:
        source: A file as a `Path`, or the text itself as a `str`.
        top: Module to read; the one that no other contains, if None.
        x, w: Names of the inputs that carry activation and weight; by default the first input of the module is the
            activation.
        signed: Operands and product are two's complement; Verilog's `signed` says nothing here.

    Returns:
        The netlist, simplified.

    Raises:
        InputError: With file and line: the file cannot be read, is no such netlist, or has loops, nets with several
            drivers or with none. A text is the name of a file.
    """
    if isinstance(source, str) and "\n" not in source and source.lower().endswith((".v", ".sv")):
        raise InputError(f"verilog: expected source text, got {source!r}, which looks like a path; pass Path({source!r})")
    where, text = "verilog", source if isinstance(source, str) else ""
    if isinstance(source, Path):
        where = str(source)
        try:
            text = source.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(f"{where}: cannot be read ({one_line(error)})") from None
    try:
        modules = parse(text, where)
        module = _top(modules, top, where)
        design = Design(modules, where)
        ports = design.expand(module)
        return _netlist(design, module, ports, _operands(module, x, w, where), signed)
    except RecursionError:
        raise InputError(f"{where}: expressions are nested too deep; write one assignment for each gate") from None


def _top(modules: dict[str, Module], top: str | None, where: str) -> Module:
    if top is not None:
        if top not in modules:
            raise InputError(f"{where}: {unknown_name('module', top, modules)}")
        return modules[top]
    inside = {instance.module for module in modules.values() for instance in module.instances}
    roots = [module for name, module in modules.items() if name not in inside]
    if len(roots) != 1:
        names = ", ".join(module.name for module in roots) or "none"
        raise InputError(f"{where}: expected one module that no other contains, got {names}; name it with top")
    return roots[0]


def _operands(module: Module, x: str | None, w: str | None, where: str) -> tuple[str, str]:
    """Return the names of the inputs for activation and weight."""
    place = f"{where}: line {module.line}: module '{module.name}'"
    inputs = [port for port in module.ports if port in module.nets and module.nets[port].direction == "input"]
    if len(inputs) != 2:
        raise InputError(f"{place}: expected two input vectors, got {', '.join(inputs) or 'none'}")
    for name in (x, w):
        if name is not None and name not in inputs:
            raise InputError(f"{place}: {unknown_name('input', name, inputs)}")
    first = x or (inputs[0] if w is None else inputs[1 - inputs.index(w)])
    second = w or inputs[1 - inputs.index(first)]
    if first == second:
        raise InputError(f"{place}: x and w are both '{first}'; expected two inputs")
    return first, second


def _netlist(
    design: Design, module: Module, ports: dict[str, list[Node]], operands: tuple[str, str], signed: bool
) -> Netlist:
    place = f"{design.where}: line {module.line}: module '{module.name}'"
    outputs = [port for port in module.ports if module.nets[port].direction == "output"]
    if len(outputs) != 1 or len(ports[outputs[0]]) > 31:
        raise InputError(f"{place}: expected one output vector of at most 31 bits, got {', '.join(outputs) or 'none'}")
    x, w = (ports[name] for name in operands)
    if max(len(x), len(w)) > MAX_BITS:
        raise InputError(f"{place}: expected operands of at most {MAX_BITS} bits, got {len(x)} and {len(w)}")
    builder = Builder(len(x), len(w), signed=signed)
    for bits, signals in ((x, builder.x), (w, builder.w)):
        for node, signal in zip(bits, signals, strict=True):
            node.signal = signal
    return builder.netlist(_build(node, builder, design) for node in ports[outputs[0]])


def _build(root: Node, builder: Builder, design: Design) -> Signal:
    """Return the signal of a bit, adding the gates it needs, deepest first."""
    stack, opened = [root], set[Node]()
    while stack:
        node = stack[-1]
        if node.signal is not None:
            stack.pop()
            continue
        if node.kind == "wire" and not node.inputs:
            raise design.fault(node.line, f"'{node.name}' is used but nothing drives it")
        waiting = [inner for inner in node.inputs if inner.signal is None]
        if not waiting:
            node.signal = _signal(node, builder)
        elif node in opened:
            wires = [inner for inner in stack if inner in opened and inner.kind == "wire"]
            raise design.fault(wires[-1].line, f"'{wires[-1].name}' depends on itself; expected no loops")
        else:
            opened.add(node)
            stack.extend(waiting)
    assert root.signal is not None
    return root.signal


def _signal(node: Node, builder: Builder) -> Signal:
    inputs = [inner.signal for inner in node.inputs if inner.signal is not None]
    if node.kind == "wire":
        return inputs[0]
    if node.kind == "mux":
        return builder.mux(*inputs)
    return builder.add(GATES.index(node.kind), inputs[0], inputs[-1])
