"""Tables of Markdown that people and programs read."""


def rows(path):
    """The cells of every row of every table of a file, without the headings."""
    is_below_heading = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            is_below_heading = False
        elif is_below_heading:
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]
        elif set(line) <= set("|-: "):
            is_below_heading = True


def code(cell):
    """What stands between backticks."""
    return cell.split("`")[1::2]
