r"""Text for LaTeX: every letter of a name or caption made safe for pdflatex with its usual fonts, and how wide it will be.

What looks harmless and is not: `<`, `>` and `|` print as other signs in the standard encoding; `*` and `[` at the beginning of a
row are read as arguments of the `\\` before it, and `]` ends an optional caption; two hyphens become a dash; and a letter outside
of ASCII that the document has no font for is an error that stops the compilation. Letters with accents become LaTeX's own
accents, Greek letters and signs mathematics; anything else is written as its number, which is ugly and compiles.
"""

from __future__ import annotations

import unicodedata

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{NOT EQUAL TO}": r"$\neq$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{MINUS SIGN}": "$-$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{INFINITY}": r"$\infty$",
    "\N{DEGREE SIGN}": r"$^{\circ}$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{NO-BREAK SPACE}": "~",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{LATIN SMALL LETTER SHARP S}": r"{\ss}",
    "\N{LATIN SMALL LETTER AE}": r"{\ae}",
    "\N{LATIN CAPITAL LETTER AE}": r"{\AE}",
    "\N{LATIN SMALL LIGATURE OE}": r"{\oe}",
    "\N{LATIN CAPITAL LIGATURE OE}": r"{\OE}",
    "\N{LATIN SMALL LETTER O WITH STROKE}": r"{\o}",
    "\N{LATIN CAPITAL LETTER O WITH STROKE}": r"{\O}",
    "\N{LATIN SMALL LETTER L WITH STROKE}": r"{\l}",
    "\N{LATIN CAPITAL LETTER L WITH STROKE}": r"{\L}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"{\i}",
}
_ACCENTS = {
    "GRAVE ACCENT": "`",
    "ACUTE ACCENT": "'",
    "CIRCUMFLEX ACCENT": "^",
    "TILDE": "~",
    "DIAERESIS": '"',
    "MACRON": "=",
    "DOT ABOVE": ".",
    "RING ABOVE": "r ",
    "CEDILLA": "c ",
    "CARON": "v ",
    "BREVE": "u ",
    "DOUBLE ACUTE ACCENT": "H ",
}
_LIKE_LATIN = dict(
    zip(
        ("ALPHA", "BETA", "EPSILON", "ZETA", "ETA", "IOTA", "KAPPA", "MU", "NU", "RHO", "TAU", "CHI"),
        "ABEZHIKMNPTX",
        strict=True,
    )
)  # capitals that TeX has no name of its own for


def escape(text: str) -> str:
    r"""Return text that LaTeX prints as it stands; `>=` and `<=` become the signs.

    >>> print(escape("a_b >= 5 %"))
    a\_b $\geq$ 5 \%
    >>> print(escape("ε-greedy, β₁ = 10⁻³, Škoda"))
    $\epsilon$-greedy, $\beta$$_{1}$ = 10$^{-3}$, {\v S}koda
    """
    text = text.replace(">=", "\N{GREATER-THAN OR EQUAL TO}").replace("<=", "\N{LESS-THAN OR EQUAL TO}")
    text = "".join(map(_letter, text.replace("--", "-\0-").replace("--", "-\0-"))).replace("\0", "{}")
    return text.replace("}$$^{", "").replace("}$$_{", "")  # several digits are one exponent


def width(text: str, points: float) -> float:
    """Return about how wide a text prints at a font size, both in points: Computer Modern's widths, by kind of letter."""
    return points * sum(_share(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter in _SIGNS:
        return _SIGNS[letter]
    if letter.isascii():
        return letter if letter.isprintable() or letter == "\0" else " "
    name = unicodedata.name(letter, "")
    if name.startswith("GREEK "):
        return _greek(letter, name)
    kind, _, base = unicodedata.decomposition(letter).partition(" ")
    if kind in ("<super>", "<sub>"):
        plain = chr(int(base, 16)).replace("\N{MINUS SIGN}", "-")
        return f"${'^' if kind == '<super>' else '_'}{{{plain}}}$" if plain.isascii() else _number(letter)
    parts = unicodedata.normalize("NFD", letter)
    accent = _ACCENTS.get(unicodedata.name(parts[-1], "").removeprefix("COMBINING ")) if len(parts) == 2 else None
    return _number(letter) if accent is None or not parts[0].isascii() else rf"{{\{accent}{parts[0]}}}"


def _greek(letter: str, name: str) -> str:
    words = name.split()
    if len(words) != 4 or words[2] != "LETTER":
        return _number(letter)
    word = words[3].replace("LAMDA", "LAMBDA")
    if word == "OMICRON":
        return "o" if words[1] == "SMALL" else "O"
    if words[1] == "CAPITAL":
        return _LIKE_LATIN.get(word) or rf"$\{word.capitalize()}$"
    return rf"$\{word.lower()}$"


def _number(letter: str) -> str:
    return f"(U+{ord(letter):04X})"


def _share(letter: str) -> float:
    """Return a letter's width in units of the font size (cmr9)."""
    if letter in " .,;:!'|()[]/-ijltf":
        return 0.34
    if letter.isupper() or letter in "mw%@&\N{PLUS-MINUS SIGN}\N{ALMOST EQUAL TO}\N{MULTIPLICATION SIGN}":
        return 0.76
    return 0.514 if letter.isdecimal() else 0.49
