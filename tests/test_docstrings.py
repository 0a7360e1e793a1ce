"""Do public docstrings keep the rules of the house? Read from the source, nothing is imported.

The rules, each with its code in the messages:

- `missing`: every public function, method and class has a docstring. A method that overrides a
  documented one, and `forward`, `fit` and the like of classes built on other libraries, may go
  without: then the class says what there is to say, shapes included.
- `summary`: the first line is a sentence of its own, with a full stop.
- `verb`: that of a function or method begins with a verb in the imperative ("Return the rows of
  ...").
- `noun`: that of a class or property is a noun phrase ("Trainer of ...", not "Trains ...").
- `section`: examples stand under "Examples:", which the reference shows as code.
- `shape`: a function that takes or returns tensors or arrays names their shapes: `(N, C, H, W)`,
  `(n,)`, "of any shape", "a scalar".
- `argument`: what follows the name of an argument is a phrase with a subject and a capital ("Width
  of the hidden layers", not "of the hidden layers"). The help of a flag has a subject, too.
- `wrapping`: lines of a paragraph are filled, give or take a word, and indented alike; no word
  stands alone that fits on the line before.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from repository import ROOT

PACKAGES = {
    "graph2nn": ROOT / "graph2nn",
    **{f"graph2nn/{p.name}": p for p in sorted((ROOT / "graph2nn").iterdir()) if p.is_dir()},
    "archtokens": ROOT / "tokenizers" / "archtokens",
    "ghn": ROOT / "ghn",
    "predictors": ROOT / "predictors",
    "netwright": ROOT / "netwright",
}
PACKAGES = {name: path for name, path in PACKAGES.items() if any(path.rglob("*.py"))}

# Add a verb here if the message `verb` is wrong about it.
VERBS = frozenset(
    """
    Accept Accumulate Act Adapt Add Advance Align Allocate Answer Append Apply Approximate
    Arrange Ask Assemble Assert Assign Attach Attend Augment Average Balance Begin Bin Bound
    Bring Broadcast Build Cache Calculate Call Cancel Canonicalise Cast Centre Change Check
    Choose Classify Clear Clip Close Collapse Collate Collect Color Colour Combine Compact
    Compare Compile Complain Complete Compose Compress Compute Concatenate Connect Construct
    Continue Contract Convert Convolve Copy Correct Correlate Count Cover Create Crop Cross Cut
    Decide Declare Decode Delete Derive Describe Detach Detect Differ Discard Dispatch Divide Do
    Download Draw Drop Embed Encode Enlarge Enter Enumerate Estimate Evaluate Exchange Exclude
    Expand Explain Export Extend Extract Extrapolate Fetch Fill Filter Find Finish Fit Flag
    Flatten Flip Flush Fold Follow Forbid Forget Format Gather Generate Get Give Go Group Grow
    Guess Halve Hand Hash Hide Hold Identify Ignore Import Include Increment Infer Initialise
    Insert Install Instantiate Integrate Interpolate Iterate Join Keep Label Lay Lead Learn
    Leave Let Limit Link List Load Locate Log Look Lower Make Map Mark Mask Match Maximise
    Measure Merge Minimise Mirror Mix Move Multiply Mutate Name Normalise Note Notice Number
    Observe Offer Open Order Overwrite Pack Pad Pair Parse Pass Permute Pick Place Plan Plot
    Point Pool Predict Prefer Prepare Pretend Print Process Project Propagate Propose Prune
    Publish Push Put Raise Rank Read Rebuild Recognise Record Recover Redraw Reduce Refill
    Refine Refuse Register Regress Release Remember Remove Rename Render Reorder Repair Repeat
    Replace Report Reserve Reset Reshape Resize Resolve Restore Resume Return Reverse Rewire
    Rewrite Rise Roll Rotate Round Run Sample Save Say Scale Scatter Score Search Seed Select
    Send Separate Serve Set Share Shift Show Shrink Shuffle Sign Simplify Simulate Skip Slice
    Smooth Solve Sort Split Spread Squash Squeeze Stack Stamp Standardise Start State Stay Step
    Stop Store Stream Strip Study Subtract Sum Summarise Sweep Switch Symmetrise Tabulate Take
    Tell Test Thin Tie Tile Time Tokenise Trace Track Train Transform Translate Transpose
    Truncate Try Turn Undo Unfold Unite Unpack Unroll Unwrap Update Use Validate Verify Wait
    Walk Warn Weigh Wire Wrap Write Yield Zero
    """.split()
)
# Plurals that look like verbs in the third person.
NOUNS = frozenset(
    """
    Bins Blocks Counts Cuts Draws Flags Groups Images Labels Limits Links Marks Masks Measures
    Names Notes Numbers Orders Parts Places Plans Points Results Rounds Samples Scores Seeds Sets
    Shapes Splits Stacks Starts States Steps Sums Tests Traces Weights Zeros
    """.split()
)
INHERITED = frozenset(
    """
    forward backward extra_repr fit predict fit_predict transform fit_transform score train eval
    state_dict load_state_dict setup_context jvp vmap message update aggregate
    """.split()
)
SECTIONS = ("Args:", "Attributes:", "Returns:", "Yields:", "Raises:", "Warns:", "Shapes:")
TENSOR = re.compile(r"\b(Tensor|ndarray|NDArray)\b")
SHAPE = re.compile(
    r"\bshapes?\b|\bShapes?\b|\bscalars?\b|\((?:[^\s(),]+(?: [-+*/] [^\s(),]+)*,)+[^()]{0,24}\)"
)
LEANING = frozenset(
    "of as by for where which with that in at whose from on to than when into if".split()
)
VERBATIM = re.compile(r"\s*(>>>|netwright |\.\.\. |```|\||[-*•] |\d+\. )|.*(\\|\S {3,}\S)")


@dataclass
class Entry:
    """One public name: where it is, its syntax tree, its class and its docstring."""

    path: Path
    name: str
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef | None = None
    doc: str = field(default="")

    def __post_init__(self) -> None:
        self.doc = ast.get_docstring(self.node) or ""

    @property
    def is_call(self) -> bool:
        """A function or method, not a class or property."""
        if isinstance(self.node, ast.ClassDef):
            return False
        marks = [ast.unparse(mark) for mark in self.node.decorator_list]
        return not any("property" in mark or mark.endswith(".setter") for mark in marks)

    @property
    def width(self) -> int:
        """Columns that the docstring may take."""
        return 100 - self.node.col_offset - 4

    def complaint(self, code: str, text: str) -> str:
        """Say what is wrong where, so that an editor can jump there."""
        return f"{self.path.relative_to(ROOT)}:{self.node.lineno} {self.name} [{code}] {text}"


def public_names(tree: ast.Module) -> set[str]:
    """Return what `__all__` of a file lists."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def entries(path: Path) -> Iterator[Entry]:
    """Find the public functions, classes and methods of a file, in order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = public_names(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names:
            yield Entry(path, node.name, node)
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                        yield Entry(path, f"{node.name}.{part.name}", part, node)


def is_overload(entry: Entry) -> bool:
    """Tell the typing variants of a function, which need no docstring, from the function."""
    marks = getattr(entry.node, "decorator_list", [])
    return any(ast.unparse(mark).split(".")[-1] == "overload" for mark in marks)


def bases(owner: ast.ClassDef) -> list[str]:
    """Return the plain names of the classes that a class is built on."""
    return [ast.unparse(base).split("[")[0].split(".")[-1] for base in owner.bases]


def documented_methods(found: list[Entry]) -> dict[str, tuple[set[str], list[str]]]:
    """Return, by name of a class, its methods with a docstring and the names of its bases."""
    table: dict[str, tuple[set[str], list[str]]] = {}
    for entry in found:
        if isinstance(entry.node, ast.ClassDef):
            methods = [part for part in entry.node.body if isinstance(part, ast.FunctionDef)]
            named = {part.name for part in methods if ast.get_docstring(part)}
            table.setdefault(entry.node.name, (named, bases(entry.node)))
    return table


def overrides(entry: Entry, table: dict[str, tuple[set[str], list[str]]]) -> bool:
    """Find whether a method takes the place of one that is documented in this library."""
    waiting, seen = bases(entry.owner) if entry.owner else [], set()
    while waiting:
        name = waiting.pop()
        if name in table and name not in seen:
            seen.add(name)
            if entry.node.name in table[name][0]:
                return True
            waiting += table[name][1]
    return False


def check_undocumented(entry: Entry, table: dict[str, tuple[set[str], list[str]]]) -> Iterator[str]:
    """Check that what has no docstring is an override whose base, or else its class, says all."""
    if overrides(entry, table):
        return
    if entry.owner is None or entry.node.name not in INHERITED:
        yield entry.complaint("missing", "has no docstring")
    elif has_tensors(entry) and not SHAPE.search(ast.get_docstring(entry.owner) or ""):
        yield entry.complaint("shape", "takes tensors; name their shapes here or in its class")


def check_summary(entry: Entry) -> Iterator[str]:
    """Check the first line: a sentence, which for a function begins with a verb."""
    first = entry.doc.split("\n", 1)[0].strip()
    if not first.endswith((".", "?")):
        yield entry.complaint("summary", f"the first line is no whole sentence: {first!r}")
    word = first.split()[0].rstrip(".,:;")
    if entry.is_call and word not in VERBS:
        yield entry.complaint(
            "verb",
            f"begins with {word!r}; begin with a verb in the imperative, such as 'Return', 'Train'"
            f" (if it is one, add it to VERBS in tests/test_docstrings.py)",
        )
    third = word.endswith("s") and {word[:-1], word[:-2]} & VERBS and word not in NOUNS
    if not entry.is_call and third:
        yield entry.complaint(
            "noun", f"begins with {word!r}; a class or property is a noun phrase ('Trainer of ...')"
        )


def check_sections(entry: Entry) -> Iterator[str]:
    """Check the name of the section that holds examples."""
    if re.search(r"^Example:$", entry.doc, re.MULTILINE):
        yield entry.complaint("section", "'Example:' is called 'Examples:'")


def has_tensors(entry: Entry) -> bool:
    """Tell whether a function takes or returns tensors or arrays, by its annotations."""
    if not entry.is_call or isinstance(entry.node, ast.ClassDef):
        return False
    spec = entry.node.args
    notes = [arg.annotation for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    texts = [ast.unparse(note) for note in (*notes, entry.node.returns) if note is not None]
    return any(TENSOR.search(text) for text in texts)


def check_shape(entry: Entry) -> Iterator[str]:
    """Check that a function with tensors says of which shape they are."""
    if has_tensors(entry) and not SHAPE.search(entry.doc):
        yield entry.complaint(
            "shape", "takes or returns tensors; name their shapes, e.g. '(N, C, H, W)' or '(n,)'"
        )


def check_arguments(entry: Entry) -> Iterator[str]:
    """Check that what is said of an argument is a phrase with a subject."""
    sections = re.findall(r"^(?:Args|Attributes):\n((?: .*\n?)*)", entry.doc, re.M)
    section = "\n".join(sections)
    for name, text in re.findall(r"^ {4}([*\w`][*\w`, /]*):\s+(\S+(?:\s+\S+)*?)$", section, re.M):
        word = text.split()[0].rstrip(",;.:")
        if word.lower() in LEANING:
            advice = "name its subject first ('Width of ...', not 'of ...')"
            yield entry.complaint("argument", f"{name}: begins with {word!r}; {advice}")
        elif re.fullmatch(r"[a-z]{2,}", word) and word not in ("torch", "numpy", "networkx"):
            yield entry.complaint("argument", f"{name}: {word!r} wants a capital")


def paragraphs(doc: str) -> Iterator[list[str]]:
    """Split a docstring into lines that belong together; code, lists and formulas are left out."""
    block: list[str] = []
    for line in [*doc.split("\n"), ""]:
        heading = line.strip() in SECTIONS or line.strip().startswith("Example")
        argument = re.match(r"    \*{0,2}`?\w+`?(, \*{0,2}`?\w+`?)*:(\s|$)", line)
        if not line.strip() or heading or argument:
            if block and not any(VERBATIM.match(part) for part in block):
                yield block
            block = [] if not line.strip() or heading else [line]
        else:
            block.append(line)


def check_wrapping(entry: Entry) -> Iterator[str]:
    """Check that lines are filled and that those of a paragraph begin in the same column."""
    for block in paragraphs(entry.doc):
        for line, after in zip(block, block[1:], strict=False):
            words = after.split()
            room = entry.width - len(line) - 1 - len(words[0])
            if room >= (0 if len(words) == 1 else 12) and not line.endswith((":", ";")):
                yield entry.complaint("wrapping", f"broken too early: {line.strip()!r}")
        margins = {len(line) - len(line.lstrip()) for line in block[1:]}
        if len(margins) > 1:
            yield entry.complaint("wrapping", f"indented unevenly: {block[0].strip()!r}")


def findings(found: list[Entry], table: dict[str, tuple[set[str], list[str]]]) -> list[str]:
    """Collect everything that breaks a rule, in the order of the files."""
    said: list[str] = []
    for entry in found:
        if is_overload(entry):
            continue
        if not entry.doc:
            said += check_undocumented(entry, table)
            continue
        checks = (check_summary, check_sections, check_shape, check_arguments, check_wrapping)
        for check in checks:
            said += check(entry)
    return said


@pytest.fixture(scope="module")
def library() -> dict[str, list[Entry]]:
    """Return every public name, by package; of `graph2nn` itself those of its own files."""
    files = {name: "*.py" if name == "graph2nn" else "**/*.py" for name in PACKAGES}
    return {
        name: [entry for path in sorted(root.glob(files[name])) for entry in entries(path)]
        for name, root in PACKAGES.items()
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_public_docstrings_keep_the_rules(library, package):
    table = documented_methods([entry for found in library.values() for entry in found])
    said = findings(library[package], table)
    text = "\n".join(said[:60])
    assert not said, (
        f"{len(said)} docstrings of {package} break a rule "
        f"(the rules stand at the top of tests/test_docstrings.py):\n{text}"
    )


def help_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Find the texts that describe flags, `help="..."`, with their lines."""
    for node in ast.walk(tree):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg == "help" and isinstance(keyword.value, ast.Constant | ast.JoinedStr):
                yield keyword.value.lineno, ast.unparse(keyword.value).lstrip("f").strip("'\"")


