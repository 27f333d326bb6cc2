"""The tasks that the LSTM was made for: generated sequences, trials of LSTM, GRU and RNN, and tables of the results."""

from tinygrad_lstm.tasks import agreement
from tinygrad_lstm.tasks.catalogue import TASKS, make_task
from tinygrad_lstm.tasks.definition import Data, OnTest, Protocol, Published, Recent, Task, endless, modern
from tinygrad_lstm.tasks.learning import CellResult, Trial, run_trials
from tinygrad_lstm.tasks.results import machine_name, markdown_table, results_page, results_table, written_page
from tinygrad_lstm.tasks.sequence_data import Judgement, Sequences
from tinygrad_lstm.tasks.trial_cells import Blocks
from tinygrad_lstm.tasks.trial_network import TrialNetwork

__all__ = [
    "TASKS",
    "Blocks",
    "CellResult",
    "Data",
    "Judgement",
    "OnTest",
    "Protocol",
    "Published",
    "Recent",
    "Sequences",
    "Task",
    "Trial",
    "TrialNetwork",
    "agreement",
    "endless",
    "machine_name",
    "make_task",
    "markdown_table",
    "modern",
    "results_page",
    "results_table",
    "run_trials",
    "written_page",
]
