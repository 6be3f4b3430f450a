"""The nets of Verilog modules, bit by bit: what drives them, through assignments, gates and instances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce
from pathlib import Path

from dse.circuits._netlist import Signal
from dse.circuits._verilog_parser import parse
from dse.circuits._verilog_syntax import Expression, Instance, Module, Name, Net, Number, Operation
from dse.circuits._verilog_tokens import PRIMITIVES
from dse.exceptions import InputError, unknown_name

_OPERATORS = {"&": "and", "|": "or", "^": "xor", "~^": "xnor", "&&": "and", "||": "or"}
_INVERSES = {"and": "nand", "or": "nor", "xor": "xnor"}
_SINGLE = ("!", "&&", "||", "==", "!=")  # one bit whatever the operands' widths
_MAX_NODES = 200_000


class Node:
    """One bit: a wire with what drives it, a gate with its inputs, or a constant."""

    __slots__ = ("inputs", "kind", "line", "name", "signal")

    def __init__(
        self, kind: str, inputs: Sequence[Node] = (), *, signal: Signal | None = None, name: str = "", line: int = 0
    ) -> None:
        self.kind = kind  # "wire", "constant", "mux" (select, low, high) or one of `GATES`
        self.inputs = tuple(inputs)
        self.signal = signal  # in the netlist, once it is known
        self.name, self.line = name, line  # of a wire


_CONSTANTS = (Node("constant", signal=0), Node("constant", signal=1))


class Design:
    """The modules of a file, and how many bits and gates have been made of them.

    Args:
        modules: By name.
        where: The file, for messages.
    """

    def __init__(self, modules: dict[str, Module], where: str) -> None:
        self.modules, self.where, self.count = modules, where, 0

    def expand(self, module: Module, line: int = 0, above: tuple[str, ...] = ()) -> dict[str, list[Node]]:
        """Return the bits of a module's ports from the lowest, driven as the module says.

        Args:
            module: The module.
            line: Of the instance, 0 for the top.
            above: Names of the modules it lies in.

        Raises:
            InputError: With the line: nets have several drivers, widths do not fit, a module or port is not there.
        """
        if module.name in above:
            raise self.fault(module.line, f"module '{module.name}' contains itself")
        self.node("instance", line=line)  # counted, for empty modules multiply too
        return _Scope(self, module, line, (*above, module.name)).ports()

    def module(self, name: str, line: int) -> Module:
        """Return the module an instance names: one of the file, else a cell, of any drive strength."""
        library = _library()
        for known, key in ((self.modules, name), (library, name), (library, name.rstrip("0123456789") + "1")):
            if key in known:
                return known[key]
        raise self.fault(line, str(unknown_name("module or cell", name, {**library, **self.modules})))

    def node(self, kind: str, *inputs: Node, name: str = "", line: int = 0) -> Node:
        """Return a new bit or gate."""
        self.count += 1
        if self.count > _MAX_NODES:
            raise self.fault(line, f"expected at most {_MAX_NODES} bits and gates in all instances, got more")
        return Node(kind, inputs, name=name, line=line)

    def fault(self, line: int, message: str) -> InputError:
        """Return the error for something in a line of the file."""
        return InputError(f"{self.where}: line {line}: {message}")


@lru_cache
def _library() -> dict[str, Module]:
    path = Path(__file__).with_name("cells.v")
    return parse(path.read_text(encoding="ascii"), path.name)


class _Scope:
    """The nets of one instance of a module."""

    def __init__(self, design: Design, module: Module, line: int, above: tuple[str, ...]) -> None:
        self.design, self.module, self.line, self.above = design, module, line, above
        self.bits: dict[str, list[Node]] = {}

    def ports(self) -> dict[str, list[Node]]:
        """Return the ports' bits after all that the module says has been done."""
        for target, value in self.module.assigns:
            bits = self.target(target)
            self.drive(bits, self.value(value, len(bits)), target.line)
        for instance in self.module.instances:
            if instance.module in PRIMITIVES:
                self.primitive(instance)
            else:
                self.instance(instance)
        for port in self.module.ports:
            if port not in self.module.nets:
                raise self.design.fault(self.module.line, f"port '{port}' is declared neither input nor output")
        return {port: self.net(port, self.module.line)[1] for port in self.module.ports}

    def net(self, name: str, line: int) -> tuple[Net, list[Node]]:
        """Return a net and its bits from the lowest; one that is not declared is a single wire."""
        net = self.module.nets.setdefault(name, Net(0, 0, "wire", False, line))
        if name not in self.bits:
            step = 1 if net.left >= net.right else -1
            inside = f"{self.module.name}." if self.line else ""
            line = self.line if self.line and net.direction != "wire" else net.line
            labels = [f"{name}[{net.right + step * place}]" for place in range(len(net))] if len(net) > 1 else [name]
            self.bits[name] = [self.design.node("wire", name=inside + label, line=line) for label in labels]
        return net, self.bits[name]

    def drive(self, targets: list[Node], sources: list[Node], line: int) -> None:
        for target, source in zip(targets, sources, strict=True):
            if target.inputs:
                raise self.design.fault(line, f"'{target.name}' has several drivers, the other in line {target.line}")
            target.inputs, target.line = (source,), line

    def target(self, expression: Expression) -> list[Node]:
        """Return the wires that an assignment or an output drives."""
        if isinstance(expression, Operation) and expression.operator == "{}":
            return [bit for part in reversed(expression.operands) for bit in self.target(part)]
        if not isinstance(expression, Name):
            raise self.design.fault(expression.line, "expected a net or a concatenation of nets to drive")
        net = self.module.nets.get(expression.name)
        if net is not None and net.direction == "input":
            raise self.design.fault(expression.line, f"'{expression.name}' is an input; nothing may drive it")
        return self.select(expression)

    def select(self, name: Name) -> list[Node]:
        """Return the bits of a net that a name with its range means."""
        net, bits = self.net(name.name, name.line)
        if name.left is None or name.right is None:
            return bits
        high, low = net.position(name.left), net.position(name.right)
        if not 0 <= low <= high < len(bits):
            given = f"[{name.left}]" if name.left == name.right else f"[{name.left}:{name.right}]"
            raise self.design.fault(name.line, f"'{name.name}' is [{net.left}:{net.right}], got {given}")
        return bits[low : high + 1]

    def width(self, expression: Expression) -> int:
        """Return the width an expression has by itself (IEEE 1364, expression bit lengths)."""
        if isinstance(expression, Number):
            return len(expression.bits)
        if isinstance(expression, Name):
            return len(self.select(expression))
        widths = [self.width(operand) for operand in expression.operands]
        if expression.operator == "{}":
            return sum(widths)
        if expression.operator == "?":
            return max(widths[1:])
        if expression.operator in _SINGLE or (len(widths) == 1 and expression.operator != "~"):
            return 1
        return max(widths)

    def value(self, expression: Expression, width: int) -> list[Node]:
        """Return the lowest `width` bits of an expression where a value of that width is wanted."""
        wide = max(width, self.width(expression))
        return self._wide(expression, wide)[:width]

    def _wide(self, expression: Expression, width: int) -> list[Node]:
        if isinstance(expression, Number):
            return self._extended([_CONSTANTS[bit] for bit in expression.bits], width)
        if isinstance(expression, Name):
            bits = self.select(expression)
            if width > len(bits) and self.module.nets[expression.name].signed:
                message = f"'{expression.name}' is signed and would be extended to {width} bits; extend it bit by bit"
                raise self.design.fault(expression.line, message)
            return self._extended(bits, width)
        return self._extended(self._operation(expression, width), width)

    @staticmethod
    def _extended(bits: list[Node], width: int) -> list[Node]:
        return bits + [_CONSTANTS[0]] * (width - len(bits))

    def _operation(self, expression: Operation, width: int) -> list[Node]:
        operator, operands, node = expression.operator, expression.operands, self.design.node
        if operator == "{}":
            return [bit for part in reversed(operands) for bit in self.value(part, self.width(part))]
        if operator == "?":
            chosen, other = (self._wide(operand, width) for operand in operands[1:])
            condition = self._any(operands[0])
            return [node("mux", condition, low, high) for low, high in zip(other, chosen, strict=True)]
        if operator == "~":
            return [self._inverted(bit) for bit in self._wide(operands[0], width)]
        if operator in ("!", "&&", "||"):
            bits = [self._any(operand) for operand in operands]
            return [self._inverted(bits[0]) if operator == "!" else node(_OPERATORS[operator], *bits)]
        if operator in ("==", "!="):
            wide = max(self.width(operand) for operand in operands)
            left, right = (self._wide(operand, wide) for operand in operands)
            different = reduce(
                lambda a, b: node("or", a, b), (node("xor", *pair) for pair in zip(left, right, strict=True))
            )
            return [different if operator == "!=" else self._inverted(different)]
        if len(operands) == 1:
            return [self._reduced(operator, self.value(operands[0], self.width(operands[0])))]
        left, right = (self._wide(operand, width) for operand in operands)
        if operator == "+":
            return list(self._sum(left, right))
        return [node(_OPERATORS[operator], *pair) for pair in zip(left, right, strict=True)]

    def _any(self, expression: Expression) -> Node:
        return self._reduced("|", self.value(expression, self.width(expression)))

    def _reduced(self, operator: str, bits: list[Node]) -> Node:
        kind = _OPERATORS[operator.removeprefix("~")]
        joined = reduce(lambda a, b: self.design.node(kind, a, b), bits)
        return self._inverted(joined) if operator.startswith("~") else joined

    def _inverted(self, bit: Node) -> Node:
        """Return the inverse of a bit: of a gate within the same expression, the gate that forms it at once."""
        return self.design.node(_INVERSES[bit.kind], *bit.inputs) if bit.kind in _INVERSES else self.design.node("not", bit)

    def _sum(self, left: list[Node], right: list[Node]) -> Iterator[Node]:
        node, carry = self.design.node, _CONSTANTS[0]
        for a, b in zip(left, right, strict=True):
            half = node("xor", a, b)
            yield node("xor", half, carry)
            carry = node("or", node("and", a, b), node("and", half, carry))

    def primitive(self, instance: Instance) -> None:
        """Drive what a gate of the language drives."""
        kind, ports = instance.module, instance.ordered
        if len(ports) < 2 or instance.named:
            raise self.design.fault(instance.line, f"a gate '{kind}' takes an output and inputs in order")
        several = kind in ("not", "buf")
        outputs = [self._single(self.target(port), instance) for port in (ports[:-1] if several else ports[:1])]
        inputs = [self._single(self.value(port, self.width(port)), instance) for port in ports[len(outputs) :]]
        if several:
            result = self._inverted(*inputs) if kind == "not" else inputs[0]
        else:
            inverted = kind in ("nand", "nor", "xnor")
            plain = {inverse: gate for gate, inverse in _INVERSES.items()}.get(kind, kind)
            result = reduce(lambda a, b: self.design.node(plain, a, b), inputs)
            result = self._inverted(result) if inverted else result
        self.drive(outputs, [result] * len(outputs), instance.line)

    def _single(self, bits: list[Node], instance: Instance) -> Node:
        if len(bits) != 1:
            raise self.design.fault(instance.line, f"a gate '{instance.module}' takes single bits, got {len(bits)}")
        return bits[0]

    def instance(self, instance: Instance) -> None:
        """Expand another module and connect its ports."""
        module = self.design.module(instance.module, instance.line)
        connections = self._connections(instance, module)
        ports = self.design.expand(module, instance.line, self.above)
        for port, expression in connections.items():
            bits = ports[port]
            given = self.width(expression)
            if given != len(bits) and not isinstance(expression, Number):
                message = f"port '{port}' of '{module.name}' has {len(bits)} bits, got {given}"
                raise self.design.fault(instance.line, message)
            if module.nets[port].direction == "input":
                self.drive(bits, self.value(expression, len(bits)), instance.line)
            else:
                self.drive(self.target(expression), bits, instance.line)

    def _connections(self, instance: Instance, module: Module) -> dict[str, Expression]:
        if instance.named and instance.ordered:
            raise self.design.fault(instance.line, "ports are connected by name and in order; choose one")
        for port in instance.named:
            if port not in module.ports:
                raise self.design.fault(instance.line, f"'{module.name}': {unknown_name('port', port, module.ports)}")
        if len(instance.ordered) > len(module.ports):
            raise self.design.fault(
                instance.line, f"'{module.name}' has {len(module.ports)} ports, got {len(instance.ordered)}"
            )
        named = {port: expression for port, expression in instance.named.items() if expression is not None}
        return named or dict(zip(module.ports, instance.ordered, strict=False))