def test_help_texts_have_a_subject():
    folders = ("graph2nn", "tokenizers", "ghn", "predictors", "experiments", "benchmarks")
    said = [
        f"{path.relative_to(ROOT)}:{line} {text!r}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in help_texts(ast.parse(path.read_text(encoding="utf-8")))
        if text.split()[0] in LEANING
    ]
    assert not said, "name the subject first ('seed of ...', not 'of ...'):\n" + "\n".join(said)


GOOD = '''
def area(boxes: Tensor) -> Tensor:
    """Return the areas of boxes.

    Args:
        boxes: Corners of each box, (n, 4), in pixels.

    Returns:
        Areas (n,), in square pixels.
    """
'''


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("Return the", "Returns the"), "verb"),
        (("Return the", "The"), "verb"),
        (
            ('def area(boxes: Tensor) -> Tensor:\n    """Return', 'class area:\n    """Takes'),
            "noun",
        ),
        (("boxes.\n", "boxes, each\n"), "summary"),
        (("Corners of", "of"), "argument"),
        (("Corners", "corners"), "argument"),
        (("Returns:", "Example:\n        >>> 1\n\n    Returns:"), "section"),
        (("(n, 4), in", "in\n            some\n           "), "wrapping"),
        (('"""Return', 'pass\n    """Return'), "missing"),
    ],
)
def test_a_broken_rule_is_named(tmp_path, monkeypatch, change, code):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "boxes.py"
    path.write_text('__all__ = ["area"]\n' + GOOD)
    assert findings(list(entries(path)), {}) == []
    path.write_text('__all__ = ["area"]\n' + GOOD.replace(*change))
    assert any(f"[{code}]" in text for text in findings(list(entries(path)), {}))


def test_a_missing_shape_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "boxes.py"
    path.write_text('__all__ = ["area"]\n' + GOOD.replace("(n, 4)", "each").replace("(n,)", ""))
    assert any("[shape]" in text for text in findings(list(entries(path)), {}))
