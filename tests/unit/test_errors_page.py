"""The page of errors."""

from scripts.errors_page import PAGE, page


def test_the_page_of_errors_is_current():
    """docs/errors.md is what the classes say; `make schema` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()
