"""Methods compared over several runs and seeds, with statistics: read from the runs' files, computed, written."""

from dse.comparison._comparison import Comparison, compare_runs
from dse.comparison._page import summary
from dse.comparison._write import check_out, write_comparison

__all__ = ["Comparison", "check_out", "compare_runs", "summary", "write_comparison"]
