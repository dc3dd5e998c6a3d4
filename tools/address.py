"""Move the book to another repository: `python run.py address https://github.com/OWNER/REPOSITORY`.

_config.yml (repository.url) is the place of the address. This rewrites it there and wherever a text file of the
repository repeats it; the notebooks, whose first cell holds it too, are made anew afterwards. Standard library only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+?)/?")
SUFFIXES = (".cff", ".md", ".py", ".toml", ".yml")


def main(arguments: list[str]) -> int:
    new = ADDRESS.fullmatch(arguments[0]) if len(arguments) == 1 else None
    if new is None:
        sys.exit("Give one address, such as https://github.com/OWNER/REPOSITORY")
    old = owner_and_name((ROOT / "_config.yml").read_text(encoding="utf-8"))
    for path in tracked_files(ROOT):
        if path.suffix in SUFFIXES:
            before = path.read_text(encoding="utf-8")
            after = readdress(before, old, (new[1], new[2]))
            if after != before:
                path.write_text(after, encoding="utf-8", newline="\n")
                print(f"changed {path.relative_to(ROOT).as_posix()}", flush=True)
    return 0


def owner_and_name(config: str) -> tuple[str, str]:
    """The owner and the name of the repository, from the text of _config.yml."""
    line = re.search(r"^repository:\n(?:  .*\n)*?  url: (\S+)$", config, re.MULTILINE)
    address = ADDRESS.fullmatch(line[1]) if line else None
    if address is None:
        sys.exit("_config.yml: repository.url should be https://github.com/OWNER/REPOSITORY")
    return address[1], address[2]


def readdress(text: str, old: tuple[str, str], new: tuple[str, str]) -> str:
    """The text with the repository's address, and that of its pages, changed."""
    for before, after in (("/".join(old), "/".join(new)), (".github.io/".join(old), ".github.io/".join(new))):
        text = re.sub(rf"(?<![\w.-]){re.escape(before)}(?![\w-])", after, text)
    return text


def tracked_files(root: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, encoding="utf-8")
    return [path for name in listed.stdout.split("\0") if name and (path := root / name).is_file()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
