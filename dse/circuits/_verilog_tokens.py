"""Verilog's words: names, numbers, symbols and keywords, each with its line."""

from __future__ import annotations

import re
from typing import NamedTuple

from dse.exceptions import InputError

PRIMITIVES = ("and", "nand", "or", "nor", "xor", "xnor", "not", "buf")
DECLARATIONS = ("input", "output", "wire")
_STATEMENTS = ("assign", "begin", "else", "end", "endmodule", "for", "if", "module", "signed")
BEHAVIOUR = (
    *("always", "always_comb", "always_ff", "case", "defparam", "function", "generate", "genvar", "initial"),
    *("inout", "integer", "localparam", "logic", "parameter", "real", "reg", "specify", "task", "tri"),
)
KEYWORDS = frozenset((*PRIMITIVES, *DECLARATIONS, *_STATEMENTS, *BEHAVIOUR))
_TOKEN = re.compile(
    r"""(?P<skip>\s+ | //[^\n]* | /\*.*?\*/ | \(\*(?!\s*\)).*?\*\)
                 | `(?:timescale|default_nettype|celldefine|endcelldefine)[^\n]*)
      | (?P<escaped>\\\S+)
      | (?P<number>(?:\d[\d_]*)?\s*'[bodhBODH]\s*[0-9a-fA-FxXzZ?_]+ | \d[\d_]*)
      | (?P<name>[A-Za-z_][\w$]*)
      | (?P<symbol>~&|~\||~\^|\^~|&&|\|\||==|!=|[()\[\]{};:,.=~&|^?!+\#@*/%<>$"-])
    """,
    re.VERBOSE | re.DOTALL,
)


_MOST_UNCLOSED = 100


class Token(NamedTuple):
    """One word."""

    kind: str
    text: str
    line: int


def tokens(text: str, where: str) -> list[Token]:
    """Return the words of a file, closed by one of kind `end`; comments, attributes and directives are left out.

    Raises:
        InputError: With the line: something is no word of Verilog.
    """
    words, place, line = list[Token](), 0, 1
    for opening, closing in (("/*", "*/"), ("(*", "*)")):
        if text.rfind(opening) > max(text.rfind(closing), 0) and text.count(opening) > _MOST_UNCLOSED:
            raise InputError(f"{where}: '{opening}' is opened again and again and never closed")  # slow to look for
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise InputError(
                f"{where}: line {line}: cannot read {text[place : place + 12].split(chr(10))[0]!r} as Verilog"
            )
        kind, found = str(match.lastgroup), match.group()
        if kind == "escaped":
            words.append(Token("name", found[1:], line))
        elif kind == "name" and found in KEYWORDS:
            words.append(Token("keyword", found, line))
        elif kind != "skip":
            words.append(Token(kind, found, line))
        line += found.count("\n")
        place = match.end()
    return [*words, Token("end", "the end of the file", line)]
