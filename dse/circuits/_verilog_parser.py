"""From the text of a Verilog file to its modules: a parser by recursive descent."""

from __future__ import annotations

import re
from typing import NoReturn

from dse.circuits._verilog_syntax import MAX_WIDTH, Expression, Instance, Module, Name, Net, Number, Operation
from dse.circuits._verilog_tokens import BEHAVIOUR, DECLARATIONS, PRIMITIVES, Token, tokens
from dse.exceptions import InputError

# Binary operators, weakest first; those of one row have the same strength.
_LEVELS = (("||",), ("&&",), ("|",), ("^", "~^", "^~"), ("&",), ("==", "!="), ("+",))
_UNARY = ("~", "!", "&", "|", "^", "~&", "~|", "~^", "^~")


def parse(text: str, where: str) -> dict[str, Module]:
    """Return the modules of a file by name.

    Args:
        text: The file's text.
        where: Its name, for messages.

    Raises:
        InputError: With the line: what is written is no Verilog, or none that describes a plain netlist.
    """
    parser = _Parser(tokens(text, where), where)
    modules: dict[str, Module] = {}
    while parser.next.kind != "end":
        module = parser.module()
        if module.name in modules:
            raise InputError(f"{where}: line {module.line}: module '{module.name}' comes twice; keep one")
        modules[module.name] = module
    return modules


