import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from kvant import fusion

# The NumPy oracles.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is compiled yet, and nothing reported. Of a file: pytestmark = pytest.mark.usefixtures("fresh")."""
    torch._dynamo.reset()
    fusion.clear()
    yield
    fusion.clear()
