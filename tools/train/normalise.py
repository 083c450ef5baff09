"""Turns one Python source file into training text: one style, little prose, no tables.

A small model has no room for licence headers, long docstrings and data, so they go; strings are
put between double quotes where that changes nothing else.
"""

import ast
import io
import re
import tokenize

TABLE_LINES = 40  # a statement without a body that spans more lines is data
DOCSTRING_LINES = 3
COMMENT_LINES = 4  # longer blocks of comment lines are essays or commented-out code
SHORTEST, LONGEST = 200, 60_000  # characters of a file worth keeping
WIDEST = 160  # characters of a line; generated code and data are wider


def normalise(source):
    """The training text of `source`, or None if the file is not Python 3 or not worth reading."""
    text = source.replace("\r\n", "\n").expandtabs(4)
    if len(text) > 8 * LONGEST or not text.isascii() or "\f" in text or "\0" in text:
        return None
    try:
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return None
    lines = text.split("\n")
    _double_quotes(lines, tokens)
    dropped = _comment_blocks(lines, tokens) | _tables(tree)
    _shorten_docstrings(lines, tree, dropped)
    kept = [line.rstrip() for number, line in enumerate(lines, 1) if number not in dropped]
    text = re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept)).strip("\n") + "\n"
    return text if _worth_reading(text) else None


def _double_quotes(lines, tokens):
    for token in tokens:
        body = token.string
        plain = token.type == tokenize.STRING and token.start[0] == token.end[0]
        if plain and not {'"', "\\"} & set(body) and "'''" not in body and body.count("'") == 2:
            row, column = token.start[0] - 1, token.start[1]
            quoted = body.replace("'", '"')
            lines[row] = lines[row][:column] + quoted + lines[row][column + len(body) :]


def _comment_blocks(lines, tokens):
    """Numbers of the lines of the leading comment and of every long comment block."""
    comments = [
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and lines[token.start[0] - 1].lstrip().startswith("#")
    ]
    blocks = []
    for number in comments:
        if blocks and blocks[-1][-1] == number - 1:
            blocks[-1].append(number)
        else:
            blocks.append([number])
    code = (t.start[0] for t in tokens if t.type not in (tokenize.COMMENT, tokenize.NL))
    first_code = next(code, 1)
    return {
        number
        for block in blocks
        if len(block) > COMMENT_LINES or block[0] < first_code
        for number in block
    }


def _tables(tree):
    dropped = set()
    for scope in ast.walk(tree):
        if not isinstance(scope, (ast.Module, ast.ClassDef)):
            continue
        for statement in scope.body[1:]:
            span = range(statement.lineno, statement.end_lineno + 1)
            if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)):
                if len(span) > TABLE_LINES:
                    dropped.update(span)
    return dropped


def _shorten_docstrings(lines, tree, dropped):
    """Keeps the first paragraph of a docstring, if that is short."""
    for scope in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if not isinstance(scope, kinds) or ast.get_docstring(scope, clean=False) is None:
            continue
        node = scope.body[0]
        first, last = node.lineno, node.end_lineno
        if last - first < DOCSTRING_LINES:
            continue
        paragraph = ast.get_docstring(scope).split("\n\n")[0].split("\n")[:DOCSTRING_LINES]
        summary = " ".join(line.strip() for line in paragraph).replace("\\", "").replace('"', "'")
        summary = summary if len(summary) < 90 else summary.split(". ")[0][:90].rsplit(" ", 1)[0]
        indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
        if lines[first - 1].lstrip()[:1] in {'"', "'", "r"}:
            lines[first - 1] = f'{indent}"""{summary}"""'
            dropped.update(range(first + 1, last + 1))


def _worth_reading(text):
    if not SHORTEST <= len(text) <= LONGEST:
        return False
    if max(map(len, text.split("\n"))) > WIDEST:
        return False
    digits = sum(map(str.isdigit, text))
    letters = sum(map(str.isalpha, text))
    return digits < 0.08 * len(text) and letters > 0.4 * len(text)
