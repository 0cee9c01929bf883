"""Run the console blocks of all pages, and update output that no longer matches. `make docs` runs it."""

import re
import runpy
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
DOCS = runpy.run_path(str(ROOT / "tests/e2e/test_docs.py"))
VARIES = {
    r"\b[0-9a-f]{12}\b": "...",
    r"\d{4}-\d\d-\d\d \d\d:\d\d( UTC)?": "...",
    r"\(sensitive [^)]*\)": "(sensitive ...)",
    r"by less than \d+ s\.": "by less than ... s.",
}


def main() -> None:
    for page in DOCS["PAGES"]:
        path = ROOT / page
        path.write_text(refreshed(path.read_text()))


def refreshed(text: str) -> str:
    """Return *text* with current output. Output that still matches stays as it is, with its ``...``."""
    steps = list(DOCS["steps"](text))
    with TemporaryDirectory() as folder:
        project = Path(folder) / "leanplum-sync"
        shutil.copytree(ROOT, project, ignore=DOCS["NOT_COPIED"])
        results = DOCS["run"](steps, project, Path(folder))
    lines = text.split("\n")
    for number in reversed(range(len(steps))):
        step, (status, output) = steps[number], results[number]
        if status and not DOCS["is_status_shown"](steps, number):
            raise SystemExit(f"{step.command}\nended with {status}:\n{output}")
        if step.shown and not DOCS["pattern"](step.shown).fullmatch(output):
            start = step.line + step.command.count("\n")
            lines[start : start + len(step.shown)] = generalised(output).rstrip("\n").split("\n")
    return "\n".join(lines)


def generalised(output: str) -> str:
    for varying, general in VARIES.items():
        output = re.sub(varying, general, output)
    return output


if __name__ == "__main__":
    main()