class _Parser:
    def __init__(self, tokens: list[Token], where: str) -> None:
        self.tokens, self.where, self.place = tokens, where, 0
        self.repetitions = 1  # of the concatenation that is being read, in all those around it

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def fail(self, expected: str) -> NoReturn:
        """Refuse the next word."""
        token = self.next
        if token.text in BEHAVIOUR or token.text in ("@", "*", "/", "%", "-", "<", ">"):
            expected += "; behavioural Verilog is read with Yosys (from_yosys)"
        raise InputError(f"{self.where}: line {token.line}: expected {expected}, got '{' '.join(token.text.split())}'")

    def take(self, *texts: str) -> str | None:
        """Take the next token if it is one of these keywords or symbols."""
        token = self.next
        if token.kind in ("keyword", "symbol") and token.text in texts:
            self.place += 1
            return token.text
        return None

    def need(self, *texts: str) -> str:
        """Take the next token, which must be one of these keywords or symbols."""
        return self.take(*texts) or self.fail(" or ".join(f"'{text}'" for text in texts))

    def name(self, what: str) -> str:
        """Take a name."""
        if self.next.kind != "name":
            self.fail(what)
        self.place += 1
        return self.tokens[self.place - 1].text

    def integer(self) -> int:
        """Take an index or a count."""
        text = self.next.text.replace("_", "")
        if self.next.kind != "number" or not text.isdigit() or len(text) > 9:
            self.fail("a whole number")
        self.place += 1
        return int(text)

    def module(self) -> Module:
        """Read `module ... endmodule`."""
        self.need("module")
        module = Module(self.name("the module's name"), self.next.line)
        if self.take("(") and not self.take(")"):
            self.ports(module)
        self.need(";")
        while not self.take("endmodule"):
            self.item(module)
        return module

    def ports(self, module: Module) -> None:
        """Read the list of ports up to its ')'; directions may stand in it or follow in the module."""
        direction, signed, bounds = "", False, (0, 0)
        while True:
            if written := self.take("input", "output"):
                direction, signed, bounds = written, *self.vector()
            line = self.next.line
            name = self.name("a port's name")
            module.ports.append(name)
            if direction:
                self.declare(module, name, Net(*bounds, direction, signed, line))
            if self.need(",", ")") == ")":
                return

    def vector(self) -> tuple[bool, tuple[int, int]]:
        """Return what stands between a direction and a name: whether it is signed, and the range."""
        self.take("wire")
        signed = self.take("signed") is not None
        if not self.take("["):
            return signed, (0, 0)
        left = self.integer()
        self.need(":")
        right = self.integer()
        if abs(left - right) >= MAX_WIDTH:
            self.fail(f"a vector of at most {MAX_WIDTH} bits")
        self.need("]")
        return signed, (left, right)

    def declare(self, module: Module, name: str, net: Net) -> None:
        """Add a net to a module, where a port may come once more as a wire."""
        known = module.nets.get(name)
        if known and known.direction != net.direction == "wire" and (net.left, net.right) == (known.left, known.right):
            return
        if known:
            raise InputError(f"{self.where}: line {net.line}: '{name}' is declared twice; keep one")
        module.nets[name] = net

    def item(self, module: Module) -> None:
        """Read one declaration, assignment, gate or instance."""
        if direction := self.take(*DECLARATIONS):
            self.declaration(module, direction)
        elif self.take("assign"):
            self.assignment(module)
        elif primitive := self.take(*PRIMITIVES):
            self.instances(module, primitive)
        else:
            self.instances(module, self.name("a declaration, an assignment, a gate, an instance or 'endmodule'"))

    def declaration(self, module: Module, direction: str) -> None:
        """Read names behind `wire` and the like, up to the ';'."""
        signed, bounds = self.vector()
        while True:
            line = self.next.line
            name = self.name("a net's name")
            self.declare(module, name, Net(*bounds, direction, signed, line))
            if self.take("="):
                module.assigns.append((Name(name, None, None, line), self.expression()))
            if self.need(",", ";") == ";":
                return

    def assignment(self, module: Module) -> None:
        """Read what follows `assign`, up to the ';'."""
        while True:
            target = self.primary()
            self.need("=")
            module.assigns.append((target, self.expression()))
            if self.need(",", ";") == ";":
                return

    def instances(self, module: Module, kind: str) -> None:
        """Read instances of one gate or module, up to the ';'."""
        if self.next.text == "#":
            self.fail("no parameters or delays")
        while True:
            line = self.next.line
            if self.next.kind == "name":
                self.place += 1
            self.need("(")
            named, ordered = self.connections()
            module.instances.append(Instance(kind, named, ordered, line))
            if self.need(",", ";") == ";":
                return

    def connections(self) -> tuple[dict[str, Expression | None], tuple[Expression, ...]]:
        """Return what is connected by name and in order, up to the ')'."""
        named: dict[str, Expression | None] = {}
        ordered: list[Expression] = []
        if self.take(")"):
            return named, ()
        while True:
            if self.take("."):
                port = self.name("a port's name")
                self.need("(")
                named[port] = None if self.take(")") else self.expression()
                if named[port] is not None:
                    self.need(")")
            else:
                ordered.append(self.expression())
            if self.need(",", ")") == ")":
                return named, tuple(ordered)

    def expression(self) -> Expression:
        """Read an expression, of which `?:` is the weakest."""
        line = self.next.line
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        chosen = self.expression()
        self.need(":")
        return Operation("?", (condition, chosen, self.expression()), line)

    def binary(self, level: int) -> Expression:
        """Read an expression whose operators are at least as strong as those of a level."""
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while operator := self.take(*_LEVELS[level]):
            line = self.tokens[self.place - 1].line
            left = Operation(operator.replace("^~", "~^"), (left, self.binary(level + 1)), line)
        return left

    def unary(self) -> Expression:
        """Read an operand with what stands before it."""
        line = self.next.line
        if operator := self.take(*_UNARY):
            return Operation(operator.replace("^~", "~^"), (self.unary(),), line)
        return self.primary()

    def primary(self) -> Expression:
        """Read a net, a number, or something in brackets."""
        line = self.next.line
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if self.take("{"):
            return self.concatenation(line)
        if self.next.kind == "number":
            return self.number()
        name = self.name("a net, a number, '(' or '{'")
        if not self.take("["):
            return Name(name, None, None, line)
        left = self.integer()
        right = self.integer() if self.take(":") else left
        self.need("]")
        return Name(name, left, right, line)

    def concatenation(self, line: int) -> Expression:
        """Read the parts behind '{', or a repetition."""
        repeated = self.next.kind == "number" and self.tokens[self.place + 1].text == "{"
        times = self.integer() if repeated else 1
        if repeated:
            self.need("{")
        self.repetitions *= max(times, 1)
        parts = [self.expression()]
        while self.take(","):
            parts.append(self.expression())
        self.need("}")
        if repeated:
            self.need("}")
        self.repetitions //= max(times, 1)
        if not 1 <= times * len(parts) * self.repetitions <= MAX_WIDTH:
            count = times * self.repetitions
            raise InputError(f"{self.where}: line {line}: expected 1 to {MAX_WIDTH} repetitions, got {count}")
        return Operation("{}", tuple(parts) * times, line)

    def number(self) -> Number:
        """Read a constant; without a size it has 32 bits."""
        line, text = self.next.line, re.sub(r"[\s_]", "", self.next.text).lower()
        size, mark, digits = text.rpartition("'")
        base, digits = (digits[0], digits[1:]) if mark else ("d", digits)
        try:
            width, value = int(size or 32), int(digits, {"b": 2, "o": 8, "d": 10, "h": 16}[base])
        except ValueError:
            self.fail("a number of digits 0 and 1, or those of its base")
        if not 1 <= width <= MAX_WIDTH:
            self.fail(f"a number of 1 to {MAX_WIDTH} bits")
        self.place += 1
        return Number(tuple(value >> bit & 1 for bit in range(width)), line)
