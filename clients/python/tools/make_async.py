"""Makes `commands_async.py` from `commands.py`, so that the two never differ.

python tools/make_async.py            writes the file
python tools/make_async.py --check    exits with 1 if the file is not up to date
"""

import re
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent / "src" / "redis_durable"
HEAD = '''"""The family for asyncio. `tools/make_async.py` makes it from `commands.py`."""
'''


def converted(source: str) -> str:
    _docstring, rest = source.split('\n"""\n', 1)
    rest = rest.replace("class Commands:", "class AsyncCommands:")
    rest = re.sub(r"^(    )def ", r"\1async def ", rest, flags=re.MULTILINE)
    return HEAD + rest.replace("return self._family(", "return await self._family(")


def main() -> None:
    made = converted((HOME / "commands.py").read_text())
    target = HOME / "commands_async.py"
    if sys.argv[1:] != ["--check"]:
        target.write_text(made)
    elif target.read_text() != made:
        sys.exit("commands_async.py is not up to date: run python tools/make_async.py")


if __name__ == "__main__":
    main()
