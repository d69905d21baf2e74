"""Lines of the package and its longest functions and files: an alarm to look at, not a limit."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"
LONG_FUNCTION, LONG_FILE, SHOWN = 30, 300, 6


def main() -> None:
    """Print the report."""
    functions: list[tuple[int, str]] = []
    files: list[tuple[int, str]] = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        files.append((text.count("\n"), str(path.relative_to(SOURCE))))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                size = node.end_lineno - node.body[0].lineno + 1
                functions.append((size, f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"))
    print(f"{sum(size for size, _ in files):,} lines in {len(files)} files, {len(functions):,} functions")
    for title, found, limit in (("functions", functions, LONG_FUNCTION), ("files", files, LONG_FILE)):
        longest = [entry for entry in sorted(found, reverse=True)[:SHOWN] if entry[0] > limit]
        print(
            f"longest {title}: " + (", ".join(f"{name} {size}" for size, name in longest) or f"none over {limit} lines")
        )


if __name__ == "__main__":
    main()
