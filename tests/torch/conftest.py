import sys
from pathlib import Path

# The NumPy oracles.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
