"""A person for each test, who leaves nothing behind."""

import pytest

from tests.e2e.person import Person


@pytest.fixture
def person(tmp_path):
    """A person, with a home of their own."""
    person = Person(tmp_path)
    yield person
    person.close()
